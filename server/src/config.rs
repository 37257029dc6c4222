//! Every setting of the server: its name, kind, default, range and what it is for, in one table.
//!
//! Flags, the configuration file, help and manual page all come from [`settings`]: the setting `tls.key` is the flag
//! `--tls-key` and the key `key` of the file's table `[tls]`. [`Config::load`] reports every mistake at once, with
//! file and line, before anything is bound; a mistake is never a default. Callers: `cli` (flags and help) and
//! [`crate::run`]. Never read here: the environment, and anything secret.

mod file;
mod kind;
mod mistake;
mod table;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use kind::Kind;
pub use mistake::{Mistake, Mistakes, Place};
pub use table::settings;

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    /// Dotted name: the table and key of the file; with dashes, the flag.
    pub name: &'static str,
    /// What it takes, in which range, and where it goes.
    pub kind: Kind,
    /// The default as a user would write it; an empty text means "not set" or an empty list.
    pub default: &'static str,
    /// What it does, for help and manual page: one or two sentences.
    pub doc: &'static str,
}

impl Setting {
    /// The name of the flag without its two dashes.
    pub fn flag(&self) -> String {
        self.name.replace('.', "-")
    }
}

/// One flag as it stood on the command line, by its name without dashes before it.
#[derive(Debug, Clone)]
pub struct Flag {
    /// `tls-key`.
    pub name: String,
    /// Its values in order; more than one only for lists.
    pub values: Vec<String>,
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on when no socket is handed over; at least one.
    pub listen: Vec<SocketAddr>,
    /// State directory of all processes; ours is `serve` below it (T55).
    pub state_dir: PathBuf,
    /// Unix socket on which `session` helpers are started.
    pub session_socket: PathBuf,
    /// An imported certificate in place of the self-signed one.
    pub tls: TlsFiles,
    /// Further names by which this server may be addressed (T9), in lower case.
    pub host_names: Vec<String>,
    /// Origins beside our own that may open a WebSocket (T2).
    pub origins: Origins,
    /// What plain HTTP from this machine itself gets (T11).
    pub loopback_http: LoopbackHttp,
    /// When HSTS is sent (T11).
    pub hsts: Hsts,
    /// How long sessions live (T18).
    pub life: Life,
    /// Limits of connections (T34).
    pub connections: ConnectionLimits,
    /// Limits of logins (T16, T35).
    pub logins: LoginLimits,
    /// Limits of pages' sockets and channels (T3, T36, T37).
    pub relay: RelayLimits,
    /// Product name in titles and headings.
    pub title: String,
    /// Text under the login form; `None` shows none.
    pub banner: Option<String>,
    /// Whether packages may loosen their policy for scripts (T6).
    pub package_scripts: PackageScripts,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Folder to read the interface from, in place of the one built in.
    pub web_dir: Option<PathBuf>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFiles {
    /// Made and renewed by us below the state directory.
    SelfSigned,
    /// Given by the administrator; read again when the files change.
    Imported {
        /// PEM: the certificate, then its chain.
        certificate: PathBuf,
        /// PEM: its private key.
        key: PathBuf,
    },
}

/// Origins beside our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any origin: only by the explicit setting `*`.
    Any,
    /// These, as `https://name[:port]` in lower case; may be empty.
    Listed(Vec<String>),
}

/// What plain HTTP from loopback gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackHttp {
    /// A redirect to HTTPS, as everybody gets.
    Redirect,
    /// The whole service.
    Serve,
}

/// When `Strict-Transport-Security` is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hsts {
    /// Unless the certificate is self-signed.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Whether a root-owned package's manifest may allow inline scripts or `eval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageScripts {
    /// `unsafe-inline` and `unsafe-eval` for scripts are taken out of the policy.
    Strict,
    /// They stay, and each is logged.
    UnsafeAllowed,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// An administrator must act.
    Error,
    /// Refused or degraded.
    Warn,
    /// Login, logout, superuser on or off.
    Info,
    /// Decisions.
    Debug,
    /// Frames.
    Trace,
}

/// How long sessions live (T18).
#[derive(Debug, Clone)]
pub struct Life {
    /// Without input on a page; `None` is never. Told to the bridge, which owns it.
    pub idle: Option<Duration>,
    /// Without a socket.
    pub detached: Duration,
    /// In all.
    pub absolute: Duration,
}

/// Limits of connections (T34).
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at once from one source (IPv4 address, IPv6 /64).
    pub per_source: usize,
    /// Connections at once in all; from 75 % on some new ones are dropped by chance.
    pub total: usize,
    /// First byte and TLS handshake together.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
}

/// Limits of logins (T16, T35).
#[derive(Debug, Clone)]
pub struct LoginLimits {
    /// Failures of one source or account before delays begin.
    pub free_failures: u32,
    /// Longest delay before an attempt.
    pub longest_delay: Duration,
    /// Failures of one source within [`Self::block_window`] that block it.
    pub block_failures: u32,
    /// Window in which failures are counted, and how long a block lasts.
    pub block_window: Duration,
    /// Memory for counters in bytes; the oldest are forgotten.
    pub counter_memory: usize,
    /// Helpers running PAM at once.
    pub helpers: usize,
    /// Of these for one source.
    pub helpers_per_source: usize,
    /// Logins that wait for a helper.
    pub queue: usize,
    /// How long one waits before it gets 503.
    pub queue_wait: Duration,
    /// How long a conversation waits for its next answer.
    pub conversation_idle: Duration,
    /// Largest body of a login form in bytes.
    pub form: usize,
}

/// Limits of pages' sockets and channels (T3, T36, T37).
#[derive(Debug, Clone)]
pub struct RelayLimits {
    /// Sockets without a session at once (T3).
    pub sockets_without_session: usize,
    /// Bytes queued towards a page for one channel.
    pub channel_queue: usize,
    /// Bytes queued towards a page in all.
    pub socket_queue: usize,
    /// How long a socket may take nothing while something waits for it.
    pub socket_stall: Duration,
    /// Channels open at once in a session.
    pub channels: usize,
    /// Of these external ones.
    pub external_channels: usize,
    /// Control messages a second from one socket.
    pub controls_per_second: u32,
    /// Pings a second from one socket.
    pub pings_per_second: u32,
    /// Largest WebSocket message in bytes, its fragments together.
    pub message: usize,
}

impl Config {
    /// Takes flags, the configuration file (if one is named) and defaults, in this order of precedence.
    ///
    /// # Errors
    ///
    /// Every mistake of both, sorted by place; nothing was bound or written.
    pub fn load(flags: &[Flag], file: Option<&Path>) -> Result<Self, Mistakes> {
        table::load(flags, file)
    }
}

impl Default for Config {
    fn default() -> Self {
        table::defaults()
    }
}
