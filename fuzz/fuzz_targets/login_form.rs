//! The login form, from anybody: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _read_or_not = server::reads_form(body);
});
