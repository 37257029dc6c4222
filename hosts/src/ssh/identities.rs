//! The user's key files: which there are, and what each needs before it can sign.
//!
//! As ssh(1): files that the configuration names for the host, else those in `~/.ssh` that are named as ssh-keygen(1) does.
//! A file that others may read is not used. Nothing is kept: keys are read for one login and wiped after it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::secret::Secret;
use russh::keys::{Algorithm, Certificate, PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

/// Longest key file in bytes; an RSA key of 16,384 bits has 13 KiB.
const LONGEST_FILE: u64 = 64 << 10;

/// Most files that are looked at.
const MOST_FILES: usize = 16;

/// What ssh-keygen(1) calls keys, best first; others follow by name.
const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A key file of the user.
#[derive(Debug)]
pub(super) struct KeyFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Certificates for this key, beside it.
    pub(super) certificate: Option<Certificate>,
    content: Content,
}

/// What stands in the file.
#[derive(Debug)]
enum Content {
    Plain(Arc<PrivateKey>),
    /// Kept as it was read until somebody has its passphrase.
    Locked(Zeroizing<String>),
}

/// Whether a passphrase is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Open,
    Locked,
}

/// A key file that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) path: PathBuf,
    pub(super) why: &'static str,
}

impl KeyFile {
    /// Whether it needs a passphrase.
    pub(super) fn lock(&self) -> Lock {
        match self.content {
            Content::Plain(_) => Lock::Open,
            Content::Locked(_) => Lock::Locked,
        }
    }

    /// The key, when it needs none.
    pub(super) fn plain(&self) -> Option<Arc<PrivateKey>> {
        match &self.content {
            Content::Plain(key) => Some(Arc::clone(key)),
            Content::Locked(_) => None,
        }
    }

    /// The key, unlocked by `passphrase`; `None` when that is wrong.
    pub(super) fn unlocked(&self, passphrase: &Secret) -> Option<Arc<PrivateKey>> {
        match &self.content {
            Content::Plain(key) => Some(Arc::clone(key)),
            Content::Locked(text) => {
                let passphrase = std::str::from_utf8(passphrase.expose()).ok()?;
                decode_secret_key(text, Some(passphrase)).ok().map(Arc::new)
            }
        }
    }
}

/// The user's keys: those of `named`, or the usual ones of `home` when none is named.
pub(super) fn key_files(home: &Path, named: &[PathBuf]) -> (Vec<KeyFile>, Vec<Skipped>) {
    let paths = if named.is_empty() { usual_files(home) } else { named.to_vec() };
    let mut files = Vec::new();
    let mut skipped = Vec::new();
    for path in paths.into_iter().take(MOST_FILES) {
        match read(&path) {
            Ok(Some(file)) => files.push(file),
            Ok(None) => {}
            Err(why) => skipped.push(Skipped { path, why }),
        }
    }
    (files, skipped)
}

fn usual_files(home: &Path) -> Vec<PathBuf> {
    let folder = home.join(".ssh");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("id_") && !name.contains('.'))
        .collect();
    let rank = |name: &str| {
        let usual = USUAL_NAMES.iter().position(|usual| *usual == name);
        usual.unwrap_or(USUAL_NAMES.len())
    };
    names.sort_by(|one, other| (rank(one), one).cmp(&(rank(other), other)));
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// The key file at `path`; `None` when nothing is there.
fn read(path: &Path) -> Result<Option<KeyFile>, &'static str> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let metadata = file.metadata().map_err(|_| "cannot be read")?;
    if !metadata.is_file() {
        return Err("is not a file");
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err("belongs to somebody else");
    }
    if metadata.mode() & 0o077 != 0 {
        return Err("can be read by others");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST_FILE)
        .read_to_string(&mut text)
        .map_err(|_| "is not a key")?;
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let certificate = Certificate::read_file(&beside("-cert.pub")).ok();
    let content = match decode_secret_key(&text, None) {
        Ok(key) if matches!(key.algorithm(), Algorithm::Dsa) => {
            return Err("is of a type that is not used any more");
        }
        Ok(key) => Content::Plain(Arc::new(key)),
        Err(russh::keys::Error::KeyIsEncrypted) => Content::Locked(text),
        Err(_) => return Err("is not a key"),
    };
    Ok(Some(KeyFile { path: path.to_owned(), certificate, content }))
}
