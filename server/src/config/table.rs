//! The table of settings, and how flags and file become a [`Config`] by it.
//!
//! A new setting is one row here and one field in [`Config`]. Callers: [`Config::load`], `cli` for help.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::limits::MAX_CHANNELS;

use super::kind::{Kind, Raw};
use super::mistake::{Mistake, Mistakes, Place};
use super::{
    Config, ConnectionLimits, Flag, Hsts, Life, LogLevel, LoginLimits, LoopbackHttp, Origins,
    PackageHosts, PackageScripts, RelayLimits, Setting, TlsFiles, file,
};

/// Every setting in the order of help.
pub fn settings() -> &'static [Setting] {
    SETTINGS
}

const DAY: u64 = 24 * 3_600;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        kind: Kind::Addresses(|config, addresses| config.listen = addresses),
        default: "[::]:9090",
        doc: "Addresses and ports to listen on. Not used when a socket is handed over.",
    },
    Setting {
        name: "state-dir",
        kind: Kind::Path(|config, path| config.state_dir = path.unwrap_or_default()),
        default: "/var/lib/pilothouse",
        doc: "Where state is kept; the server's own part is the directory \"serve\" below it.",
    },
    Setting {
        name: "session-socket",
        kind: Kind::Path(|config, path| config.session_socket = path.unwrap_or_default()),
        default: "/run/pilothouse/session.sock",
        doc: "Unix socket on which the helper that logs people in is started.",
    },
    Setting {
        name: "tls.certificate",
        kind: Kind::Path(|config, path| set_tls(config, path, None)),
        default: "",
        doc: "PEM file with a certificate and its chain, in place of a self-signed one. Read again when it changes.",
    },
    Setting {
        name: "tls.key",
        kind: Kind::Path(|config, path| set_tls(config, None, path)),
        default: "",
        doc: "PEM file with the private key of that certificate, mode 0600 or 0640.",
    },
    Setting {
        name: "tls.hsts",
        kind: Kind::Choice(&["auto", "on", "off"], |config, word| {
            config.hsts = match word {
                "on" => Hsts::On,
                "off" => Hsts::Off,
                _ => Hsts::Auto,
            };
        }),
        default: "auto",
        doc: "Whether browsers are told to use HTTPS only from now on; auto does so unless the certificate is self-signed.",
    },
    Setting {
        name: "host-names",
        kind: Kind::Names(|config, names| config.host_names = names),
        default: "",
        doc: "Further names by which browsers reach this server, beside its own host names and addresses.",
    },
    Setting {
        name: "origins",
        kind: Kind::Origins(|config, origins| {
            config.origins = if origins.iter().any(|origin| origin == "*") {
                Origins::Any
            } else {
                Origins::Listed(origins)
            };
        }),
        default: "",
        doc: "Origins beside the server's own whose pages may connect; * allows every page in the world.",
    },
    Setting {
        name: "loopback-http",
        kind: Kind::Choice(&["redirect", "serve"], |config, word| {
            config.loopback_http =
                if word == "serve" { LoopbackHttp::Serve } else { LoopbackHttp::Redirect };
        }),
        default: "redirect",
        doc: "What plain HTTP from this machine itself gets: a redirect to HTTPS, or the whole service.",
    },
    Setting {
        name: "session.idle",
        kind: Kind::Time(0..=30 * DAY, |config, time| {
            config.life.idle = (!time.is_zero()).then_some(time);
        }),
        default: "15m",
        doc: "Log out after so long without input on a page; 0 never does.",
    },
    Setting {
        name: "session.detached",
        kind: Kind::Time(1..=DAY, |config, time| config.life.detached = time),
        default: "15m",
        doc: "How long a session lives without any open page.",
    },
    Setting {
        name: "session.absolute",
        kind: Kind::Time(60..=30 * DAY, |config, time| config.life.absolute = time),
        default: "12h",
        doc: "How long a session lives in all.",
    },
    Setting {
        name: "title",
        kind: Kind::Text(64, |config, text| config.title = text),
        default: "Pilothouse",
        doc: "Product name in titles and headings.",
    },
    Setting {
        name: "banner",
        kind: Kind::Text(4_096, |config, text| {
            config.banner = (!text.is_empty()).then_some(text);
        }),
        default: "",
        doc: "Text shown under the login form.",
    },
    Setting {
        name: "package-scripts",
        kind: Kind::Choice(&["strict", "unsafe"], |config, word| {
            config.package_scripts = if word == "unsafe" {
                PackageScripts::UnsafeAllowed
            } else {
                PackageScripts::Strict
            };
        }),
        default: "strict",
        doc: "Whether root-owned packages may allow inline scripts and eval for themselves; each use is logged.",
    },
    Setting {
        name: "package-hosts",
        kind: Kind::Choice(&["any", "own"], |config, word| {
            config.package_hosts =
                if word == "own" { PackageHosts::Own } else { PackageHosts::Any };
        }),
        default: "any",
        doc: "Whether pages of packages may open channels to other hosts than the one they are shown for.",
    },
    Setting {
        name: "log-level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"], |config, word| {
            config.log_level = match word {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "debug" => LogLevel::Debug,
                "trace" => LogLevel::Trace,
                _ => LogLevel::Info,
            };
        }),
        default: "info",
        doc: "How much is logged.",
    },
    Setting {
        name: "web-dir",
        kind: Kind::Path(|config, path| config.web_dir = path),
        default: "",
        doc: "Folder to read the interface from at each request, in place of the built-in one; for development.",
    },
    Setting {
        name: "limit.connections-per-source",
        kind: Kind::Count(1..=65_536, |config, count| config.connections.per_source = count),
        default: "64",
        doc: "Connections at once from one IPv4 address or IPv6 /64.",
    },
    Setting {
        name: "limit.connections",
        kind: Kind::Count(4..=1_000_000, |config, count| config.connections.total = count),
        default: "4096",
        doc: "Connections at once in all; from three quarters on new ones are dropped by chance.",
    },
    Setting {
        name: "limit.handshake",
        kind: Kind::Time(1..=300, |config, time| config.connections.handshake = time),
        default: "10s",
        doc: "Time for the first byte and the TLS handshake.",
    },
    Setting {
        name: "limit.head",
        kind: Kind::Time(1..=300, |config, time| config.connections.head = time),
        default: "10s",
        doc: "Time for the head of one request.",
    },
    Setting {
        name: "limit.keep-alive",
        kind: Kind::Time(1..=3_600, |config, time| config.connections.keep_alive = time),
        default: "15s",
        doc: "Time a connection may wait for its next request.",
    },
    Setting {
        name: "limit.login-free-failures",
        kind: Kind::Count(0..=1_000, |config, count| config.logins.free_failures = narrow(count)),
        default: "5",
        doc: "Failed logins of one source or account before delays begin.",
    },
    Setting {
        name: "limit.login-longest-delay",
        kind: Kind::Time(0..=3_600, |config, time| config.logins.longest_delay = time),
        default: "60s",
        doc: "Longest delay before a login is tried; it doubles from one second with each failure.",
    },
    Setting {
        name: "limit.login-block-failures",
        kind: Kind::Count(1..=100_000, |config, count| {
            config.logins.block_failures = narrow(count);
        }),
        default: "20",
        doc: "Failed logins of one source that block it for a while.",
    },
    Setting {
        name: "limit.login-block-window",
        kind: Kind::Time(1..=DAY, |config, time| config.logins.block_window = time),
        default: "15m",
        doc: "Time in which those failures are counted, and for which the source is then blocked.",
    },
    Setting {
        name: "limit.login-counter-memory",
        kind: Kind::Bytes(65_536..=1 << 30, |config, bytes| config.logins.counter_memory = bytes),
        default: "4MiB",
        doc: "Memory for counting failures; the oldest are forgotten first.",
    },
    Setting {
        name: "limit.login-helpers",
        kind: Kind::Count(1..=4_096, |config, count| config.logins.helpers = count),
        default: "16",
        doc: "Logins in progress at once.",
    },
    Setting {
        name: "limit.login-helpers-per-source",
        kind: Kind::Count(1..=4_096, |config, count| config.logins.helpers_per_source = count),
        default: "4",
        doc: "Logins in progress at once from one source.",
    },
    Setting {
        name: "limit.login-queue",
        kind: Kind::Count(0..=65_536, |config, count| config.logins.queue = count),
        default: "64",
        doc: "Logins that may wait for their turn.",
    },
    Setting {
        name: "limit.login-queue-wait",
        kind: Kind::Time(0..=300, |config, time| config.logins.queue_wait = time),
        default: "5s",
        doc: "How long a login waits for its turn before it is told to come back.",
    },
    Setting {
        name: "limit.login-conversation",
        kind: Kind::Time(1..=3_600, |config, time| config.logins.conversation_idle = time),
        default: "60s",
        doc: "How long a login waits for the answer to a prompt.",
    },
    Setting {
        name: "limit.login-form",
        kind: Kind::Bytes(1_024..=1 << 20, |config, bytes| config.logins.form = bytes),
        default: "16KiB",
        doc: "Largest login form.",
    },
    Setting {
        name: "limit.sockets-without-session",
        kind: Kind::Count(0..=65_536, |config, count| {
            config.relay.sockets_without_session = count;
        }),
        default: "100",
        doc: "WebSockets at once that belong to no session and are being told so.",
    },
    Setting {
        name: "limit.channel-queue",
        kind: Kind::Bytes(65_536..=1 << 30, |config, bytes| config.relay.channel_queue = bytes),
        default: "2MiB",
        doc: "Data waiting for a page in one channel.",
    },
    Setting {
        name: "limit.socket-queue",
        kind: Kind::Bytes(65_536..=1 << 30, |config, bytes| config.relay.socket_queue = bytes),
        default: "16MiB",
        doc: "Data waiting for a page in all its channels; beyond it the socket is closed.",
    },
    Setting {
        name: "limit.socket-stall",
        kind: Kind::Time(1..=3_600, |config, time| config.relay.socket_stall = time),
        default: "60s",
        doc: "How long a page may take nothing of what waits for it.",
    },
    Setting {
        name: "limit.channels",
        kind: Kind::Count(1..=MAX_CHANNELS as u64, |config, count| config.relay.channels = count),
        default: "1024",
        doc: "Channels open at once in one session.",
    },
    Setting {
        name: "limit.external-channels",
        kind: Kind::Count(0..=65_536, |config, count| config.relay.external_channels = count),
        default: "128",
        doc: "Downloads and other external channels open at once in one session.",
    },
    Setting {
        name: "limit.controls",
        kind: Kind::Count(1..=1_000_000, |config, count| {
            config.relay.controls_per_second = narrow(count);
        }),
        default: "2000",
        doc: "Control messages a second from one page before it is slowed.",
    },
    Setting {
        name: "limit.pings",
        kind: Kind::Count(1..=1_000, |config, count| config.relay.pings_per_second = narrow(count)),
        default: "10",
        doc: "Pings a second from one page.",
    },
    Setting {
        name: "limit.message",
        kind: Kind::Bytes(131_072..=16 << 20, |config, bytes| config.relay.message = bytes),
        default: "1MiB",
        doc: "Largest WebSocket message.",
    },
];

/// Certificate and key come in two settings; [`load`] refuses one without the other.
fn set_tls(config: &mut Config, certificate: Option<PathBuf>, key: Option<PathBuf>) {
    let (old_certificate, old_key) = match std::mem::replace(&mut config.tls, TlsFiles::SelfSigned)
    {
        TlsFiles::SelfSigned => (PathBuf::new(), PathBuf::new()),
        TlsFiles::Imported { certificate, key } => (certificate, key),
    };
    let certificate = certificate.unwrap_or(old_certificate);
    let key = key.unwrap_or(old_key);
    if certificate != Path::new("") || key != Path::new("") {
        config.tls = TlsFiles::Imported { certificate, key };
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Nothing set: every field is overwritten by the table's defaults.
fn blank() -> Config {
    Config {
        listen: Vec::new(),
        state_dir: PathBuf::new(),
        session_socket: PathBuf::new(),
        tls: TlsFiles::SelfSigned,
        host_names: Vec::new(),
        origins: Origins::Listed(Vec::new()),
        loopback_http: LoopbackHttp::Redirect,
        hsts: Hsts::Auto,
        life: Life { idle: None, detached: Duration::ZERO, absolute: Duration::ZERO },
        connections: ConnectionLimits {
            per_source: 0,
            total: 0,
            handshake: Duration::ZERO,
            head: Duration::ZERO,
            keep_alive: Duration::ZERO,
        },
        logins: LoginLimits {
            free_failures: 0,
            longest_delay: Duration::ZERO,
            block_failures: 0,
            block_window: Duration::ZERO,
            counter_memory: 0,
            helpers: 0,
            helpers_per_source: 0,
            queue: 0,
            queue_wait: Duration::ZERO,
            conversation_idle: Duration::ZERO,
            form: 0,
        },
        relay: RelayLimits {
            sockets_without_session: 0,
            channel_queue: 0,
            socket_queue: 0,
            socket_stall: Duration::ZERO,
            channels: 0,
            external_channels: 0,
            controls_per_second: 0,
            pings_per_second: 0,
            message: 0,
        },
        title: String::new(),
        banner: None,
        package_scripts: PackageScripts::Strict,
        package_hosts: PackageHosts::Any,
        log_level: LogLevel::Info,
        web_dir: None,
    }
}

pub(super) fn defaults() -> Config {
    let mut config = blank();
    for setting in SETTINGS {
        let applied = setting
            .kind
            .apply(Raw::Text(setting.default.to_owned()), &mut config);
        debug_assert!(applied.is_ok(), "{}: {applied:?}", setting.name);
    }
    config
}

pub(super) fn load(flags: &[Flag], path: Option<&Path>) -> Result<Config, Mistakes> {
    let mut config = defaults();
    let mut mistakes = Vec::new();
    let mut placed: Vec<(&Setting, Place)> = Vec::new();
    if let Some(path) = path {
        for entry in file::read(path, &mut mistakes) {
            take(
                &entry.name,
                entry.raw,
                entry.place,
                Source::File,
                &mut config,
                &mut mistakes,
                &mut placed,
            );
        }
    }
    for flag in flags {
        let place = Place::Flag(flag.name.clone());
        let raw = match flag.values.as_slice() {
            [one] => Raw::Text(one.clone()),
            many => Raw::List(many.to_vec()),
        };
        take(&flag.name, raw, place, Source::Flag, &mut config, &mut mistakes, &mut placed);
    }
    contradictions(&config, &placed, &mut mistakes);
    if mistakes.is_empty() {
        return Ok(config);
    }
    mistakes.sort();
    Err(Mistakes(mistakes))
}

/// How a setting was named.
#[derive(Clone, Copy)]
enum Source {
    File,
    Flag,
}

fn take(
    name: &str,
    raw: Raw,
    place: Place,
    source: Source,
    config: &mut Config,
    mistakes: &mut Vec<Mistake>,
    placed: &mut Vec<(&Setting, Place)>,
) {
    let found = SETTINGS.iter().find(|setting| match source {
        Source::File => setting.name == name,
        Source::Flag => setting.flag() == name,
    });
    let Some(setting) = found else {
        mistakes.push(Mistake { place, what: format!("there is no setting \"{name}\"") });
        return;
    };
    match setting.kind.apply(raw, config) {
        Ok(()) => placed.push((setting, place)),
        Err(what) => mistakes.push(Mistake { place, what: format!("{name}: {what}") }),
    }
}

/// Settings that are right alone and wrong together.
fn contradictions(config: &Config, placed: &[(&Setting, Place)], mistakes: &mut Vec<Mistake>) {
    let mut report = |name: &str, what: &str| {
        let place = placed
            .iter()
            .rev()
            .find(|(setting, _)| setting.name == name);
        let place =
            place.map_or_else(|| Place::Flag(name.replace('.', "-")), |(_, place)| place.clone());
        mistakes.push(Mistake { place, what: format!("{name}: {what}") });
    };
    if let TlsFiles::Imported { certificate, key } = &config.tls {
        if *certificate == Path::new("") {
            report("tls.key", "is set without tls.certificate");
        }
        if *key == Path::new("") {
            report("tls.certificate", "is set without tls.key");
        }
    }
    if config.listen.is_empty() {
        report("listen", "names no address");
    }
    if config.state_dir == Path::new("") {
        report("state-dir", "is empty");
    }
    if config.session_socket == Path::new("") {
        report("session-socket", "is empty");
    }
    if config.life.detached > config.life.absolute {
        report("session.detached", "is longer than session.absolute");
    }
    if config.connections.per_source > config.connections.total {
        report("limit.connections-per-source", "is more than limit.connections");
    }
    if config.logins.helpers_per_source > config.logins.helpers {
        report("limit.login-helpers-per-source", "is more than limit.login-helpers");
    }
    if config.relay.channel_queue > config.relay.socket_queue {
        report("limit.channel-queue", "is more than limit.socket-queue");
    }
}
