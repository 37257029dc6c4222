//! `fsinfo`: attributes of a file or of all files in a folder, and how they change.
//!
//! Used by the Files page. The page holds one state, `{info}` or `{error}`, and every message is a merge patch to it
//! (RFC 7396); while `partial` is set more patches will follow. Changes are reported at most ten times a second.
//! Text: docs/protocol.md, "fsinfo".

mod attributes;
mod fnmatch;
mod patches;

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use protocol::json::Fields;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::channel::{Channel, Closed};
use crate::file_work::{away, sentence};
use crate::path_watch::{PathEvent, PathWatch};
use crate::port::Port;
use patches::{Patches, Wanted};

/// How long changes are gathered before they are reported.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// The kind.
#[derive(Debug)]
pub(super) struct FileInfo;

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    path: String,
    attrs: Vec<String>,
    /// Which names count; all without.
    #[serde(default = "all_names")]
    fnmatch: String,
    #[serde(default)]
    watch: bool,
    #[serde(default = "yes")]
    follow: bool,
}

fn all_names() -> String {
    "*".to_owned()
}

fn yes() -> bool {
    true
}

impl Channel for FileInfo {
    const KIND: &'static str = "fsinfo";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let wanted = Wanted::new(&options.attrs, &options.fnmatch);
        refuse_contradictions(&options, &wanted)?;
        port.ready(Fields::new());
        if options.watch {
            return watch(&options.path, wanted, &mut port).await;
        }
        match away(move || Ok(open(&options))).await? {
            Ok(object) => {
                let mut state = State { patches: Patches::once(wanted), shown: Shown::Nothing };
                state.show(object, &mut port).await?;
            }
            Err(error) => port.sender.send_now(&error_patch(error, Shown::Nothing)),
        }
        port.done();
        Ok(Fields::new())
    }
}

fn refuse_contradictions(options: &Options, wanted: &Wanted) -> Result<(), Closed> {
    if !Path::new(&options.path).is_absolute() {
        return Err(Closed::protocol_error("fsinfo: path must be absolute"));
    }
    if !options.follow && options.watch {
        return Err(Closed::protocol_error(
            "fsinfo: a link that is not followed cannot be watched",
        ));
    }
    if !options.follow && wanted.targets() {
        return Err(Closed::protocol_error("fsinfo: targets need follow"));
    }
    Ok(())
}

fn open(options: &Options) -> Result<OwnedFd, Errno> {
    let links = if options.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    rustix::fs::open(options.path.as_str(), OFlags::PATH | OFlags::CLOEXEC | links, Mode::empty())
}

/// What the page shows now, and what it must be told to show something else.
#[derive(Debug)]
struct State {
    patches: Patches,
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Info,
    Error(Errno),
}

impl State {
    /// Shows an object from its beginning.
    async fn show(&mut self, object: OwnedFd, port: &mut Port) -> Result<(), Closed> {
        match self.shown {
            Shown::Nothing => {}
            Shown::Info => port.sender.send_now(b"{\"partial\":true,\"info\":null}"),
            Shown::Error(_) => port.sender.send_now(b"{\"partial\":true,\"error\":null}"),
        }
        let was_reset = self.shown != Shown::Nothing;
        self.shown = Shown::Info;
        let mut patches = std::mem::take(&mut self.patches);
        patches.begin(object, was_reset);
        loop {
            let (after, message) = away(move || {
                let message = patches.next();
                Ok((patches, message))
            })
            .await?;
            patches = after;
            let Some(message) = message else {
                break;
            };
            port.sender.room().await;
            port.sender.send_now(&message);
        }
        self.patches = patches;
        Ok(())
    }

    /// Shows what the path leads to now.
    async fn look(&mut self, watch: &PathWatch, port: &mut Port) -> Result<(), Closed> {
        match watch.found().and_then(own_copy) {
            Ok(object) => self.show(object, port).await,
            Err(error) => {
                if self.shown != Shown::Error(error) {
                    port.sender.room().await;
                    port.sender.send_now(&error_patch(error, self.shown));
                    self.shown = Shown::Error(error);
                }
                Ok(())
            }
        }
    }

    /// Reports what changed under these names.
    async fn update(&mut self, names: HashSet<OsString>, port: &mut Port) -> Result<(), Closed> {
        let mut patches = std::mem::take(&mut self.patches);
        let (patches, message) = away(move || {
            let message = patches.update(names);
            Ok((patches, message))
        })
        .await?;
        self.patches = patches;
        if let Some(message) = message {
            port.sender.room().await;
            port.sender.send_now(&message);
        }
        Ok(())
    }
}

fn own_copy(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0)
}

/// What is to be looked at when the time has come.
#[derive(Debug, Default)]
struct Pending {
    due: Option<Instant>,
    everything: bool,
    names: HashSet<OsString>,
}

impl Pending {
    fn note(&mut self, event: PathEvent, patches: &Patches) {
        match event {
            PathEvent::Elsewhere | PathEvent::Lost => self.everything = true,
            PathEvent::Here { name: Some(name), .. } => {
                // A folder's own attributes change with what is in it.
                self.names.insert(OsString::new());
                if patches.lists(&name) {
                    self.names.insert(name);
                }
            }
            PathEvent::Here { name: None, .. } => {
                self.names.insert(OsString::new());
            }
        }
        self.due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
    }
}

async fn watch(path: &str, wanted: Wanted, port: &mut Port) -> Result<Fields, Closed> {
    let failed = |error| Closed::from_io(path, &error);
    let mut watch = PathWatch::begin(path).await?;
    let mut state = State { patches: Patches::remembering(wanted), shown: Shown::Nothing };
    state.look(&watch, port).await?;
    let mut pending = Pending::default();
    loop {
        let due = pending.due;
        tokio::select! {
            event = watch.next() => pending.note(event.map_err(failed)?, &state.patches),
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let pending = std::mem::take(&mut pending);
                if pending.everything {
                    state.look(&watch, port).await?;
                } else {
                    state.update(pending.names, port).await?;
                }
            }
            incoming = port.receive() => if incoming.is_none() {
                return Ok(Fields::new());
            },
        }
    }
}

/// The patch that shows an error instead of what was shown.
fn error_patch(error: Errno, shown: Shown) -> Vec<u8> {
    let problem = match error {
        Errno::NOENT => "not-found",
        Errno::ACCESS | Errno::PERM => "access-denied",
        Errno::NOTDIR => "not-directory",
        _ => "internal-error",
    };
    let mut patch = json!({
        "error": { "problem": problem, "message": sentence(error), "errno": errno_name(error) },
    });
    if let (Shown::Info, Some(patch)) = (shown, patch.as_object_mut()) {
        patch.insert("info".to_owned(), serde_json::Value::Null);
    }
    patch.to_string().into_bytes()
}

/// The name of the errors that opening a path may give (open(2)), and the number of others.
fn errno_name(error: Errno) -> String {
    let name = match error {
        Errno::NOENT => "ENOENT",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::NOTDIR => "ENOTDIR",
        Errno::LOOP => "ELOOP",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::IO => "EIO",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOMEM => "ENOMEM",
        Errno::STALE => "ESTALE",
        other => return other.raw_os_error().to_string(),
    };
    name.to_owned()
}
