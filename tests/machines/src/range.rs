//! Addresses: one small network for each lab, picked so that it hides nothing the host can reach.

use std::net::Ipv4Addr;

use crate::error::{Error, Result};
use crate::program::Program;

/// A network of 256 addresses: the host has `.1`, machines come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    first: [u8; 3],
}

/// First two bytes of the networks that are tried, in this order. All are for private use (RFC 1918) or for
/// trying out network devices (RFC 2544).
const CANDIDATES: &[[u8; 2]] = &[[10, 213], [172, 29], [192, 168], [198, 18], [198, 19]];

/// Prefix length of a [`Range`].
pub(crate) const PREFIX: u8 = 24;

impl Range {
    /// The range number `number` (0 to 255) in the first candidate that the host has no route to.
    pub(crate) fn free(number: u8) -> Result<Self> {
        let routes = Program::new("ip")
            .args(["-4", "route", "show", "table", "all"])
            .output()?;
        let taken = networks(&routes);
        CANDIDATES
            .iter()
            .map(|[a, b]| Self { first: [*a, *b, number] })
            .find(|range| !taken.iter().any(|network| range.overlaps(*network)))
            .ok_or_else(|| Error::Refused(format!("no address range is free for lab {number}")))
    }

    /// The host's own address.
    pub(crate) fn host(self) -> Ipv4Addr {
        self.address(1)
    }

    /// The address that ends in `last`.
    pub(crate) fn address(self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.first;
        Ipv4Addr::new(a, b, c, last)
    }

    fn overlaps(self, (network, prefix): (Ipv4Addr, u8)) -> bool {
        let shorter = u32::from(prefix.min(PREFIX));
        let mask = u32::MAX.checked_shl(32 - shorter).unwrap_or(0);
        (self.address(0).to_bits() ^ network.to_bits()) & mask == 0
    }
}

/// Networks in the output of `ip route`, the default route left out: it is everything that is not ours.
fn networks(routes: &str) -> Vec<(Ipv4Addr, u8)> {
    routes
        .lines()
        .filter_map(|line| {
            let kinds = ["local", "broadcast", "unreachable", "blackhole", "prohibit", "throw"];
            let word = line.split_whitespace().find(|word| !kinds.contains(word))?;
            let (address, prefix) = word.split_once('/').unwrap_or((word, "32"));
            Some((address.parse().ok()?, prefix.parse().ok()?))
        })
        .collect()
}

#[test]
fn a_range_with_a_route_is_not_free() {
    let routes = "default via 192.0.2.1 dev eth0\n10.213.0.0/16 dev vpn0 scope link\n\
                  local 127.0.0.1 dev lo table local\nbroadcast 172.29.7.255 dev x table local\n";
    let taken = networks(routes);
    let free = |first| {
        !taken
            .iter()
            .any(|network| Range { first }.overlaps(*network))
    };

    assert_eq!(taken.len(), 3);
    assert!(!free([10, 213, 4]));
    assert!(!free([172, 29, 7]));
    assert!(free([172, 29, 8]));
}
