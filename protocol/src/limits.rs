//! Every limit of the protocol: its name, unit and reason.
//!
//! Limits of one process alone (queues, time-outs) stand beside that process's code; these are the ones on which two
//! ends must agree. Each has a test that attacks it.

/// Largest frame in bytes: channel id, newline and payload. A peer that announces more is cut off before any of it is
/// buffered.
pub const MAX_FRAME: usize = 16 << 20;

/// Most digits in a length line. Eight are enough for [`MAX_FRAME`]; one more is read so that the error can say
/// "too long" and not "malformed".
pub const MAX_LENGTH_DIGITS: usize = 9;

/// Largest control message in bytes. The largest real ones (a `spawn` with its environment) are below 10 KiB.
pub const MAX_CONTROL: usize = 128 << 10;

/// Deepest nesting of JSON from a peer, in levels. Cockpit's own messages nest eight deep.
pub const MAX_JSON_DEPTH: usize = 32;

/// Most members and elements in one JSON text from a peer, so that a small message cannot become a large tree.
pub const MAX_JSON_MEMBERS: usize = 10_000;

/// Largest message on a WebSocket in bytes (T37). Pages cut their data below 128 KiB.
pub const MAX_WEBSOCKET_MESSAGE: usize = 1 << 20;

/// Longest channel id in bytes. Real ones ("2:4!17") are below 32.
pub const MAX_CHANNEL_ID: usize = 256;

/// Most channels open at once in one session (T37).
pub const MAX_CHANNELS: usize = 1_024;

/// Block of flow control in bytes: the sender sends a `ping` each time it crosses one.
pub const FLOW_BLOCK: u64 = 16 << 10;

/// Window of flow control in bytes: how far past the last `pong` a sender may go.
pub const FLOW_WINDOW: u64 = 2 << 20;

/// Largest data payload that we put into one frame, in bytes. Stock servers refuse 128 KiB and more.
pub const DATA_BLOCK: usize = 64 << 10;
