//! `fsread1`: sends one file to the page, then closes with the file's tag.
//!
//! Used by `cockpit.file()` everywhere and for downloads. The kernel decides what this user may read; we refuse only
//! what the page said is too large for it. While one piece is sent the next is read. Text: docs/protocol.md,
//! "fsread1".

mod text;

use std::os::fd::OwnedFd;

use protocol::control::Encoding;
use protocol::json::Fields;
use protocol::problem::Problem;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::Deserialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::{Channel, Closed};
use crate::file_tag;
use crate::file_work::away;
use crate::port::Port;
use crate::readiness;
use text::TextFilter;

/// Bytes read at once. Two such pieces are in memory: one on its way to the page, one being read.
const PIECE: usize = 512 << 10;

/// Largest file in bytes when the page names no limit.
const DEFAULT_LIMIT: i64 = 16 << 20;

/// The kind.
#[derive(Debug)]
pub(super) struct FileRead;

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    path: String,
    /// Bytes; -1 for no limit. The one option with underscores.
    #[serde(default = "default_limit")]
    max_read_size: i64,
}

fn default_limit() -> i64 {
    DEFAULT_LIMIT
}

impl Channel for FileRead {
    const KIND: &'static str = "fsread1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let path = options.path.clone();
        let Some((file, stat)) = away(move || open(&path)).await? else {
            return Ok(tag_fields(file_tag::NO_FILE.to_owned()));
        };
        let mut reading = Reading::new(&options, file, &stat)?;
        port.ready(size_hint(&stat, port.encoding()));

        let mut text = (port.encoding() == Encoding::Text).then(TextFilter::default);
        let mut next = reading.start(Vec::new());
        let mut spare = Vec::new();
        loop {
            let piece = next.await?;
            if piece.is_empty() {
                break;
            }
            reading.count(piece.len())?;
            next = reading.start(std::mem::take(&mut spare));
            match &mut text {
                Some(filter) => port.send(filter.clean(&piece).as_bytes()).await,
                None => port.send(&piece).await,
            }
            spare = piece;
        }
        let tag = reading.unchanged_tag(&options.path, &stat)?;
        port.done();
        Ok(tag_fields(tag))
    }
}

/// Opens the file; `None` when there is none.
fn open(path: &str) -> Result<Option<(OwnedFd, Stat)>, Closed> {
    // Without NONBLOCK a pipe that nobody writes would be waited for here.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Closed::from_io(path, &error.into())),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| Closed::from_io(path, &error.into()))?;
    if kind(&stat) == FileType::Directory {
        return Err(Closed::from_io(path, &Errno::ISDIR.into()));
    }
    Ok(Some((file, stat)))
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn size_hint(stat: &Stat, encoding: Encoding) -> Fields {
    let mut fields = Fields::new();
    if encoding == Encoding::Binary && kind(stat) == FileType::RegularFile {
        fields.insert("size-hint".to_owned(), stat.st_size.into());
    }
    fields
}

fn tag_fields(tag: String) -> Fields {
    let mut fields = Fields::new();
    fields.insert("tag".to_owned(), tag.into());
    fields
}

/// An open file, and how much more of it the page takes.
#[derive(Debug)]
struct Reading {
    source: Source,
    path: String,
    left: Option<u64>,
}

#[derive(Debug, Clone)]
enum Source {
    /// Reading ends by itself.
    File(std::sync::Arc<OwnedFd>),
    /// A pipe or a terminal: reading waits until there is something.
    Stream(std::sync::Arc<AsyncFd<OwnedFd>>),
}

impl Reading {
    fn new(options: &Options, file: OwnedFd, stat: &Stat) -> Result<Self, Closed> {
        let left = u64::try_from(options.max_read_size).ok();
        if left.is_some_and(|left| u64::try_from(stat.st_size).unwrap_or(0) > left) {
            return Err(too_large(&options.path, options.max_read_size));
        }
        let source = match kind(stat) {
            FileType::Fifo | FileType::CharacterDevice => Source::waiting(file),
            FileType::RegularFile
            | FileType::Directory
            | FileType::Symlink
            | FileType::Socket
            | FileType::BlockDevice
            | FileType::Unknown => Source::File(file.into()),
        };
        Ok(Self { source, path: options.path.clone(), left })
    }

    /// Begins to read the next piece into `buffer`; an empty piece is the end.
    fn start(
        &self,
        buffer: Vec<u8>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<u8>, Closed>> + Send>> {
        let path = self.path.clone();
        match &self.source {
            Source::File(file) => {
                let file = std::sync::Arc::clone(file);
                let reading = tokio::task::spawn_blocking(move || read_piece(&file, buffer));
                Box::pin(async move {
                    match reading.await {
                        Ok(read) => read.map_err(|error| Closed::from_io(&path, &error.into())),
                        Err(failed) => Err(Closed::new(Problem::InternalError, failed.to_string())),
                    }
                })
            }
            Source::Stream(file) => {
                let file = std::sync::Arc::clone(file);
                Box::pin(async move {
                    read_when_ready(&file, buffer)
                        .await
                        .map_err(|error| Closed::from_io(&path, &error))
                })
            }
        }
    }

    /// Counts what was read: a file may be larger than its size says, and it may grow.
    fn count(&mut self, read: usize) -> Result<(), Closed> {
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(read as u64)
                .ok_or_else(|| Closed::new(Problem::TooLarge, format!("{}: it grew", self.path)))?;
        }
        Ok(())
    }

    /// The tag, if it is still the one from before the first byte was read.
    fn unchanged_tag(self, path: &str, before: &Stat) -> Result<String, Closed> {
        let tag = file_tag::of(before);
        let Source::File(file) = self.source else {
            return Ok(tag);
        };
        if kind(before) != FileType::RegularFile {
            return Ok(tag);
        }
        let after =
            rustix::fs::fstat(&file).map_err(|error| Closed::from_io(path, &error.into()))?;
        if file_tag::of(&after) != tag {
            let message = format!("{path}: it changed while it was read");
            return Err(Closed::new(Problem::ChangeConflict, message));
        }
        Ok(tag)
    }
}

impl Source {
    /// Waits for `file` where the kernel knows how to; `/dev/null` and its like never make anybody wait.
    fn waiting(file: OwnedFd) -> Self {
        match readiness::watched(file, Interest::READABLE) {
            Ok(file) => Self::Stream(file.into()),
            Err(refused) => Self::File(refused.into_parts().0.into()),
        }
    }
}

/// Fills `buffer` from where reading stands, as far as the file goes.
fn read_piece(file: &OwnedFd, mut buffer: Vec<u8>) -> Result<Vec<u8>, Errno> {
    buffer.clear();
    buffer.reserve(PIECE);
    while buffer.len() < PIECE {
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut buffer)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer)
}

async fn read_when_ready(file: &AsyncFd<OwnedFd>, mut buffer: Vec<u8>) -> std::io::Result<Vec<u8>> {
    buffer.clear();
    buffer.reserve(PIECE);
    loop {
        let mut ready = file.readable().await?;
        match rustix::io::read(file.get_ref(), rustix::buffer::spare_capacity(&mut buffer)) {
            Ok(_) => return Ok(buffer),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn too_large(path: &str, limit: i64) -> Closed {
    Closed::new(Problem::TooLarge, format!("{path} is larger than {limit} bytes"))
}
