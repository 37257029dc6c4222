//! The cache of images: things that are made once and then only read.
//!
//! Each is a directory named by the digest of its recipe, built under another name and renamed when whole, so
//! that a builder that was killed leaves nothing that looks finished. A lock file for each digest makes a second
//! builder wait for the first. What nobody uses goes again ([`crate::prune`]). The place is outside the checkout: `$PILOTHOUSE_LAB_CACHE`, or
//! `/var/cache/pilothouse-lab`.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::error::{Doing as _, Result};
use crate::prune::UNUSED;

/// Where images and the writable parts of machines lie.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

/// A short digest of a recipe: the name of what was made by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// Of everything that decides what comes out.
    pub(crate) fn of(recipe: &str) -> Self {
        let mut digits = format!("{:x}", Sha256::digest(recipe.as_bytes()));
        digits.truncate(20);
        Self(digits)
    }

    /// Twenty hexadecimal digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Cache {
    /// The cache of this computer.
    pub fn of_this_computer() -> Self {
        let directory = std::env::var_os("PILOTHOUSE_LAB_CACHE")
            .map_or_else(|| PathBuf::from("/var/cache/pilothouse-lab"), PathBuf::from);
        Self { directory }
    }

    /// A cache in another place.
    #[cfg(test)]
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// A directory in the cache, made if it is not there.
    ///
    /// # Errors
    ///
    /// The system's, with the path.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).doing("make", &path)?;
        Ok(path)
    }

    /// The directory made by `recipe`; `build` fills an empty directory if there is none yet.
    ///
    /// # Errors
    ///
    /// Those of `build`; nothing is kept then.
    pub fn get(
        &self,
        kind: &str,
        recipe: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let key = Key::of(recipe);
        let finished = self.directory(kind)?.join(key.as_str());
        let note = finished.with_extension("recipe");
        if finished.is_dir() {
            return used(&note).map(|()| finished);
        }
        let alone = self.lock(&format!("{kind}-{}", key.as_str()))?;
        if finished.is_dir() {
            return used(&note).map(|()| finished);
        }
        let unfinished = self
            .directory(kind)?
            .join(format!("{}.unfinished", key.as_str()));
        remove_tree(&unfinished)?;
        fs::create_dir(&unfinished).doing("make", &unfinished)?;
        if let Err(error) = build(&unfinished) {
            remove_tree(&unfinished)?;
            return Err(error);
        }
        fs::write(&note, recipe).doing("write", &note)?;
        fs::rename(&unfinished, &finished).doing("rename", &unfinished)?;
        drop(alone);
        self.prune(UNUSED, SystemTime::now())?;
        Ok(finished)
    }

    /// Waits until nobody else holds the lock `name`; it is given back when the file is dropped.
    ///
    /// # Errors
    ///
    /// The system's, with the path.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.directory("lock")?.join(name);
        let file = File::create(&path).doing("open", &path)?;
        file.lock().doing("lock", &path)?;
        Ok(file)
    }

    /// As [`Self::lock`], but does not wait: nothing if somebody else holds it.
    pub(crate) fn lock_if_free(&self, name: &str) -> Result<Option<File>> {
        let path = self.directory("lock")?.join(name);
        let file = File::create(&path).doing("open", &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).doing("lock", &path),
        }
    }
}

/// Writes down that an image is used now; the recipe's time says when it was last.
fn used(note: &Path) -> Result<()> {
    let file = File::options().write(true).open(note);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .doing("write", note)
}

/// Removes a directory and all below it; one that is not there is as good.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.doing("remove", path),
    }
}

#[test]
fn a_second_request_for_one_recipe_builds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::at(directory.path());
    let first = cache
        .get("base", "one", |path| fs::write(path.join("file"), "x").doing("write", path))
        .unwrap();

    let second = cache.get("base", "one", |_| panic!("built twice")).unwrap();

    assert_eq!(first, second);
    assert_eq!(fs::read_to_string(second.join("file")).unwrap(), "x");
}

#[test]
fn a_failed_build_leaves_nothing_that_looks_finished() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::at(directory.path());

    let failed = cache.get("base", "one", |path| {
        fs::write(path.join("half"), "x").unwrap();
        Err(crate::Error::Refused("no".into()))
    });

    assert!(failed.is_err());
    let built = cache.get("base", "one", |_| Ok(())).unwrap();
    assert_eq!(fs::read_dir(built).unwrap().count(), 0);
}
