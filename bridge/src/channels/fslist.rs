//! `fslist1`: names what is in a folder, then what comes and goes there.
//!
//! Used by the autocompletion of file names. One message an entry: its name and what it is, without links followed.
//! `ready` comes after the last one. Text: docs/protocol.md, "fslist1".

use std::os::fd::OwnedFd;
use std::path::Path;

use protocol::json::Fields;
use protocol::problem::Problem;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use serde::Deserialize;

use crate::channel::{Channel, Closed};
use crate::channels::fswatch::{EventKind, FileEvent, type_name};
use crate::file_work::away;
use crate::folder::{Folder, Names};
use crate::path_watch::{PathEvent, PathWatch};
use crate::port::Port;

/// The kind.
#[derive(Debug)]
pub(super) struct FileList;

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    path: String,
    #[serde(default = "yes")]
    watch: bool,
}

fn yes() -> bool {
    true
}

impl Channel for FileList {
    const KIND: &'static str = "fslist1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let path = options.path;
        // Watched before it is read, so that nothing is missed in between.
        let mut watch = if options.watch { Some(PathWatch::begin(&path).await?) } else { None };
        let subject = path.clone();
        let folder =
            away(move || Folder::open(Path::new(&subject)).map_err(failed(&subject))).await?;
        send_all(folder, &path, &mut port).await?;
        port.ready(Fields::new());
        let Some(watch) = &mut watch else {
            port.done();
            return Ok(Fields::new());
        };
        report(watch, &path, &mut port).await
    }
}

fn failed(path: &str) -> impl Fn(Errno) -> Closed + use<> {
    let path = path.to_owned();
    move |error| Closed::from_io(&path, &error.into())
}

/// Messages of many entries, one after the other.
#[derive(Debug, Default)]
struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

async fn send_all(mut folder: Folder, path: &str, port: &mut Port) -> Result<(), Closed> {
    loop {
        let failed = failed(path);
        let (rest, messages) = away(move || {
            let names = folder.next_names().map_err(failed)?;
            let messages = names.map(|names| present(&names, folder.fd()));
            Ok((folder, messages))
        })
        .await?;
        folder = rest;
        let Some(messages) = messages else {
            return Ok(());
        };
        let mut rest = messages.bytes.as_slice();
        let mut start = 0;
        for end in messages.ends {
            let Some((message, after)) = rest.split_at_checked(end - start) else {
                break;
            };
            port.sender.room().await;
            port.sender.send_now(message);
            rest = after;
            start = end;
        }
    }
}

fn present(names: &Names, folder: &OwnedFd) -> Messages {
    let mut messages = Messages::default();
    for (name, kind) in names.iter() {
        let kind = match kind {
            FileType::Unknown => rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            known @ (FileType::RegularFile
            | FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice) => known,
        };
        messages
            .bytes
            .extend_from_slice(b"{\"event\":\"present\",\"path\":");
        let _memory_takes_all = serde_json::to_writer(&mut messages.bytes, &name.to_string_lossy());
        messages.bytes.extend_from_slice(b",\"type\":\"");
        messages.bytes.extend_from_slice(type_name(kind).as_bytes());
        messages.bytes.extend_from_slice(b"\"}");
        messages.ends.push(messages.bytes.len());
    }
    messages
}

/// Reports changes until the page closes the channel, or the folder is gone.
async fn report(watch: &mut PathWatch, path: &str, port: &mut Port) -> Result<Fields, Closed> {
    loop {
        let event = tokio::select! {
            event = watch.next() => event.map_err(|error| Closed::from_io(path, &error))?,
            incoming = port.receive() => match incoming {
                Some(_) => continue,
                None => return Ok(Fields::new()),
            },
        };
        match event {
            PathEvent::Here { what, name: Some(name) } => {
                let path = Path::new(path).join(&name);
                port.sender.room().await;
                FileEvent::at(&path, EventKind::of(what)).send(&mut port.sender);
            }
            PathEvent::Elsewhere => {
                let gone = format!("{path} is not the folder any more that was listed");
                return Err(Closed::new(Problem::NotFound, gone));
            }
            PathEvent::Lost => {
                let message = format!("{path} changes faster than it can be watched");
                return Err(Closed::new(Problem::InternalError, message));
            }
            PathEvent::Here { name: None, .. } => {}
        }
    }
}
