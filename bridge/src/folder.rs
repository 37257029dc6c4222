//! A folder that is read in big pieces.
//!
//! Names come as bytes, in the order of the file system, without `.` and `..`; they are not sorted, and a folder that
//! changes meanwhile may show a name or not. Source: getdents(2). Callers: `channels::{fslist, fsinfo}`.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// Bytes of names read at once: about two thousand names.
const PIECE: usize = 64 << 10;

/// An open folder, somewhere in the middle of being read.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// Names that were read at once.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    entries: Vec<(usize, FileType)>,
}

impl Folder {
    /// Opens the folder that `path` leads to.
    ///
    /// # Errors
    ///
    /// The kernel's; `ENOTDIR` when it is no folder.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        Self::open_at(rustix::fs::CWD, path)
    }

    /// Opens the folder that `path` leads to from `at`.
    ///
    /// # Errors
    ///
    /// As [`Folder::open`].
    pub fn open_at(at: impl AsFd, path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(at, path, flags, Mode::empty())?;
        Ok(Self { fd, buffer: Vec::with_capacity(PIECE) })
    }

    /// The folder itself.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The next names, never none; `None` after the last. Waits for the disk.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn next_names(&mut self) -> Result<Option<Names>, Errno> {
        let mut names = Names::default();
        loop {
            let mut entries = RawDir::new(self.fd.as_fd(), self.buffer.spare_capacity_mut());
            loop {
                match entries.next() {
                    Some(Ok(entry)) => names.push(entry.file_name(), entry.file_type()),
                    Some(Err(Errno::INTR)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok((!names.entries.is_empty()).then_some(names)),
                }
                if entries.is_buffer_empty() {
                    break;
                }
            }
            if !names.entries.is_empty() {
                return Ok(Some(names));
            }
        }
    }
}

impl Names {
    fn push(&mut self, name: &CStr, kind: FileType) {
        if name != c"." && name != c".." {
            self.entries.push((self.bytes.len(), kind));
            self.bytes.extend_from_slice(name.to_bytes_with_nul());
        }
    }

    /// Each name, and what it is as far as the folder itself knows.
    pub fn iter(&self) -> impl Iterator<Item = (&CStr, FileType)> {
        self.entries.iter().filter_map(|&(start, kind)| {
            let name = CStr::from_bytes_until_nul(self.bytes.get(start..)?).ok()?;
            Some((name, kind))
        })
    }
}

#[test]
fn every_name_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3000 {
        std::fs::write(
            folder
                .path()
                .join(format!("a-file-with-a-long-name-{number}")),
            "",
        )
        .unwrap();
    }
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let mut reading = Folder::open(folder.path()).unwrap();
    let mut seen = std::collections::HashSet::new();
    while let Some(names) = reading.next_names().unwrap() {
        for (name, kind) in names.iter() {
            assert_eq!(kind == FileType::Directory, name == c"folder");
            assert!(seen.insert(name.to_owned()));
        }
    }
    assert_eq!(seen.len(), 3001);
}
