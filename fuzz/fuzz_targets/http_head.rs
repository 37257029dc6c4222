//! Heads of requests: nothing panics, and no bare line end, NUL or second length is let through.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let passed = server::lets_through(bytes);
    // The first head, once it is whole: what must never stand in one is known without a second parser.
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    if let (true, Some(end)) = (passed, end) {
        let head = &bytes[..end];
        assert!(!head.contains(&0), "NUL in a head");
        assert!(!head.starts_with(b"\n"), "a head that begins with a bare LF");
        assert!(!head.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'), "bare LF in a head");
        assert!(!head.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n'), "bare CR in a head");
    }
});
