//! Scripted peers for tests: each speaks the real protocol, and says nothing that it was not told to say.
#![expect(
    clippy::missing_panics_doc,
    reason = "a peer that is not answered as it expects fails its test"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script names what it waits for; all else fails its test"
)]

pub mod browser;
pub mod page;
pub mod tls;
