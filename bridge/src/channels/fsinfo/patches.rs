//! The merge patches that bring the page's state to what is on disk.
//!
//! A folder is told in messages of some tens of KiB, each of them a patch that adds entries. If it is watched, what was
//! told is remembered, so that later only differences are. All of it waits for the disk. Caller: `fsinfo`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use super::attributes::{self, Attribute, File};
use super::fnmatch;
use crate::folder::Folder;
use crate::owners::Owners;

/// Bytes after which a message is sent and another one begun.
const MESSAGE_SIZE: usize = 56 << 10;

/// What the page wants to know.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    attributes: Vec<Attribute>,
    lists: Lists,
    pattern: String,
}

/// What it wants to know beside the object itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lists {
    #[default]
    None,
    Entries,
    /// And what links lead to that is not among the entries.
    EntriesAndTargets,
    /// Nothing that is in the folder, but `targets` was asked for: it is there, and empty.
    Targets,
}

impl Wanted {
    pub(super) fn new(names: &[String], pattern: &str) -> Self {
        let asks = |wanted: &str| names.iter().any(|name| name == wanted);
        let lists = match (asks("entries"), asks("targets")) {
            (false, false) => Lists::None,
            (true, false) => Lists::Entries,
            (true, true) => Lists::EntriesAndTargets,
            (false, true) => Lists::Targets,
        };
        let attributes = attributes::attributes(names);
        Self { attributes, lists, pattern: pattern.to_owned() }
    }

    pub(super) fn targets(&self) -> bool {
        matches!(self.lists, Lists::EntriesAndTargets | Lists::Targets)
    }

    fn entries(&self) -> bool {
        matches!(self.lists, Lists::Entries | Lists::EntriesAndTargets)
    }

    fn lists(&self, name: &OsStr) -> bool {
        self.entries()
            && (self.pattern == "*" || fnmatch::matches(&self.pattern, &name.to_string_lossy()))
    }

    /// Whether a link's target must be told apart from the entries.
    fn is_far(&self, target: &str) -> bool {
        self.targets() && (target.contains('/') || !self.lists(OsStr::new(target)))
    }
}

/// Makes patches about one object.
#[derive(Debug, Default)]
pub(super) struct Patches {
    wanted: Wanted,
    owners: Owners,
    object: Option<OwnedFd>,
    stage: Stage,
    /// Targets that are met while the folder is read.
    targets: BTreeSet<String>,
    /// What was told last, when differences will be wanted.
    told: Option<Told>,
}

#[derive(Debug, Default)]
struct Told {
    itself: Vec<u8>,
    entries: HashMap<OsString, Entry>,
    targets: BTreeSet<String>,
}

#[derive(Debug)]
struct Entry {
    json: Box<[u8]>,
    target: Option<String>,
}

#[derive(Debug, Default)]
enum Stage {
    /// The object itself comes next.
    Itself { was_reset: bool },
    /// Names come next.
    Entries(Folder, Option<NamesLeft>),
    /// The last message comes next.
    Last,
    #[default]
    Told,
}

/// Names that did not fit into the last message.
#[derive(Debug)]
struct NamesLeft {
    names: crate::folder::Names,
    skip: usize,
}

impl Patches {
    /// Patches for a page that looks once.
    pub(super) fn once(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Patches for a page that keeps looking.
    pub(super) fn remembering(wanted: Wanted) -> Self {
        Self { wanted, told: Some(Told::default()), ..Self::default() }
    }

    /// Whether the page wants to know about what has this name in the folder.
    pub(super) fn lists(&self, name: &OsStr) -> bool {
        self.wanted.lists(name)
    }

    /// Begins anew with `object`. After a reset the page waits for the end of `partial`.
    pub(super) fn begin(&mut self, object: OwnedFd, was_reset: bool) {
        self.object = Some(object);
        self.stage = Stage::Itself { was_reset };
        self.owners = Owners::default();
        self.targets.clear();
        if let Some(told) = &mut self.told {
            *told = Told::default();
        }
    }

    /// The next patch about the whole object; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let object = self.object.take()?;
        let message = match std::mem::take(&mut self.stage) {
            Stage::Itself { was_reset } => Some(self.itself(&object, was_reset)),
            Stage::Entries(folder, left) => Some(self.entries(folder, left)),
            Stage::Last => Some(self.last(&object)),
            Stage::Told => None,
        };
        self.object = Some(object);
        message
    }

    /// `{"info":{…}}`, whole when there is no folder to read.
    fn itself(&mut self, object: &OwnedFd, was_reset: bool) -> Vec<u8> {
        let mut attributes = Vec::new();
        self.write_itself(object, &mut attributes);
        let folder = if self.wanted.entries() {
            Folder::open_at(object, Path::new("."))
        } else {
            Err(Errno::NOTDIR)
        };
        let mut message = Vec::with_capacity(attributes.len() + 64);
        message.push(b'{');
        self.stage = match folder {
            Ok(folder) => {
                message.extend_from_slice(b"\"partial\":true,");
                Stage::Entries(folder, None)
            }
            Err(_no_folder_or_not_readable) => {
                if was_reset {
                    message.extend_from_slice(b"\"partial\":null,");
                }
                Stage::Told
            }
        };
        message.extend_from_slice(b"\"info\":{");
        message.extend_from_slice(&attributes);
        if self.wanted.lists == Lists::Targets {
            push_member(&mut message, b"\"targets\":{}");
        }
        if matches!(self.stage, Stage::Entries(..)) {
            push_member(&mut message, b"\"entries\":{}");
        }
        message.extend_from_slice(b"}}");
        if let Some(told) = &mut self.told {
            told.itself = attributes;
        }
        message
    }

    fn write_itself(&mut self, object: &OwnedFd, out: &mut Vec<u8>) {
        let file = File::Itself(object);
        let stat = file.stat().ok();
        attributes::write(&self.wanted.attributes, file, stat.as_ref(), &mut self.owners, out);
    }

    /// `{"info":{"entries":{…}}}` with as many entries as one message takes.
    fn entries(&mut self, mut folder: Folder, mut left: Option<NamesLeft>) -> Vec<u8> {
        let mut message = Vec::with_capacity(MESSAGE_SIZE + 4096);
        message.extend_from_slice(b"{\"info\":{\"entries\":{");
        let begin = message.len();
        loop {
            let mut read = || folder.next_names().ok().flatten();
            let left = left.take();
            // What cannot be read to its end is told as far as it could.
            let Some(batch) = left.or_else(|| Some(NamesLeft { names: read()?, skip: 0 })) else {
                self.stage = Stage::Last;
                break;
            };
            let mut done = batch.skip;
            for (name, _) in batch.names.iter().skip(batch.skip) {
                if message.len() > MESSAGE_SIZE {
                    break;
                }
                done += 1;
                let name = OsStr::from_bytes(name.to_bytes());
                if self.wanted.lists(name) {
                    self.entry(folder.fd(), name, begin, &mut message);
                }
            }
            if message.len() > MESSAGE_SIZE {
                self.stage = Stage::Entries(folder, Some(NamesLeft { skip: done, ..batch }));
                break;
            }
        }
        message.extend_from_slice(b"}}}");
        message
    }

    /// Adds `"name":{…}` to the entries that begin at `begin`.
    fn entry(&mut self, folder: &OwnedFd, name: &OsStr, begin: usize, message: &mut Vec<u8>) {
        let file = File::In(folder, name);
        let stat = match file.stat() {
            Err(Errno::NOENT) => return,
            other => other.ok(),
        };
        if message.len() > begin {
            message.push(b',');
        }
        let _memory_takes_all = serde_json::to_writer(&mut *message, &name.to_string_lossy());
        message.push(b':');
        let start = message.len();
        message.push(b'{');
        let wanted = &self.wanted.attributes;
        let target = attributes::write(wanted, file, stat.as_ref(), &mut self.owners, message);
        message.push(b'}');
        if let Some(target) = &target
            && self.wanted.is_far(target)
        {
            self.targets.insert(target.clone());
        }
        if let Some(told) = &mut self.told {
            let json = message.get(start..).unwrap_or_default().into();
            told.entries.insert(name.to_owned(), Entry { json, target });
        }
    }

    /// `{"partial":null,"info":{"targets":{…}}}`
    fn last(&mut self, object: &OwnedFd) -> Vec<u8> {
        let mut message = b"{\"partial\":null".to_vec();
        if self.wanted.targets() {
            message.extend_from_slice(b",\"info\":{\"targets\":{");
            let targets = std::mem::take(&mut self.targets);
            let begin = message.len();
            for target in &targets {
                self.target(object, target, begin, &mut message);
            }
            message.extend_from_slice(b"}}");
            if let Some(told) = &mut self.told {
                told.targets = targets;
            }
        }
        message.push(b'}');
        message
    }

    fn target(&mut self, folder: &OwnedFd, target: &str, begin: usize, message: &mut Vec<u8>) {
        let file = File::Behind(folder, OsStr::new(target));
        let stat = file.stat();
        if message.len() > begin {
            message.push(b',');
        }
        let _memory_takes_all = serde_json::to_writer(&mut *message, target);
        message.push(b':');
        if let Err(Errno::NOENT) = stat {
            message.extend_from_slice(b"null");
            return;
        }
        message.push(b'{');
        let wanted = &self.wanted.attributes;
        attributes::write(wanted, file, stat.ok().as_ref(), &mut self.owners, message);
        message.push(b'}');
    }

    /// The patch for what changed under `names`, where the empty name means the object itself; `None` when nothing
    /// did that the page wants to know.
    pub(super) fn update(&mut self, names: HashSet<OsString>) -> Option<Vec<u8>> {
        let object = self.object.take()?;
        let mut told = self.told.take()?;
        let mut itself = Vec::new();
        let mut entries = Vec::new();
        for name in names {
            if name.is_empty() {
                self.write_itself(&object, &mut itself);
            } else {
                self.changed_entry(&object, name, &mut told, &mut entries);
            }
        }
        if told.itself == itself {
            itself.clear();
        } else if !itself.is_empty() {
            told.itself.clone_from(&itself);
        }
        let targets = self.changed_targets(&object, &mut told);
        self.object = Some(object);
        self.told = Some(told);
        if itself.is_empty() && entries.is_empty() && targets.is_empty() {
            return None;
        }
        let mut message = b"{\"info\":{".to_vec();
        message.append(&mut itself);
        for (list, members) in [("entries", entries), ("targets", targets)] {
            if !members.is_empty() {
                push_member(&mut message, format!("\"{list}\":{{").as_bytes());
                message.extend_from_slice(&members);
                message.push(b'}');
            }
        }
        message.extend_from_slice(b"}}");
        Some(message)
    }

    fn changed_entry(
        &mut self,
        folder: &OwnedFd,
        name: OsString,
        told: &mut Told,
        entries: &mut Vec<u8>,
    ) {
        let file = File::In(folder, &name);
        let stat = file.stat();
        let mut json = Vec::new();
        let mut target = None;
        if stat.as_ref().err() != Some(&Errno::NOENT) {
            json.push(b'{');
            let wanted = &self.wanted.attributes;
            target =
                attributes::write(wanted, file, stat.ok().as_ref(), &mut self.owners, &mut json);
            json.push(b'}');
        }
        let before = told.entries.get(&name).map(|entry| &*entry.json);
        if before.unwrap_or_default() == json.as_slice() {
            return;
        }
        if !entries.is_empty() {
            entries.push(b',');
        }
        let _memory_takes_all = serde_json::to_writer(&mut *entries, &name.to_string_lossy());
        entries.push(b':');
        if json.is_empty() {
            entries.extend_from_slice(b"null");
            told.entries.remove(&name);
        } else {
            entries.extend_from_slice(&json);
            told.entries
                .insert(name, Entry { json: json.into(), target });
        }
    }

    /// Members of `targets` that come and go because links do. What they lead to is not watched.
    fn changed_targets(&mut self, folder: &OwnedFd, told: &mut Told) -> Vec<u8> {
        let mut members = Vec::new();
        if !self.wanted.targets() {
            return members;
        }
        let now: BTreeSet<String> = told
            .entries
            .values()
            .filter_map(|entry| entry.target.clone())
            .filter(|target| self.wanted.is_far(target))
            .collect();
        for target in now.symmetric_difference(&told.targets) {
            if now.contains(target) {
                self.target(folder, target, 0, &mut members);
            } else {
                if !members.is_empty() {
                    members.push(b',');
                }
                let _memory_takes_all = serde_json::to_writer(&mut members, target);
                members.extend_from_slice(b":null");
            }
        }
        told.targets = now;
        members
    }
}

/// Adds a member to the object that is being written.
fn push_member(object: &mut Vec<u8>, member: &[u8]) {
    if object.last() != Some(&b'{') {
        object.push(b',');
    }
    object.extend_from_slice(member);
}
