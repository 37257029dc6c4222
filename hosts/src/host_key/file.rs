//! A `known_hosts` file on disk: read whole, replaced whole.
//!
//! A change is made under an advisory lock on the folder, in a new file beside the old one that is synced and renamed over it
//! (security rule T32): whoever reads finds the old text or the new one. The calls wait for a disk.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::names::HostSpec;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::edit;
use super::key::HostKey;
use super::listing::{self, Listed};
use super::names::DIGEST;
use super::note::Note;
use super::store::{Found, HostKeyStore, Place, Removal, StoreError};
use super::text::Text;

/// The management server's store, until the inventory keeps it: for everybody who logs in here.
pub const SYSTEM_STORE: &str = "/etc/pilothouse/known_hosts";
/// OpenSSH's file for everybody. Only read.
pub const SSH_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// Largest file that is read, in bytes: a hundred thousand entries. A larger one is a mistake, and would cost memory for
/// every connection.
const MAX_FILE: u64 = 32 << 20;
/// How long somebody else may hold the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How often the lock is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);
/// How often a change is made anew because a program without the lock, such as ssh(1), wrote in between.
const ATTEMPTS: u32 = 20;

/// The new text, until it is renamed.
const NEW: &str = ".known_hosts.new";

/// A file in the format of `known_hosts`(8).
#[derive(Debug, Clone)]
pub struct KnownHostsFile {
    path: PathBuf,
    access: Access,
}

/// Who may write a file, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// A user's own: 0600 in a folder of 0700. A symbolic link is followed, what it names is replaced.
    Own,
    /// Everybody's: 0644 in a folder of root. A symbolic link is refused.
    Everybodys,
    /// OpenSSH's: nobody writes it here.
    ReadOnly,
}

/// What was read, and the file as it was then.
struct Snapshot {
    text: Vec<u8>,
    state: Option<State>,
}

/// By what a change in between is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    inode: u64,
    length: u64,
    changed: (i64, i64),
    mode: u32,
}

impl KnownHostsFile {
    /// The user's own file below the home folder.
    pub fn of_user(home: &Path) -> Self {
        Self::own(&home.join(".ssh/known_hosts"))
    }

    /// A file of one user.
    pub fn own(path: &Path) -> Self {
        Self { path: path.to_owned(), access: Access::Own }
    }

    /// A file that all read and root writes.
    pub fn for_everybody(path: &Path) -> Self {
        Self { path: path.to_owned(), access: Access::Everybodys }
    }

    /// A file that is only read.
    pub fn read_only(path: &Path) -> Self {
        Self { path: path.to_owned(), access: Access::ReadOnly }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All entries, those that cannot be read included.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the file cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let snapshot = self.read(&self.path)?;
        Ok(listing::list(&Text(&snapshot.text), &self.path))
    }

    /// Adds the lines of `lines` that are not here yet, as they are; how many they were.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if nothing was added; [`StoreError::Damaged`] if a line cannot be read.
    pub fn import(&self, lines: &[u8], note: &Note) -> Result<usize, StoreError> {
        let source = Text(lines);
        if let Some(bad) = listing::list(&source, Path::new(""))
            .into_iter()
            .find(|entry| entry.damage.is_some())
        {
            let reason = bad.damage.unwrap_or_default();
            return Err(StoreError::Damaged { line: bad.line, reason });
        }
        let added = self.replace(|text| Ok(edit::with_lines(text, &source)))?;
        tracing::info!(audit = true, who = note.who, file = %self.path.display(), added, reason = note.reason, "host keys imported");
        Ok(added)
    }

    fn read_error(&self, error: impl Into<std::io::Error>) -> StoreError {
        StoreError::Read { file: self.path.clone(), error: error.into() }
    }

    fn write_error(&self, error: impl Into<std::io::Error>) -> StoreError {
        StoreError::Write { file: self.path.clone(), error: error.into() }
    }

    /// The text now. A file that is not there is empty; one that cannot be read is an error, never empty.
    fn read(&self, path: &Path) -> Result<Snapshot, StoreError> {
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Snapshot { text: Vec::new(), state: None });
            }
            Err(error) => return Err(self.read_error(error)),
        };
        let metadata = file.metadata().map_err(|error| self.read_error(error))?;
        // Some have known_hosts as a link to /dev/null; anything else that is no file could hang or never end.
        if !metadata.is_file() && !metadata.file_type().is_char_device() {
            return Err(self.read_error(ErrorKind::InvalidInput));
        }
        let mut text = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut text)
            .map_err(|error| self.read_error(error))?;
        if text.len() as u64 > MAX_FILE {
            return Err(StoreError::TooLarge { file: self.path.clone(), limit: MAX_FILE });
        }
        Ok(Snapshot { text, state: Some(State::of(&metadata)) })
    }

    /// Replaces the text by what `change` makes of it, if that is something else. `change` may be called again.
    fn replace<T>(
        &self,
        mut change: impl FnMut(&[u8]) -> Result<(Vec<u8>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.writable_path()?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        self.make_folder(folder)?;
        let _lock = self.lock(folder)?;
        for _ in 0..ATTEMPTS {
            let before = self.read(&path)?;
            let (text, result) = change(&before.text)?;
            if text == before.text {
                return Ok(result);
            }
            let new = self.write_beside(folder, &text, before.state.as_ref())?;
            if self.state(&path)? == before.state {
                new.rename_to(&path)
                    .and_then(|()| std::fs::File::open(folder)?.sync_all())
                    .map_err(|error| self.write_error(error))?;
                return Ok(result);
            }
        }
        Err(StoreError::Busy { file: self.path.clone() })
    }

    /// Stores `key` for a host of which the file holds no key; one that appeared in the meantime stays as it is.
    pub(super) fn add_first(
        &self,
        host: &HostSpec,
        key: &HostKey,
        note: &Note,
    ) -> Result<(), StoreError> {
        let salt = random_salt().map_err(|error| self.write_error(error))?;
        self.replace(|text| {
            let there = Text(text).find(&self.path, host);
            let text = match there.keys().next() {
                None => edit::with_entry(text, host, key, &self.comment(note), salt),
                Some(_) => text.to_vec(),
            };
            Ok((text, ()))
        })?;
        note.log("host key accepted", &self.path, host, Some(key));
        Ok(())
    }

    /// Stores `key` in the place of all that the file holds for `host`, in one step. Nothing is changed if a line stays
    /// that gives the host another key: its place is returned.
    pub(super) fn exchange(
        &self,
        host: &HostSpec,
        key: &HostKey,
        note: &Note,
    ) -> Result<Option<Place>, StoreError> {
        let salt = random_salt().map_err(|error| self.write_error(error))?;
        self.replace(|text| {
            let (without, _) = edit::without_host(text, host, Removal::All);
            let stays = Text(&without).find(&self.path, host);
            match stays.keys().find(|entry| entry.key != *key) {
                Some(entry) => Ok((text.to_vec(), Some(entry.place.clone()))),
                None => {
                    Ok((edit::with_entry(&without, host, key, &self.comment(note), salt), None))
                }
            }
        })
    }

    /// The file that is replaced: what a user's link names, in its own folder.
    fn writable_path(&self) -> Result<PathBuf, StoreError> {
        let is_link = std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink());
        match self.access {
            Access::ReadOnly => Err(StoreError::ReadOnly { file: self.path.clone() }),
            Access::Everybodys if is_link => Err(self.write_error(rustix::io::Errno::LOOP)),
            Access::Own if is_link => {
                let path =
                    std::fs::canonicalize(&self.path).map_err(|error| self.write_error(error))?;
                if path.is_file() {
                    Ok(path)
                } else {
                    Err(self.write_error(ErrorKind::InvalidInput))
                }
            }
            Access::Everybodys | Access::Own => Ok(self.path.clone()),
        }
    }

    fn make_folder(&self, folder: &Path) -> Result<(), StoreError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let mode = if self.access == Access::Own { 0o700 } else { 0o755 };
        match std::fs::DirBuilder::new().mode(mode).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(self.write_error(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Locks the folder, which stays when the file is replaced. It is unlocked when the handle is dropped.
    fn lock(&self, folder: &Path) -> Result<std::fs::File, StoreError> {
        let handle = self.lockable(folder)?;
        let until = std::time::Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(handle),
                Err(rustix::io::Errno::WOULDBLOCK) if std::time::Instant::now() < until => {
                    std::thread::sleep(LOCK_INTERVAL);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(StoreError::Busy { file: self.path.clone() });
                }
                Err(error) => return Err(self.write_error(error)),
            }
        }
    }

    /// The folder itself; on NFS, which locks only what can be written, a file in it.
    fn lockable(&self, folder: &Path) -> Result<std::fs::File, StoreError> {
        let handle = std::fs::File::open(folder).map_err(|error| self.write_error(error))?;
        match flock(&handle, FlockOperation::NonBlockingLockShared) {
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => Ok(handle),
            Err(_not_lockable) => std::fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(folder.join(".known_hosts.lock"))
                .map_err(|error| self.write_error(error)),
        }
    }

    /// The new text in a file of its own, synced, with the mode that it will have.
    fn write_beside(
        &self,
        folder: &Path,
        text: &[u8],
        before: Option<&State>,
    ) -> Result<Beside, StoreError> {
        let mode = match (self.access, before) {
            (Access::Own, Some(state)) => state.mode & 0o644 | 0o600,
            (Access::Own | Access::ReadOnly, _) => 0o600,
            (Access::Everybodys, _) => 0o644,
        };
        Beside::written(folder.join(NEW), mode, text).map_err(|error| self.write_error(error))
    }

    fn state(&self, path: &Path) -> Result<Option<State>, StoreError> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(State::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// What stands behind a key: nothing in a user's own file, who, when and why in everybody's.
    fn comment(&self, note: &Note) -> String {
        if self.access == Access::Own { String::new() } else { note.to_string() }
    }
}

impl State {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            mode: metadata.mode() & 0o777,
        }
    }
}

/// The new text in a file of its own; removed unless it is renamed.
struct Beside(PathBuf);

impl Beside {
    /// Writes and syncs it. One that was left by a crash is nobody's: whoever writes here holds the lock.
    fn written(path: PathBuf, mode: u32, text: &[u8]) -> std::io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        let new = Self(path);
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text)?;
        file.sync_all()?;
        Ok(new)
    }

    fn rename_to(self, path: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.0, path)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _renamed_already = std::fs::remove_file(&self.0);
    }
}

impl HostKeyStore for KnownHostsFile {
    fn find(&self, host: &HostSpec) -> Result<Found, StoreError> {
        let snapshot = self.read(&self.path)?;
        Ok(Text(&snapshot.text).find(&self.path, host))
    }

    fn names_with(&self, key: &HostKey) -> Result<Vec<(Place, String)>, StoreError> {
        let snapshot = self.read(&self.path)?;
        let place = |line| Place { file: self.path.clone(), line: Some(line) };
        let names = Text(&snapshot.text).names_with(key).into_iter();
        Ok(names.map(|(line, name)| (place(line), name)).collect())
    }

    fn add(&self, host: &HostSpec, key: &HostKey, note: &Note) -> Result<(), StoreError> {
        let salt = random_salt().map_err(|error| self.write_error(error))?;
        self.replace(|text| {
            let there = Text(text).find(&self.path, host);
            if there.has_key(key) {
                return Ok((text.to_vec(), ()));
            }
            Ok((edit::with_entry(text, host, key, &self.comment(note), salt), ()))
        })?;
        note.log("host key added", &self.path, host, Some(key));
        Ok(())
    }

    fn remove(&self, host: &HostSpec, what: &Removal, note: &Note) -> Result<usize, StoreError> {
        let removed = self.replace(|text| Ok(edit::without_host(text, host, *what)))?;
        if removed > 0 {
            let key = match what {
                Removal::Key(key) => Some(*key),
                Removal::All => None,
            };
            note.log("host key removed", &self.path, host, key);
        }
        Ok(removed)
    }

    fn export(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.read(&self.path)?.text)
    }
}

fn random_salt() -> std::io::Result<[u8; DIGEST]> {
    let mut salt = [0; DIGEST];
    getrandom::fill(&mut salt).map_err(std::io::Error::other)?;
    Ok(salt)
}
