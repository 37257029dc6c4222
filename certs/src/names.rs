//! The names and addresses of this machine, as browsers may use them.
//!
//! Callers: `leaf` (subject alternative names) and `server` (accepted `Host` values, T9). Read from the kernel and
//! `/etc/hosts`, never from the network: a name that DNS invents must not become ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names in lower case, each once, and addresses, each once; both hold at least those of loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `admin1`, `admin1.lan`, `admin1.local`, `localhost`: the machine's own first.
    pub dns: Vec<String>,
    /// Addresses of its interfaces, without link-local IPv6 ones (they need a zone, which no certificate holds).
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// Asks the kernel and `/etc/hosts`.
    pub fn of_this_machine() -> Self {
        let uname = rustix::system::uname();
        let node = uname.nodename().to_string_lossy();
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            dns: dns_names(&node, &read("/etc/hosts")),
            addresses: addresses(
                &read("/proc/self/net/fib_trie"),
                &read("/proc/self/net/if_inet6"),
            ),
        }
    }

    /// The machine's own name: its FQDN if it is known.
    pub fn primary(&self) -> &str {
        self.dns.first().map_or("localhost", String::as_str)
    }
}

/// From the node name and the text of `/etc/hosts` (hosts(5)).
fn dns_names(node: &str, hosts: &str) -> Vec<String> {
    let node = node.to_ascii_lowercase();
    let short = node.split('.').next().unwrap_or_default().to_owned();
    let mut names = Vec::new();
    let mut add = |name: String| {
        if is_dns_name(&name) && !names.contains(&name) {
            names.push(name);
        }
    };
    for line in hosts.lines() {
        let line = line
            .split('#')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let known: Vec<&str> = line.split_ascii_whitespace().skip(1).collect();
        if known.iter().any(|name| *name == short || *name == node) {
            known
                .iter()
                .filter(|name| name.starts_with(&format!("{short}.")))
                .for_each(|name| add((*name).to_owned()));
        }
    }
    add(node);
    add(short.clone());
    add(format!("{short}.local"));
    add("localhost".to_owned());
    names
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && label.bytes().all(fits)
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// From the texts of `/proc/net/fib_trie` (an address stands on the line before its `/32 host LOCAL`) and
/// `/proc/net/if_inet6` (32 hex digits, then index, prefix length, scope …).
fn addresses(fib_trie: &str, if_inet6: &str) -> Vec<IpAddr> {
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut add = |address: IpAddr| {
        if !address.is_unspecified() && !found.contains(&address) {
            found.push(address);
        }
    };
    let lines = fib_trie.lines().zip(fib_trie.lines().skip(1));
    lines
        .filter(|(_, next)| next.trim() == "/32 host LOCAL")
        .filter_map(|(line, _)| line.trim().strip_prefix("|-- ")?.parse().ok())
        .for_each(|address: Ipv4Addr| add(IpAddr::V4(address)));
    if_inet6
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok())
        .map(Ipv6Addr::from_bits)
        .filter(|address| !address.is_unicast_link_local())
        .for_each(|address| add(IpAddr::V6(address)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fqdn_of_etc_hosts_comes_first() {
        let hosts =
            "127.0.0.1 localhost\n127.0.1.1 Admin1.lan admin1 # console\n10.0.0.9 web1.lan web1\n";

        let names = dns_names("admin1", hosts);

        assert_eq!(names, ["admin1.lan", "admin1", "admin1.local", "localhost"]);
    }

    #[test]
    fn a_name_with_foreign_characters_is_left_out() {
        assert_eq!(dns_names("bad name", "127.0.0.1 bad\u{7} name"), ["localhost"]);
    }

    #[test]
    fn addresses_are_those_of_interfaces_without_link_local_ones() {
        let fib_trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                        |-- 10.0.2.15\n        /32 host LOCAL\n     |-- 10.0.2.255\n        /32 link BROADCAST\n";
        let if_inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n\
                        fe800000000000000000000000000001 02 40 20 80     eth0\n\
                        20010db8000000000000000000000007 02 40 00 80     eth0\n";

        let found = addresses(fib_trie, if_inet6);

        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["127.0.0.1", "::1", "10.0.2.15", "2001:db8::7"]);
    }

    #[test]
    fn this_machine_has_a_name_and_loopback() {
        let names = Names::of_this_machine();

        assert!(names.dns.contains(&"localhost".to_owned()));
        assert!(names.addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
