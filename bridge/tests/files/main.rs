//! The file, package and HTTP channels, driven by a scripted page over a real link, with real files and sockets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "all of this is tests: what is not as expected ends the test"
)]

mod fsinfo;
mod fslist;
mod fsread;
mod fsreplace;
mod fswatch;
mod http;
mod packages;
mod packet;
mod page;
mod service;
mod websocket;
