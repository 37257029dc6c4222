//! `pilothouse run`: all processes of the management server on one terminal, without systemd.
//!
//! It makes the state directory, binds the sockets, starts `serve` with them and one `session` helper for each
//! connection of `serve`, says where the server is, and ends everything on Ctrl-C or SIGTERM. It installs nothing, and
//! reads nothing from the network.

mod children;
mod identity;
mod places;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::ArgMatches;
use server::config::{Config, Flag};
use tokio::net::{UnixDatagram, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::run::children::Children;
use crate::run::identity::Identity;
use crate::run::places::Places;
use crate::{Failure, settings};

/// How long all processes together may take to end before they are killed.
const STOP_TIME: Duration = Duration::from_millis(1_800);

/// How often `serve` may end within [`RESTART_WINDOW`] before we give up.
const RESTARTS: usize = 5;

/// The time in which restarts are counted.
const RESTART_WINDOW: Duration = Duration::from_secs(30);

/// PAM services in the order of preference; the second is there on every system with PAM.
const PAM_SERVICES: [&str; 2] = ["pilothouse", "login"];

/// Runs until told to stop.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let identity = Identity::find();
    let mut flags = settings::flags(matches);
    let mut config = settings::load(&flags, matches)?;
    let places = Places::prepare(&identity, &flags, &config).map_err(Failure::config)?;
    let listener = listen(&identity, &config)?;
    let service = PAM_SERVICES
        .into_iter()
        .find(|service| ::session::service_available(service))
        .ok_or_else(|| {
            Failure::config(anyhow!(
                "no PAM service: neither pilothouse nor login is in /etc/pam.d"
            ))
        })?;

    flags.retain(|flag| !["listen", "state-dir", "session-socket"].contains(&flag.name.as_str()));
    flags.push(Flag {
        name: "state-dir".to_owned(),
        values: vec![places.state.display().to_string()],
    });
    flags.push(Flag {
        name: "session-socket".to_owned(),
        values: vec![places.session_socket().display().to_string()],
    });
    let children =
        Children::new(identity, service, flags, matches.get_one::<String>("config").cloned());
    config.state_dir.clone_from(&places.state);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(supervise(children, &places, &config, listener))?;
    Ok(ExitCode::SUCCESS)
}

/// Binds the socket that `serve` gets: here, so that a port in use is said before anything is started.
fn listen(identity: &Identity, config: &Config) -> Result<TcpListener, Failure> {
    let [address] = *config.listen.as_slice() else {
        return Err(Failure::usage(anyhow!("run listens on one address; give --listen once")));
    };
    let by_default = config.listen == Config::default().listen;
    let address = match identity {
        Identity::Root { .. } => address,
        Identity::Plain { .. } if by_default => (Ipv4Addr::LOCALHOST, address.port()).into(),
        Identity::Plain { .. } if address.ip().is_loopback() => address,
        Identity::Plain { user } => {
            return Err(Failure::usage(anyhow!(
                "started by {user}, who is not root, it listens on loopback only, not on {address}"
            )));
        }
    };
    let bound = TcpListener::bind(address).or_else(|error| match address {
        // A kernel without IPv6 has no [::].
        SocketAddr::V6(six)
            if six.ip().is_unspecified() && error.kind() != std::io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, six.port()))
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => Err(error),
    });
    let hint = "another server may run there: choose another port with --listen ADDRESS:PORT";
    Ok(bound.with_context(|| format!("cannot listen on {address} ({hint})"))?)
}

async fn supervise(
    mut children: Children,
    places: &Places,
    config: &Config,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let logins = places.listen_for_logins(children.identity())?;
    let ready = places.listen_for_readiness(children.identity())?;
    let mut stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    children.start_server(&listener, &places.notify_socket())?;

    let sockets = Sockets { listener, logins, ready };
    let outcome = watch(&mut children, &sockets, places, config, &mut stop).await;
    say("Stopping.");
    children.stop(Instant::now() + STOP_TIME).await;
    places.clean_up();
    outcome
}

/// The sockets that `run` keeps open.
struct Sockets {
    /// Where browsers connect; `serve` accepts.
    listener: TcpListener,
    /// Where `serve` asks for logins.
    logins: UnixListener,
    /// Where `serve` says that it is ready.
    ready: UnixDatagram,
}

async fn watch(
    children: &mut Children,
    sockets: &Sockets,
    places: &Places,
    config: &Config,
    [interrupt, terminate]: &mut [tokio::signal::unix::Signal; 2],
) -> anyhow::Result<()> {
    let mut restarts = Vec::new();
    let mut note = [0; 256];
    let mut announced = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            login = sockets.logins.accept() => children.start_session(login?.0.into_std()?)?,
            received = sockets.ready.recv(&mut note) => {
                let note = note.get(..received?).unwrap_or_default();
                if !announced && note.split(|&byte| byte == b'\n').any(|line| line == b"READY=1") {
                    announced = true;
                    announce(children, config, sockets.listener.local_addr()?);
                }
            }
            ended = children.server_ended() => {
                let now = Instant::now();
                restarts.retain(|&at| now - at < RESTART_WINDOW);
                restarts.push(now);
                if !announced || restarts.len() > RESTARTS {
                    anyhow::bail!("serve ended ({ended}); its messages stand above");
                }
                say(&format!("serve ended ({ended}); starting it again."));
                children.start_server(&sockets.listener, &places.notify_socket())?;
            }
        }
    }
}

/// Says where the server is, how to know it, and who may log in.
fn announce(children: &Children, config: &Config, address: SocketAddr) {
    let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
        "localhost".to_owned()
    } else if let SocketAddr::V6(six) = address {
        format!("[{}]", six.ip())
    } else {
        address.ip().to_string()
    };
    let fingerprint = server::fingerprint(config)
        .map_or_else(|error| format!("unknown: {error}"), |fingerprint| fingerprint.to_string());
    let service = children.service();
    let who = match children.identity() {
        Identity::Root { server, .. } => {
            format!(
                "everybody whom PAM lets in (service \"{service}\"); the web server runs as {server}"
            )
        }
        Identity::Plain { user } => {
            format!("{user} alone, from this machine (PAM service \"{service}\", no PAM session)")
        }
    };
    say(&format!(
        "Pilothouse {version} is ready.\n\
         \n\
         \x20 Address      https://{host}:{port}\n\
         \x20 Certificate  SHA-256 {fingerprint}\n\
         \x20 Logins       {who}\n\
         \x20 State        {state}\n\
         \n\
         Ctrl-C stops it.",
        version = env!("CARGO_PKG_VERSION"),
        port = address.port(),
        state = config.state_dir.display(),
    ));
}

fn say(text: &str) {
    let _nobody_may_read = writeln!(std::io::stdout(), "{text}");
}
