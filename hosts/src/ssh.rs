//! SSH: how the user's own bridge reaches other machines.
//!
//! [`Ssh`] is what `bridge::peer::remote` asks for a machine. A connection is made hop by hop: a name becomes a way
//! (`way`), each machine on it shows a key that is believed (`dial`) before the user is authenticated there
//! (`authenticate`); at the end a bridge is found or sent (`there`). No program `ssh` is started, and nothing of this ever
//! runs as root or in the server (security rule T21).

mod agent;
mod algorithms;
mod authenticate;
mod client;
mod config;
mod dial;
mod failure;
mod identities;
mod output;
mod secrets;
mod sent;
mod terminal;
mod text;
mod there;
mod way;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bridge::peer::remote::dialogue::{Dialogue, Progress, Warning};
use bridge::peer::remote::{Destination, Reach, Reached, Reaching};
use bridge::user::User;
use protocol::control::SessionChoice;
use russh::client::Handle;

use self::agent::Agents;
use self::authenticate::{Login, authenticate};
use self::client::{Client, Seen};
use self::dial::{Direct, Met, Through, meet};
use self::failure::Failure;
use self::identities::key_files;
use self::secrets::Secrets;
use self::sent::SentBridge;
use self::terminal::Shells;
use self::there::{Started, start};
use self::way::{Stop, Way};
use crate::host_key::HostKeys;

/// The way to other machines for one user.
#[derive(Debug, Clone)]
pub struct Ssh(Arc<Setting>);

#[derive(Debug)]
struct Setting {
    home: PathBuf,
    user: String,
    /// Where bridges lie that can be sent.
    programs: Option<PathBuf>,
    sent: OnceLock<Vec<SentBridge>>,
    agents: Agents,
}

/// A login on a machine. The machines on the way to it live as long.
struct Session {
    handle: Handle<Client>,
    seen: Arc<Seen>,
    _over: Option<Box<Session>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Ssh {
    /// For the user of this process, with the bridges that lie beside its program.
    pub fn of_this_user() -> Self {
        let user = User::current();
        let program = std::env::current_exe().ok();
        let programs = program.and_then(|path| Some(path.parent()?.to_owned()));
        Self::new(PathBuf::from(&user.home), user.name, programs)
    }

    /// For the user `user` with the home directory `home`; bridges are sent from `programs`, if at all.
    pub fn new(home: PathBuf, user: String, programs: Option<PathBuf>) -> Self {
        Self(Arc::new(Setting {
            home,
            user,
            programs,
            sent: OnceLock::new(),
            agents: Agents::default(),
        }))
    }
}

impl Reach for Ssh {
    fn reach(&self, destination: Destination, dialogue: Dialogue) -> Reaching {
        let setting = Arc::clone(&self.0);
        Box::pin(async move {
            let session = destination.session;
            let reached = reach(&setting, destination, &dialogue).await;
            reached.map_err(|failure| {
                tracing::info!(%failure, "not connected");
                failure.into_closed(session)
            })
        })
    }
}

async fn reach(
    setting: &Setting,
    destination: Destination,
    dialogue: &Dialogue,
) -> Result<Reached, Failure> {
    let host = destination.host.to_string();
    let way = Way::to(&destination.host, &setting.home, &setting.user)?;
    for text in &way.warnings {
        dialogue.warn(Warning { host: None, text: text.clone() });
    }
    let keys = Arc::new(HostKeys::of_user(&setting.home));
    let mut secrets = Secrets { own: None, login: destination.login_password };
    let own = destination.password.map(Arc::new);
    let mut reached: Option<Box<Session>> = None;
    let last = way.stops.len().saturating_sub(1);
    for (position, stop) in way.stops.into_iter().enumerate() {
        let met = match &reached {
            None => meet(&stop.hop, &Direct, &keys, dialogue).await?,
            Some(over) => meet(&stop.hop, &Through(&over.handle), &keys, dialogue).await?,
        };
        if position == last {
            secrets.own.clone_from(&own);
        }
        reached =
            Some(Box::new(log_in(setting, &stop, met, secrets.clone(), dialogue, reached).await?));
    }
    let Some(session) = reached else {
        return Err(Failure::Config(format!("no way leads to {host}")));
    };
    dialogue.progress(Progress::Starting);
    start_bridge(setting, host, Arc::new(*session), destination.session).await
}

async fn log_in(
    setting: &Setting,
    stop: &Stop,
    met: Met,
    secrets: Secrets,
    dialogue: &Dialogue,
    over: Option<Box<Session>>,
) -> Result<Session, Failure> {
    let Met { mut handle, verified, seen } = met;
    let (keys, skipped) = key_files(&setting.home, &stop.identity_files);
    for file in skipped {
        let text = format!("{} {}", file.path.display(), file.why);
        dialogue.warn(Warning { host: None, text });
    }
    let login = Login {
        host: stop.hop.typed.to_string(),
        user: stop.user.clone(),
        agents: &setting.agents,
        keys: &keys,
        secrets,
        dialogue,
        seen: &seen,
    };
    authenticate(&mut handle, verified, login).await?;
    tracing::info!(host = %stop.hop.typed, user = stop.user, "logged in to another machine");
    Ok(Session { handle, seen, _over: over })
}

async fn start_bridge(
    setting: &Setting,
    host: String,
    session: Arc<Session>,
    choice: SessionChoice,
) -> Result<Reached, Failure> {
    let sent = setting.sent().await;
    match start(&session.handle, &host, &sent, Arc::clone(&session)).await? {
        Started::Bridge(link) => Ok(Reached::Bridge(link)),
        Started::None(tried) => {
            let no_bridge = Failure::NoBridge { host, tried }.into_closed(choice);
            Ok(Reached::TerminalsOnly(Arc::new(Shells { session, no_bridge })))
        }
    }
}

impl Setting {
    /// The bridges that can be sent. Their digests are made once.
    async fn sent(&self) -> Vec<SentBridge> {
        if let Some(sent) = self.sent.get() {
            return sent.clone();
        }
        let Some(folder) = self.programs.clone() else { return Vec::new() };
        let reading = tokio::task::spawn_blocking(move || SentBridge::all_in(&folder));
        let found = reading.await.unwrap_or_default();
        self.sent.get_or_init(|| found).clone()
    }
}
