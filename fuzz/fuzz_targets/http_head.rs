//! Heads of requests: nothing panics, and no bare line end, NUL or second length is let through.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let passed = server::lets_through(bytes);
    // A request without a body that a strict parser would refuse at once.
    if passed && bytes.starts_with(b"GET ") {
        let head = bytes
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .map_or(bytes, |end| &bytes[..end]);
        assert!(!head.contains(&0), "NUL in a head");
        assert!(!head.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'), "bare LF in a head");
    }
});
