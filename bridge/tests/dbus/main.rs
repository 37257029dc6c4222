//! `dbus-json3` from the page to a real service: a bus daemon of our own, a service, and a page over a real link.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]
#![expect(
    clippy::indexing_slicing,
    reason = "a missing member of JSON is null, and fails the comparison"
)]

mod bus;
mod calls;
mod internal;
mod lifecycle;
mod page;
mod publishing;
mod service;
mod watching;
