//! The packages that are installed on this machine: their manifests and their files.
//!
//! A package is a folder `cockpit/NAME` below a data directory, with a `manifest.json`. The first need loads them, and
//! `reload` loads them anew. Of packages with one name the one with the highest `priority` wins whose conditions hold
//! here; of equals the one that is found first: the user's own, then `XDG_DATA_DIRS` in order. A package that is broken
//! is named on standard error and left out. Callers: `channels::packages`, the internal D-Bus object `/packages`, the
//! rules for other bridges. Text: docs/protocol.md, "Packages".

mod answer;
mod content;
mod language;
mod manifest;
mod places;
mod policy;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;

pub use answer::{Answer, Request};
pub use places::{Place, Places};

use content::Checksum;
use manifest::Package;

/// All packages.
#[derive(Debug)]
pub struct Packages {
    places: Places,
    loaded: Mutex<Option<Arc<Loaded>>>,
    hint: Mutex<Hint>,
    changed: watch::Sender<u64>,
}

/// The shell says `ReloadHint` each time it starts. The first time they have just been loaded.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Hint {
    #[default]
    First,
    Later,
}

/// What was found at one time.
#[derive(Debug)]
struct Loaded {
    packages: BTreeMap<String, Package>,
    manifests: Arc<str>,
    checksum: OnceLock<Checksum>,
}

impl Packages {
    /// The packages in `places`; nothing is read yet.
    pub fn new(places: Places) -> Self {
        let (changed, _) = watch::channel(0);
        Self { places, loaded: Mutex::default(), hint: Mutex::default(), changed }
    }

    /// All manifests as one JSON object, by name of the package. Waits for the disk when it is the first to ask.
    pub fn manifests_json(&self) -> Arc<str> {
        Arc::clone(&self.loaded().manifests)
    }

    /// The manifests' `bridges`, those of the package with the highest priority first.
    pub fn bridges(&self) -> Vec<Value> {
        let loaded = self.loaded();
        let mut packages: Vec<&Package> = loaded.packages.values().collect();
        packages.sort_by(|one, other| other.priority.total_cmp(&one.priority));
        let bridges = packages
            .iter()
            .filter_map(|package| package.manifest.get("bridges")?.as_array());
        bridges.flatten().cloned().collect()
    }

    /// A word that changes with any file of any package: addresses that begin with `/$` and this word may be kept for
    /// ever by whoever fetches them. Made of names, sizes and times, not of content.
    pub fn checksum(&self) -> String {
        self.loaded().checksum().word.clone()
    }

    /// Changes each time that the packages were loaded anew.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Loads all packages anew. Waits for the disk.
    pub fn reload(&self) {
        let loaded = Arc::new(load(&self.places));
        *self.lock() = Some(loaded);
        self.changed.send_modify(|count| *count += 1);
    }

    /// The shell has started: loads the packages anew, but for the first time.
    pub fn reload_hint(&self) {
        let mut hint = self.hint.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *hint, Hint::Later) == Hint::Later {
            drop(hint);
            self.reload();
        }
    }

    /// What is at the address that `request` names. Waits for the disk.
    pub fn answer(&self, request: &Request) -> Answer {
        answer::answer(&self.loaded(), request)
    }

    fn loaded(&self) -> Arc<Loaded> {
        let mut loaded = self.lock();
        Arc::clone(loaded.get_or_insert_with(|| Arc::new(load(&self.places))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Loaded>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// Made when it is first needed: every file must be looked at.
    fn checksum(&self) -> &Checksum {
        self.checksum.get_or_init(|| Checksum::of(&self.packages))
    }
}

fn load(places: &Places) -> Loaded {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for place in &places.data {
        for path in folders(&place.path) {
            let package = match Package::read(&path, place, places) {
                Ok(Some(package)) => package,
                Ok(None) => continue,
                Err(error) => {
                    complain(&error.to_string());
                    continue;
                }
            };
            match packages.get(&package.name) {
                Some(found) if found.priority >= package.priority => {}
                Some(_) | None => {
                    packages.insert(package.name.clone(), package);
                }
            }
        }
    }
    let manifests: Map<String, Value> = packages
        .iter()
        .map(|(name, package)| (name.clone(), Value::Object(package.manifest.clone())))
        .collect();
    let manifests = Value::Object(manifests).to_string().into();
    Loaded { packages, manifests, checksum: OnceLock::new() }
}

/// The folders in `place`, sorted; none when it cannot be read.
fn folders(place: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// Tells the administrator. The page is told by what is missing.
fn complain(message: &str) {
    let _nobody_may_listen = writeln!(std::io::stderr(), "pilothouse-bridge: {message}");
}
