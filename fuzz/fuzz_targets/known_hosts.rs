//! Files of known_hosts: nothing panics, what was added is found, what was removed is gone, and nothing else is touched.
#![no_main]

use hosts::host_key::{HostKey, edits_hold};
use libfuzzer_sys::fuzz_target;
use protocol::names::HostSpec;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

fuzz_target!(|bytes: &[u8]| {
    let key: HostKey = KEY.parse().unwrap();
    for host in ["web1", "web1:2222", "[2001:db8::1]:2222"] {
        let host: HostSpec = host.parse().unwrap();
        assert!(edits_hold(bytes, &host, &key), "an edit for {host} does not hold");
    }
});
