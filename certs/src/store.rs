//! Certificate files: read with their modes checked, written whole or not at all.
//!
//! Callers: `renew` and `import`. A key that others can read is refused, not repaired (T15): whoever could read it
//! may have done so.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::CertError;

/// Largest file that is read, in bytes; a long chain is below 64 KiB.
const MOST: u64 = 1 << 20;

/// Reads a file that anybody may read.
pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, CertError> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|source| file_error("read", path, source))?;
    file.take(MOST)
        .read_to_end(&mut content)
        .map_err(|source| file_error("read", path, source))?;
    Ok(content)
}

/// Reads a private key; mode and owner are those of the very file that is read.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertError> {
    let file = File::open(path).map_err(|source| file_error("read", path, source))?;
    let facts = file
        .metadata()
        .map_err(|source| file_error("read", path, source))?;
    let mode = facts.mode() & 0o7777;
    if mode & !0o640 != 0 {
        return Err(CertError::KeyMode { path: path.to_owned(), mode });
    }
    let owner = facts.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(CertError::KeyOwner { path: path.to_owned(), owner });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(8 << 10));
    file.take(MOST)
        .read_to_end(&mut content)
        .map_err(|source| file_error("read", path, source))?;
    Ok(content)
}

/// Makes the directory, for its owner only, if it is not there.
pub(crate) fn make_directory(path: &Path) -> Result<(), CertError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| file_error("make", path, source))
}

/// Puts each content in its place by way of a temporary file. After a crash each place holds the old or the new
/// content, whole; that two places belong together is checked by the reader.
pub(crate) fn replace(files: &[(&Path, u32, &[u8])]) -> Result<(), CertError> {
    for (path, mode, content) in files {
        let temporary = path.with_extension("new");
        write_synced(&temporary, *mode, content)
            .map_err(|source| file_error("write", &temporary, source))?;
    }
    for (path, _, _) in files {
        std::fs::rename(path.with_extension("new"), path)
            .map_err(|source| file_error("replace", path, source))?;
    }
    for directory in files.iter().filter_map(|(path, _, _)| path.parent()) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|source| file_error("sync", directory, source))?;
    }
    Ok(())
}

fn write_synced(path: &Path, mode: u32, content: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> CertError {
    CertError::File { action, path: path.to_owned(), source }
}
