//! `fswatch1`: says when a file, or what is in a folder, changes.
//!
//! Used by `cockpit.file().watch()`. A file that does not exist yet is watched too. There is no event for what was
//! there at the start. Text: docs/protocol.md, "fswatch1".

use std::path::Path;

use protocol::json::Fields;
use rustix::fs::FileType;
use rustix::fs::inotify::ReadFlags;
use serde::Deserialize;

use crate::channel::{Channel, Closed};
use crate::file_tag;
use crate::path_watch::{PathEvent, PathWatch};
use crate::port::{Port, Sender};

/// The kind.
#[derive(Debug)]
pub(super) struct FileWatch;

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    path: String,
}

impl Channel for FileWatch {
    const KIND: &'static str = "fswatch1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let failed = |error| Closed::from_io(&options.path, &error);
        let path = Path::new(&options.path);
        let mut watch = PathWatch::begin(&options.path).await?;
        let mut tag = tag_of(path);
        port.ready(Fields::new());
        loop {
            let event = tokio::select! {
                event = watch.next() => event.map_err(failed)?,
                incoming = port.receive() => match incoming {
                    Some(_) => continue,
                    None => return Ok(Fields::new()),
                },
            };
            port.sender.room().await;
            let kind = match event {
                PathEvent::Here { what, name: Some(name) } => {
                    FileEvent::at(&path.join(name), EventKind::of(what)).send(&mut port.sender);
                    continue;
                }
                PathEvent::Here { what, name: None } => EventKind::of(what),
                PathEvent::Elsewhere if watch.found().is_ok() => EventKind::Created,
                PathEvent::Elsewhere => EventKind::Deleted,
                PathEvent::Lost => EventKind::Changed,
            };
            let report = FileEvent::at(path, kind);
            if report.is_news(tag.as_deref()) {
                tag.clone_from(&report.tag);
                report.send(&mut port.sender);
            }
        }
    }
}

fn tag_of(path: &Path) -> Option<String> {
    file_tag::of_lookup(rustix::fs::stat(path))
}

/// What can happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Created,
    Deleted,
    Changed,
    AttributeChanged,
    /// Who wrote it has closed it.
    DoneHint,
}

impl EventKind {
    /// What the kernel's events mean.
    pub(super) fn of(what: ReadFlags) -> Self {
        if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            Self::Created
        } else if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            Self::Deleted
        } else if what.contains(ReadFlags::ATTRIB) {
            Self::AttributeChanged
        } else if what.contains(ReadFlags::CLOSE_WRITE) {
            Self::DoneHint
        } else {
            Self::Changed
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::AttributeChanged => "attribute-changed",
            Self::DoneHint => "done-hint",
        }
    }
}

/// One message: what happened to which file, and the tag it has now.
#[derive(Debug)]
pub(super) struct FileEvent {
    kind: EventKind,
    path: String,
    tag: Option<String>,
    file_type: Option<FileType>,
}

impl FileEvent {
    /// What happened to the file at `path`.
    pub(super) fn at(path: &Path, kind: EventKind) -> Self {
        let file_type = match kind {
            EventKind::Created => rustix::fs::lstat(path)
                .ok()
                .map(|stat| FileType::from_raw_mode(stat.st_mode)),
            EventKind::Deleted
            | EventKind::Changed
            | EventKind::AttributeChanged
            | EventKind::DoneHint => None,
        };
        Self { kind, path: path.to_string_lossy().into_owned(), tag: tag_of(path), file_type }
    }

    /// Whether the page does not know it yet, when `tag` is the last that it was told. The kernel tells of a file that
    /// goes twice: its attributes change first, and that is nothing to tell.
    fn is_news(&self, tag: Option<&str>) -> bool {
        let is_gone = self.tag.as_deref() == Some(file_tag::NO_FILE);
        let changed = self.tag.as_deref() != tag;
        match self.kind {
            EventKind::Deleted | EventKind::Created => changed,
            EventKind::Changed | EventKind::AttributeChanged => changed && !is_gone,
            EventKind::DoneHint => !is_gone,
        }
    }

    /// Sends the message now.
    pub(super) fn send(self, sender: &mut Sender) {
        let mut message = Fields::new();
        message.insert("event".to_owned(), self.kind.name().into());
        message.insert("path".to_owned(), self.path.into());
        if let Some(tag) = self.tag {
            message.insert("tag".to_owned(), tag.into());
        }
        if let Some(file_type) = self.file_type {
            message.insert("type".to_owned(), type_name(file_type).into());
        }
        sender.send_now(serde_json::Value::Object(message).to_string().as_bytes());
    }
}

/// The word for what a file is.
pub(super) fn type_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => {
            "special"
        }
        FileType::Unknown => "unknown",
    }
}
