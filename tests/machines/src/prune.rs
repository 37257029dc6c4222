//! Pruning: images that nobody has used for long go, with what builders that were killed left.
//!
//! Called by the command `lab prune`, and by the cache itself when it has built something, so that it does not grow
//! for ever. The recipe beside an image is written anew in time, not in text, at each use. An image on which a
//! machine lies stays, however old its last use is; so does one whose lock somebody holds.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cache::{Cache, remove_tree};
use crate::error::{Doing as _, Result};
use crate::sweep;

/// After so long without use an image goes by itself.
pub(crate) const UNUSED: Duration = Duration::from_hours(30 * 24);

/// The kinds of images.
const KINDS: [&str; 2] = ["base", "layer"];

/// An image that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// `base` or `layer`.
    pub kind: &'static str,
    /// What it was made of: the line of the recipe that says so.
    pub recipe: String,
    /// Bytes on disk that were freed.
    pub bytes: u64,
}

impl Cache {
    /// Removes the images that were not used in the last `unused_for` before `now`, and returns them.
    ///
    /// # Errors
    ///
    /// What the system refused; what was removed by then is gone.
    pub fn prune(&self, unused_for: Duration, now: SystemTime) -> Result<Vec<Pruned>> {
        let in_use = sweep::mounts()?;
        let is_old = |path: &Path| {
            let used = path.metadata().and_then(|facts| facts.modified());
            used.is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age > unused_for))
        };
        let mut pruned = Vec::new();
        for kind in KINDS {
            let directory = self.directory(kind)?;
            for key in keys(&directory)? {
                let recipe = directory.join(format!("{key}.recipe"));
                let image = directory.join(&key);
                let wanted = if recipe.exists() { is_old(&recipe) } else { !image.exists() };
                if wanted && !in_use.contains(&image.display().to_string()) {
                    pruned.extend(self.remove(kind, &directory, &key)?);
                }
            }
        }
        self.prune_archives(&is_old)?;
        Ok(pruned)
    }

    /// Removes one image; nothing if somebody is just making it.
    fn remove(&self, kind: &'static str, directory: &Path, key: &str) -> Result<Option<Pruned>> {
        let Some(_alone) = self.lock_if_free(&format!("{kind}-{key}"))? else {
            return Ok(None);
        };
        let image = directory.join(key);
        let recipe = directory.join(format!("{key}.recipe"));
        let unfinished = directory.join(format!("{key}.unfinished"));
        let text = fs::read_to_string(&recipe).unwrap_or_default();
        let mut bytes = size(&image) + size(&unfinished);
        remove_tree(&unfinished)?;
        // Renamed first: one that is half removed must not look finished.
        if image.is_dir() {
            fs::rename(&image, &unfinished).doing("rename", &image)?;
        }
        remove_tree(&unfinished)?;
        let building = directory.join(format!("{key}.building"));
        bytes += size(&building);
        remove_tree(&building)?;
        for path in [recipe, directory.join(format!("{key}.apt.conf"))] {
            if path.exists() {
                fs::remove_file(&path).doing("remove", &path)?;
            }
        }
        // Below the version stands the release of a base; of a layer, what it lies on and then its packages.
        let skipped = if kind == "base" { 1 } else { 2 };
        let recipe = text.lines().nth(skipped).unwrap_or_default().to_owned();
        Ok(Some(Pruned { kind, recipe, bytes }))
    }

    /// Packages that layers were made of. Their date is the mirror's, so what counts is when they came here.
    fn prune_archives(&self, is_old: &dyn Fn(&Path) -> bool) -> Result<()> {
        let apt = self.directory("apt")?;
        for release in entries(&apt)? {
            // Written to with every package that is fetched.
            if !is_old(&release.join("archives")) {
                continue;
            }
            let Some(name) = release.file_name() else { continue };
            let Some(_alone) = self.lock_if_free(&format!("apt-{}", name.to_string_lossy()))?
            else {
                continue;
            };
            remove_tree(&release)?;
        }
        Ok(())
    }
}

/// The keys that the names of files in a directory of images begin with.
fn keys(directory: &Path) -> Result<BTreeSet<String>> {
    let key = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        Some(name.split('.').next()?.to_owned())
    };
    Ok(entries(directory)?.into_iter().filter_map(key).collect())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).doing("read", directory)?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Bytes on disk of all that is below.
fn size(path: &Path) -> u64 {
    let Ok(facts) = path.symlink_metadata() else { return 0 };
    let below = if facts.is_dir() { entries(path).unwrap_or_default() } else { Vec::new() };
    facts.blocks() * 512 + below.iter().map(|path| size(path)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn made(cache: &Cache, kind: &str, recipe: &str) -> PathBuf {
        let build = |path: &Path| fs::write(path.join("file"), "x").doing("write", path);
        cache.get(kind, recipe, build).unwrap()
    }

    #[test]
    fn images_go_when_they_were_not_used_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path());
        let old = made(&cache, "base", "base 1\nforgotten");
        let recipe = old.with_extension("recipe");
        let long_ago = SystemTime::now() - 3 * DAY;
        fs::File::options()
            .write(true)
            .open(&recipe)
            .and_then(|file| file.set_modified(long_ago))
            .unwrap();
        let new = made(&cache, "layer", "layer 1\nused today");
        let begun = directory
            .path()
            .join("layer/0123456789abcdef0123.unfinished");
        fs::create_dir_all(&begun).unwrap();

        let pruned = cache.prune(2 * DAY, SystemTime::now()).unwrap();

        let names: Vec<_> = pruned
            .iter()
            .map(|one| (one.kind, one.recipe.as_str()))
            .collect();
        assert_eq!(names, [("base", "forgotten"), ("layer", "")]);
        assert!(pruned.first().unwrap().bytes > 0);
        assert!(new.is_dir() && !old.exists() && !recipe.exists() && !begun.exists());
    }

    #[test]
    fn a_use_keeps_an_image_and_so_does_its_builder() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path());
        let used = made(&cache, "base", "one");
        let long_ago = SystemTime::now() - 3 * DAY;
        let recipe = used.with_extension("recipe");
        let file = fs::File::options().write(true).open(&recipe).unwrap();
        file.set_modified(long_ago).unwrap();
        let begun = directory
            .path()
            .join("layer/0123456789abcdef0123.unfinished");
        fs::create_dir_all(&begun).unwrap();
        let _builder = cache.lock("layer-0123456789abcdef0123").unwrap();

        made(&cache, "base", "one");

        assert_eq!(cache.prune(2 * DAY, SystemTime::now()).unwrap(), []);
        assert!(used.is_dir() && begun.is_dir());
    }
}
