//! The `Authorization` header of a login, from anybody: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let _read_or_not = server::reads_authorization(header);
});
