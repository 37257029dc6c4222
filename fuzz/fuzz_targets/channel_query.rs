//! The query of an external channel's address, from a page or a link that somebody made it follow: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let _read_or_not = server::reads_channel_query(query);
});
