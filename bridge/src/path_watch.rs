//! Watches what a path leads to: the object at its end, and every folder and link on the way there.
//!
//! A path may lead to nothing yet, and to something else later: a file is created, replaced by a rename, or a folder
//! above it moves. Each folder on the way is watched for the one name that the way takes there, before that name is
//! looked up, so that nothing is missed in between. Source: inotify(7), `path_resolution(7)`.
//! Callers: `channels::{fswatch, fslist, fsinfo}`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::Closed;
use crate::file_work::away;
use crate::readiness;

/// Links that one path may go through, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Bytes of events read at once.
const EVENTS_SIZE: usize = 8 << 10;

/// What is watched on the way.
const WAY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MASK_ADD);

/// What is watched at the end.
const END: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MASK_ADD);

/// Events by which a name begins or ceases to lead somewhere.
const NAME_MOVED: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO);

/// Events by which a folder on the way is itself gone.
const FOLDER_GONE: ReadFlags = ReadFlags::DELETE_SELF
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::IGNORED);

/// A path, and what it leads to now.
#[derive(Debug)]
pub struct PathWatch {
    path: PathBuf,
    inotify: AsyncFd<OwnedFd>,
    way: Way,
    waiting: VecDeque<PathEvent>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEvent {
    /// The path may lead elsewhere now: to nothing, to something, to something else.
    Elsewhere,
    /// Something happened to the object at its end, or to what has `name` in that folder.
    Here {
        /// What it was.
        what: ReadFlags,
        /// The name in the folder.
        name: Option<OsString>,
    },
    /// The kernel dropped events: all must be looked at anew.
    Lost,
}

#[derive(Debug)]
struct Way {
    /// The names that matter, by watch.
    names: HashMap<i32, HashSet<OsString>>,
    end: Option<i32>,
    found: Result<OwnedFd, Errno>,
}

impl PathWatch {
    /// Begins to watch `path`. That it leads nowhere is no error.
    ///
    /// # Errors
    ///
    /// The kernel has no more watches for this user.
    pub fn new(path: &Path) -> io::Result<Self> {
        let (inotify, way) = walk(path)?;
        Ok(Self { path: path.to_owned(), inotify, way, waiting: VecDeque::new() })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to watch `path` on a thread that may wait: folders on the way may be on a network that does not answer.
    ///
    /// # Errors
    ///
    /// As [`PathWatch::new`], with the problem that it is.
    pub async fn begin(path: &str) -> Result<Self, Closed> {
        let path = path.to_owned();
        away(move || Self::new(Path::new(&path)).map_err(|error| Closed::from_io(&path, &error)))
            .await
    }

    /// What the path leads to, opened with `O_PATH`.
    ///
    /// # Errors
    ///
    /// Why it leads to nothing.
    pub fn found(&self) -> Result<&OwnedFd, Errno> {
        self.way.found.as_ref().map_err(|&error| error)
    }

    /// Waits for the next event. May be dropped while it waits; no event is lost by that.
    ///
    /// # Errors
    ///
    /// As [`PathWatch::new`].
    pub async fn next(&mut self) -> io::Result<PathEvent> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                if event == PathEvent::Elsewhere {
                    self.look_again()?;
                }
                return Ok(event);
            }
            let mut ready = self.inotify.readable().await?;
            match read_events(self.inotify.get_ref(), &self.way, &mut self.waiting) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Walks the whole path anew. What was reported about the old way counts no more.
    fn look_again(&mut self) -> io::Result<()> {
        (self.inotify, self.way) = walk(&self.path)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Reads what the kernel has to say, once, and keeps of it what matters.
fn read_events(
    inotify: &OwnedFd,
    way: &Way,
    waiting: &mut VecDeque<PathEvent>,
) -> Result<(), Errno> {
    let mut buffer = [MaybeUninit::uninit(); EVENTS_SIZE];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    loop {
        let event = reader.next()?;
        let name = event
            .file_name()
            .map(|name| OsStr::from_bytes(name.to_bytes()));
        if let Some(event) = way.event(event.wd(), event.events(), name) {
            // A way that changed is looked at whole; what else happened on the old one says nothing more.
            let elsewhere = event == PathEvent::Elsewhere;
            if waiting.back() != Some(&event) {
                waiting.push_back(event);
            }
            if elsewhere {
                return Ok(());
            }
        }
        if reader.is_buffer_empty() {
            return Ok(());
        }
    }
}

impl Way {
    fn event(&self, wd: i32, what: ReadFlags, name: Option<&OsStr>) -> Option<PathEvent> {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Some(PathEvent::Lost);
        }
        if let Some(names) = self.names.get(&wd) {
            let turns_here = name.is_some_and(|name| names.contains(name));
            if (turns_here && what.intersects(NAME_MOVED)) || what.intersects(FOLDER_GONE) {
                return Some(PathEvent::Elsewhere);
            }
        }
        if self.end != Some(wd) || what.intersects(FOLDER_GONE) {
            return None;
        }
        Some(PathEvent::Here { what, name: name.map(OsStr::to_owned) })
    }
}

/// One part of a path that is still to be walked.
#[derive(Debug)]
enum Step {
    Root,
    Name(OsString),
    /// `..`, which leads to a folder that need not be watched.
    Up,
}

fn walk(path: &Path) -> io::Result<(AsyncFd<OwnedFd>, Way)> {
    let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let mut way = Way { names: HashMap::new(), end: None, found: Err(Errno::NOENT) };
    way.found = match way.follow(&inotify, path) {
        Err(limit @ (Errno::NOSPC | Errno::NOMEM | Errno::MFILE | Errno::NFILE)) => {
            return Err(limit.into());
        }
        found => found,
    };
    if let Ok(end) = &way.found {
        way.end = match inotify::add_watch(&inotify, own_path(end), END) {
            Ok(watch) => Some(watch),
            Err(limit @ (Errno::NOSPC | Errno::NOMEM)) => return Err(limit.into()),
            // Who may not read an object may not watch it either; that it comes and goes is seen from above.
            Err(_) => None,
        };
    }
    Ok((readiness::watched(inotify, Interest::READABLE)?, way))
}

impl Way {
    fn follow(&mut self, inotify: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
        let mut here = rustix::fs::open(".", FOLDER, Mode::empty())?;
        let mut steps = steps(path);
        let mut links = 0;
        while let Some(step) = steps.pop() {
            let name = match step {
                Step::Root => {
                    here = rustix::fs::open("/", FOLDER, Mode::empty())?;
                    continue;
                }
                Step::Up => {
                    here = rustix::fs::openat(&here, "..", FOLDER, Mode::empty())?;
                    continue;
                }
                Step::Name(name) => name,
            };
            match inotify::add_watch(inotify, own_path(&here), WAY) {
                Ok(watch) => {
                    self.names.entry(watch).or_default().insert(name.clone());
                }
                Err(limit @ (Errno::NOSPC | Errno::NOMEM)) => return Err(limit),
                // A folder that may be entered but not read.
                Err(_) => {}
            }
            let there = rustix::fs::openat(&here, &name, OBJECT, Mode::empty())?;
            if file_type(&there)? != FileType::Symlink {
                here = there;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP);
            }
            let target = rustix::fs::readlinkat(&there, "", Vec::new())?;
            let target = OsString::from_vec(target.into_bytes());
            steps.extend(self::steps(Path::new(&target)));
        }
        if must_be_folder(path) && file_type(&here)? != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(here)
    }
}

/// How a folder on the way is opened.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How whatever is found is opened: not the link's target but the link.
const OBJECT: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The parts of a path, the first one last.
fn steps(path: &Path) -> Vec<Step> {
    let mut steps: Vec<Step> = path
        .components()
        .filter_map(|component| match component {
            Component::RootDir => Some(Step::Root),
            Component::Normal(name) => Some(Step::Name(name.to_owned())),
            Component::ParentDir => Some(Step::Up),
            Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    steps.reverse();
    steps
}

fn must_be_folder(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

fn file_type(fd: &OwnedFd) -> Result<FileType, Errno> {
    rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode))
}

/// A path that leads to an open descriptor of this process, whatever its file is called now.
pub fn own_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn elsewhere(watch: &mut PathWatch) {
        while watch.next().await.unwrap() != PathEvent::Elsewhere {}
    }

    #[tokio::test]
    async fn a_path_whose_folders_do_not_exist_yet_is_found_when_they_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        let mut watch = PathWatch::new(&path).unwrap();
        assert_eq!(watch.found().unwrap_err(), Errno::NOENT);

        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(&path, "x").unwrap();
        while watch.found().is_err() {
            elsewhere(&mut watch).await;
        }
    }

    #[tokio::test]
    async fn a_folder_that_moves_away_takes_the_path_with_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/file"), "x").unwrap();
        let mut watch = PathWatch::new(&folder.path().join("a/file")).unwrap();
        watch.found().unwrap();

        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        elsewhere(&mut watch).await;
        assert_eq!(watch.found().unwrap_err(), Errno::NOENT);
    }

    #[tokio::test]
    async fn a_link_that_turns_elsewhere_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("one"), "1").unwrap();
        std::fs::write(at("two"), "22").unwrap();
        std::os::unix::fs::symlink("one", at("link")).unwrap();
        let mut watch = PathWatch::new(&at("link")).unwrap();

        std::os::unix::fs::symlink(at("two"), at("new")).unwrap();
        std::fs::rename(at("new"), at("link")).unwrap();
        elsewhere(&mut watch).await;
        assert_eq!(rustix::fs::fstat(watch.found().unwrap()).unwrap().st_size, 2);
    }

    #[tokio::test]
    async fn links_in_a_circle_and_files_as_folders_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("b", at("a")).unwrap();
        std::os::unix::fs::symlink("a", at("b")).unwrap();
        std::fs::write(at("file"), "x").unwrap();
        assert_eq!(PathWatch::new(&at("a")).unwrap().found().unwrap_err(), Errno::LOOP);
        assert_eq!(PathWatch::new(&at("file/x")).unwrap().found().unwrap_err(), Errno::NOTDIR);
        assert_eq!(PathWatch::new(&at("file/")).unwrap().found().unwrap_err(), Errno::NOTDIR);
        assert_eq!(
            PathWatch::new(&at("./../file/.."))
                .unwrap()
                .found()
                .unwrap_err(),
            Errno::NOENT
        );
    }
}
