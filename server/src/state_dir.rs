//! The server's own state directory: `serve` below the setting `state-dir`, for its user only (T55).
//!
//! Caller: [`crate::run`], before anything is written. A directory that others may enter is refused, not repaired.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Why the directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It could not be made or looked at.
    #[error("state directory {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no directory, or somebody else's, or open to others.
    #[error(
        "state directory {} must be a directory of user {user} with mode 0700; it belongs to user {owner} and has \
         mode {mode:04o}",
        path.display()
    )]
    Unsafe {
        /// Which one.
        path: PathBuf,
        /// Our user.
        user: u32,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// Makes `state_dir/serve` if it is not there, and checks it.
pub(crate) fn prepare(state_dir: &Path) -> Result<(), StateDirError> {
    let path = state_dir.join("serve");
    let failed = |source| StateDirError::Io { path: path.clone(), source };
    if let Err(error) = DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(state_dir)
    {
        return Err(failed(error));
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error));
        }
        Ok(()) | Err(_) => {}
    }
    let facts = path.symlink_metadata().map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    let (owner, mode) = (facts.uid(), facts.mode() & 0o7777);
    if facts.is_dir() && owner == user && mode == 0o700 {
        return Ok(());
    }
    Err(StateDirError::Unsafe { path, user, owner, mode })
}
