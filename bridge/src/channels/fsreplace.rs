//! `fsreplace1`: replaces, creates or deletes one file as a whole.
//!
//! Used by `cockpit.file().replace()` and for uploads. The new content goes to a temporary file beside the old one and
//! takes its name when the page is done; until then the old one is untouched. With the right tag the new file keeps
//! owner, mode and extended attributes (SELinux label, ACL) of the old one. All acts name the file by its folder's
//! descriptor, which is opened once (T45). A link is replaced, not followed. Text: docs/protocol.md, "fsreplace1".

mod keep;
mod temporary;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use protocol::json::Fields;
use protocol::problem::Problem;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::Deserialize;

use crate::channel::{Channel, Closed};
use crate::file_tag;
use crate::file_work::away;
use crate::port::{Incoming, Port};
use keep::Attributes;
use temporary::Temporary;

/// The kind.
#[derive(Debug)]
pub(super) struct FileReplace;

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    path: String,
    /// What must be there now; anything may be without.
    #[serde(default)]
    tag: Option<String>,
    /// Bytes that will come. The page waits for `ready` before it sends them.
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    attrs: Option<Attributes>,
}

impl Channel for FileReplace {
    const KIND: &'static str = "fsreplace1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let attributes = options.attrs.unwrap_or_default().resolve()?;
        let place = away(move || Place::find(options.path, options.tag)).await?;
        let mut temporary = None;
        if let Some(size) = options.size {
            let create = place.clone();
            temporary = Some(away(move || create.allocate(size)).await?);
        }
        port.ready(Fields::new());

        let mut written = false;
        while let Some(incoming) = port.receive().await {
            match incoming {
                Incoming::Data(data) => {
                    written = true;
                    let length = data.len();
                    let (place, open) = (place.clone(), temporary.take());
                    temporary = Some(away(move || place.write(open, &data)).await?);
                    port.receiver.used(length);
                }
                Incoming::Done => {
                    let tag = away(move || match temporary {
                        Some(temporary) if written => place.replace(temporary, attributes),
                        Some(_) | None => place.delete(),
                    })
                    .await?;
                    port.done();
                    let mut fields = Fields::new();
                    fields.insert("tag".to_owned(), tag.into());
                    return Ok(fields);
                }
                Incoming::Options(_) | Incoming::Other { .. } => {}
            }
        }
        Ok(Fields::new())
    }
}

/// Where the file is or will be, and what must be there.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    folder: std::sync::Arc<OwnedFd>,
    name: OsString,
    tag: Option<String>,
}

impl Place {
    fn find(path: String, tag: Option<String>) -> Result<Self, Closed> {
        let whole = Path::new(&path);
        let name = match whole.file_name() {
            Some(name) if !path.ends_with('/') => name.to_owned(),
            Some(_) | None => return Err(Closed::protocol_error(format!("{path} names no file"))),
        };
        let parent = match whole.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent, flags, Mode::empty())
            .map_err(|error| Closed::from_io(&path, &error.into()))?;
        Ok(Self { path, folder: folder.into(), name, tag })
    }

    fn failed(&self, error: Errno) -> Closed {
        Closed::from_io(&self.path, &error.into())
    }

    fn create(&self) -> Result<Temporary, Closed> {
        Temporary::create(&self.folder, &self.name).map_err(|error| self.failed(error))
    }

    /// A temporary file with room for `size` bytes, so that a full disk is known before the page sends any.
    fn allocate(&self, size: u64) -> Result<Temporary, Closed> {
        let temporary = self.create()?;
        temporary
            .allocate(size)
            .map_err(|error| self.failed(error))?;
        Ok(temporary)
    }

    fn write(&self, open: Option<Temporary>, data: &[u8]) -> Result<Temporary, Closed> {
        let mut temporary = match open {
            Some(temporary) => temporary,
            None => self.create()?,
        };
        temporary.write(data).map_err(|error| self.failed(error))?;
        Ok(temporary)
    }

    /// Gives the temporary file its name; the tag of the new file.
    fn replace(&self, temporary: Temporary, wanted: keep::Wanted) -> Result<String, Closed> {
        let attributes = match self.tag.as_deref() {
            None | Some(file_tag::NO_FILE) => wanted,
            Some(_) => wanted.or_as(&self.expected_file()?),
        };
        temporary
            .trim()
            .and_then(|()| attributes.apply(temporary.fd()))
            .map_err(|error| self.failed(error))?;
        let flags = match self.tag.as_deref() {
            Some(file_tag::NO_FILE) => RenameFlags::NOREPLACE,
            Some(_) | None => RenameFlags::empty(),
        };
        match temporary.become_file(&self.name, flags) {
            Ok(tag) => Ok(tag),
            Err(Errno::EXIST) => Err(self.conflict("it exists")),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn delete(&self) -> Result<String, Closed> {
        match self.tag.as_deref() {
            None => {}
            Some(file_tag::NO_FILE) => {
                return match rustix::fs::statat(
                    &*self.folder,
                    &self.name,
                    AtFlags::SYMLINK_NOFOLLOW,
                ) {
                    Err(Errno::NOENT) => Ok(file_tag::NO_FILE.to_owned()),
                    Err(error) => Err(self.failed(error)),
                    Ok(_) => Err(self.conflict("it exists")),
                };
            }
            Some(_) => drop(self.expected_file()?),
        }
        match rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(file_tag::NO_FILE.to_owned()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The file that is there, if it is the one with the tag.
    fn expected_file(&self) -> Result<OwnedFd, Closed> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&*self.folder, &self.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(self.conflict("it is gone")),
            Err(error) => return Err(self.failed(error)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| self.failed(error))?;
        if self.tag.as_ref() != Some(&file_tag::of(&stat)) {
            return Err(self.conflict("somebody changed it"));
        }
        Ok(file)
    }

    fn conflict(&self, why: &str) -> Closed {
        Closed::new(Problem::ChangeConflict, format!("{}: {why}", self.path))
    }
}
