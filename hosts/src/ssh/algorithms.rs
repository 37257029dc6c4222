//! What is offered to a machine, and the limits of a connection (security rules T24 to T27).
//!
//! Short lists: what is not in them is not spoken, whatever the machine would like. Host key algorithms are not here, they
//! depend on what is known of the host. Called by `dial`.

use std::borrow::Cow;
use std::time::Duration;

use russh::client::{Config, GexParams};
use russh::{Limits, Preferred, SshId, cipher, compression, kex, mac};

use crate::host_key::Algorithms;

/// How often a silent machine is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Unanswered questions after which it is gone: the next would be the fourth, 60 s after it was last heard.
const KEEP_ALIVE_UNANSWERED: usize = 3;

/// Window of a channel in bytes (T27).
const WINDOW: u32 = 2 << 20;

/// Largest packet that we ask for, in bytes: what every server takes.
const PACKET: u32 = 32 << 10;

/// Packets that wait for a reader before the connection is no longer read: with the window this bounds what a machine can
/// make us keep.
const WAITING_PACKETS: usize = 64;

/// Bytes after which new keys are exchanged; RFC 4253 section 9 asks for 1 GiB.
const REKEY_BYTES: usize = 1 << 30;

/// Time after which new keys are exchanged, by the same section.
const REKEY_TIME: Duration = Duration::from_hours(1);

/// Key exchanges, best first.
const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Ciphers, best first.
const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Codes for ciphers that have none of their own: only those over what was encrypted.
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];

/// None (T26).
const COMPRESSIONS: &[compression::Name] = &[compression::NONE];

/// Whether the machine keeps strictly to the order of the first key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyExchange {
    /// It does, or is not known yet.
    Strict,
    /// It does not: what could be cut at its beginning is not offered (T25, CVE-2023-48795).
    Plain,
}

/// The configuration of a connection.
pub(super) fn config(host_keys: &Algorithms, exchange: KeyExchange) -> Config {
    let ciphers = match exchange {
        KeyExchange::Strict => Cow::Borrowed(CIPHERS),
        KeyExchange::Plain => CIPHERS
            .iter()
            .copied()
            .filter(|&cipher| !is_weak_without_strict_exchange(cipher))
            .collect(),
    };
    let lists = Preferred {
        kex: Cow::Borrowed(KEY_EXCHANGES),
        cipher: ciphers,
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSIONS),
        ..Preferred::DEFAULT
    };
    Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Pilothouse")),
        limits: Limits {
            rekey_write_limit: REKEY_BYTES,
            rekey_read_limit: REKEY_BYTES,
            rekey_time_limit: REKEY_TIME,
        },
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: WAITING_PACKETS,
        preferred: host_keys.applied_to(lists),
        inactivity_timeout: None,
        keepalive_interval: Some(KEEP_ALIVE),
        keepalive_max: KEEP_ALIVE_UNANSWERED,
        anonymous: false,
        gex: GexParams::default(),
        nodelay: true,
    }
}

/// Whether packets under this cipher can be cut from the front unless the key exchange is strict.
pub(super) fn is_weak_without_strict_exchange(cipher: cipher::Name) -> bool {
    cipher == cipher::CHACHA20_POLY1305
}
