//! The file that new content is written to before it takes its name.
//!
//! It is in the folder of the file that it will replace, because a rename works only within one file system. Dropping
//! it removes it: a channel that is closed leaves nothing behind. Caller: `fsreplace1`.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::file_tag;

/// Names that are tried before it is said that none is free.
const ATTEMPTS: usize = 16;

/// Bytes of the file's own name in the temporary one, so that the whole stays below 255 (`NAME_MAX`).
const NAME_PART: usize = 200;

/// A file without a name of its own yet.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Arc<OwnedFd>,
    name: OsString,
    fd: OwnedFd,
    /// Bytes written.
    length: u64,
    removal: Removal,
}

#[derive(Debug, PartialEq, Eq)]
enum Removal {
    OnDrop,
    /// The name is the final one's.
    Never,
}

impl Temporary {
    /// Makes the file in `folder`, for `target`. Its mode is what the process gives new files; who else may read the
    /// folder's new file may read this one.
    pub(super) fn create(folder: &Arc<OwnedFd>, target: &OsStr) -> Result<Self, Errno> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _attempt in 0..ATTEMPTS {
            let name = temporary_name(target);
            match rustix::fs::openat(&**folder, &name, flags, Mode::from_raw_mode(0o600)) {
                Ok(fd) => {
                    let folder = Arc::clone(folder);
                    return Ok(Self { folder, name, fd, length: 0, removal: Removal::OnDrop });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EXIST)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Takes room for `size` bytes, where the file system knows how to.
    pub(super) fn allocate(&self, size: u64) -> Result<(), Errno> {
        if size == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), 0, size) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Errno> {
        let mut rest = data;
        while !rest.is_empty() {
            match rustix::io::write(&self.fd, rest) {
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.length += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives back room that was taken and not used. Before the mode is set: a change of size takes set-id bits away.
    pub(super) fn trim(&self) -> Result<(), Errno> {
        rustix::fs::ftruncate(&self.fd, self.length)
    }

    /// Takes the name `target`, on disk when this returns; the tag of the file.
    pub(super) fn become_file(
        mut self,
        target: &OsStr,
        flags: RenameFlags,
    ) -> Result<String, Errno> {
        rustix::fs::fsync(&self.fd)?;
        if flags.contains(RenameFlags::NOREPLACE) {
            self.take_free_name(target)?;
        } else {
            rustix::fs::renameat(&*self.folder, &self.name, &*self.folder, target)?;
            self.removal = Removal::Never;
        }
        let tag = file_tag::of(&rustix::fs::fstat(&self.fd)?);
        sync_folder(&self.folder);
        Ok(tag)
    }

    fn take_free_name(&mut self, target: &OsStr) -> Result<(), Errno> {
        let folder = &*self.folder;
        match rustix::fs::renameat_with(folder, &self.name, folder, target, RenameFlags::NOREPLACE)
        {
            Ok(()) => {
                self.removal = Removal::Never;
                Ok(())
            }
            // Not every file system can do that; every one that has links can do this, and Drop takes the old name.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(folder, &self.name, folder, target, AtFlags::empty())
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.removal == Removal::OnDrop {
            let _somebody_was_faster =
                rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Writes the folder's names to disk: after a crash the file has its new content, or the old one.
fn sync_folder(folder: &OwnedFd) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(folder) = rustix::fs::openat(folder, ".", flags, Mode::empty()) {
        let _not_every_file_system_can = rustix::fs::fsync(folder);
    }
}

/// A name that nobody can foresee, hidden in listings.
fn temporary_name(target: &OsStr) -> OsString {
    let random = RandomState::new().hash_one(target);
    let target = target.to_string_lossy();
    let part = target
        .get(..target.floor_char_boundary(NAME_PART))
        .unwrap_or_default();
    format!(".{part}.{random:016x}.tmp").into()
}

#[test]
fn a_temporary_file_is_gone_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let fd = Arc::new(rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap());
    let long = "ä".repeat(127);
    let mut temporary = Temporary::create(&fd, OsStr::new(&long)).unwrap();
    temporary.write(b"data").unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    drop(temporary);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
