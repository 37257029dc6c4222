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
    /// Whether pages of packages may reach other hosts than the one they are shown for.
    pub package_hosts: PackageHosts,
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

/// Which hosts the page of a package may open channels to. The shell keeps it: a guard against mistakes and against
/// pages that were led astray, not against a package that means harm, which shares our origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageHosts {
    /// Every host that the user can reach.
    Any,
    /// The one that it is shown for.
    Own,
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn flag(name: &str, values: &[&str]) -> Flag {
        Flag {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn defaults_are_those_of_the_table_and_within_its_ranges() {
        for setting in settings() {
            let mut config = Config::default();
            let applied = setting
                .kind
                .apply(kind::Raw::Text(setting.default.to_owned()), &mut config);
            assert_eq!(applied, Ok(()), "{}", setting.name);
            assert!(setting.doc.ends_with('.'), "{}", setting.name);
        }
        let config = Config::default();
        assert_eq!(config.listen, ["[::]:9090".parse().unwrap()]);
        assert_eq!(config.life.idle, Some(Duration::from_mins(15)));
        assert_eq!(config.relay.socket_queue, 16 << 20);
        assert_eq!(config.tls, TlsFiles::SelfSigned);
    }

    #[test]
    fn names_are_unique_as_settings_and_as_flags() {
        let mut flags: Vec<String> = settings().iter().map(Setting::flag).collect();
        flags.sort();
        let count = flags.len();
        flags.dedup();
        assert_eq!(flags.len(), count);
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let file = file(
            "title = \"Ours\"\nlisten = [\"0.0.0.0:1\", \"[::1]:2\"]\n[session]\nidle = 0\ndetached = \"2m\"\n\
             [limit]\nconnections = 0x80\nsocket-queue = \"4MiB\"\n",
        );

        let config = Config::load(&[flag("title", &["Mine"])], Some(file.path())).unwrap();

        assert_eq!(config.title, "Mine");
        assert_eq!(config.listen.len(), 2);
        assert_eq!((config.life.idle, config.life.detached), (None, Duration::from_mins(2)));
        assert_eq!((config.connections.total, config.relay.socket_queue), (128, 4 << 20));
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_place() {
        let file = file(
            "title = 7\nunknown = 1\nlisten = \"9090\"\n\n[limit]\nconnections = 2\nmessage = \"1MB\"\n\
             [tls]\nkey = \"/k\"\nhsts = true\n[session]\nidle = \"-1\"\n",
        );
        let flags =
            [flag("log-level", &["loud"]), flag("state-dir", &["here"]), flag("no-such", &["x"])];

        let mistakes = Config::load(&flags, Some(file.path())).unwrap_err();

        let path = file.path().display().to_string();
        let shown: Vec<String> = mistakes
            .0
            .iter()
            .map(|mistake| mistake.to_string().replace(&path, "FILE"))
            .collect();
        assert_eq!(
            shown,
            [
                "--log-level: log-level: \"loud\" is not one of error, warn, info, debug, trace",
                "--no-such: there is no setting \"no-such\"",
                "--state-dir: state-dir: \"here\" is not an absolute path",
                "FILE:1: title: 7 is not a text of at most 64 bytes",
                "FILE:2: there is no setting \"unknown\"",
                "FILE:3: listen: \"9090\" is not addresses with port, as 0.0.0.0:9090 or [::]:9090",
                "FILE:6: limit.connections: 2 is not a number from 4 to 1000000",
                "FILE:7: limit.message: \"1MB\" is not bytes from 131072 to 16777216, as 4096, 64KiB or 2MiB",
                "FILE:9: tls.key: is set without tls.certificate",
                "FILE:10: tls.hsts: boolean is not one of auto, on, off",
                "FILE:12: session.idle: \"-1\" is not a time from 0 to 2592000 seconds, as 90, 90s, 15m or 12h",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_toml_or_not_there_is_a_mistake() {
        let file = file("title = \"a\"\nlisten = [\n");
        let mistakes = Config::load(&[], Some(file.path())).unwrap_err();
        assert!(mistakes.to_string().contains("is not TOML"), "{mistakes}");

        let absent = Config::load(&[], Some(Path::new("/nonexistent.toml"))).unwrap_err();
        assert!(
            absent
                .to_string()
                .starts_with("/nonexistent.toml:1: cannot be read"),
            "{absent}"
        );
    }

    #[test]
    fn origins_are_kept_as_browsers_mean_them() {
        let config =
            Config::load(&[flag("origins", &["https://A.example", "http://b:81"])], None).unwrap();
        let listed = ["https://a.example:443", "http://b:81"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(config.origins, Origins::Listed(listed));

        assert_eq!(
            Config::load(&[flag("origins", &["*"])], None)
                .unwrap()
                .origins,
            Origins::Any
        );
        assert!(Config::load(&[flag("origins", &["https://a/path"])], None).is_err());
        assert!(Config::load(&[flag("origins", &["null"])], None).is_err());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let flags = [flag("session-absolute", &["1m"]), flag("session-detached", &["2m"])];

        let mistakes = Config::load(&flags, None).unwrap_err();

        assert_eq!(
            mistakes.to_string(),
            "--session-detached: session.detached: is longer than session.absolute"
        );
    }
}
