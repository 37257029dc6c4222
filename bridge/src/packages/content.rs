//! The files of one package.
//!
//! `foo.js` is found as `foo.js`, `foo.js.gz`, `foo.min.js` or `foo.min.js.gz`. Nothing outside the package is ever
//! opened: not by `..`, not by a link (T44, T45). Callers: `packages`, `packages::answer`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::read::MultiGzDecoder;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::manifest::Package;

/// Largest file in bytes, as it is stored and as it is sent: a small one must not become a huge one.
const MAX_FILE: u64 = 64 << 20;

/// Deepest folder in a package that counts for the checksum.
const MAX_DEPTH: usize = 16;

/// What a browser can unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gzip {
    Accepted,
    Refused,
}

/// The content of a file.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Whether the bytes are compressed.
    pub(super) gzip: bool,
    /// Changes with the file.
    pub(super) tag: String,
    /// When it was put there or written last, since 1970.
    changed: Duration,
}

/// Why a file is not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    NotFound,
    Unreadable(Errno),
}

/// The file that the browser calls `path`, a path of plain segments.
pub(super) fn find(package: &Package, path: &str, gzip: Gzip) -> Result<Content, Missing> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(&package.path, flags, Mode::empty()).map_err(missing)?;
    for (name, packed) in variants(path, gzip) {
        match open_inside(&folder, &name) {
            Ok(file) => return read(file, packed, gzip),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::ISDIR) => {}
            Err(error) => return Err(missing(error)),
        }
    }
    Err(Missing::NotFound)
}

fn missing(error: Errno) -> Missing {
    match error {
        Errno::NOENT | Errno::NOTDIR => Missing::NotFound,
        other => Missing::Unreadable(other),
    }
}

/// The names that a file may have, best first, and whether it is packed under that name.
fn variants(path: &str, gzip: Gzip) -> Vec<(String, bool)> {
    let mut names = vec![path.to_owned()];
    let file = path.rsplit('/').next().unwrap_or_default();
    if let Some((_, extension)) = file.rsplit_once('.') {
        let stem = path.strip_suffix(extension).unwrap_or(path);
        names.push(format!("{stem}min.{extension}"));
    }
    let both = |name: String| {
        let plain = (name.clone(), false);
        let packed = (name + ".gz", true);
        match gzip {
            Gzip::Accepted => [packed, plain],
            Gzip::Refused => [plain, packed],
        }
    };
    names.into_iter().flat_map(both).collect()
}

/// Opens a regular file below `folder`, without leaving it.
fn open_inside(folder: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = match rustix::fs::openat2(folder, path, flags, Mode::empty(), inside) {
        // Before Linux 5.6, or in a container that does not know it.
        Err(Errno::NOSYS | Errno::PERM) => open_without_links(folder, path)?,
        other => other?,
    };
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(file),
        FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(Errno::NOENT),
    }
}

/// The same step by step, for kernels without openat2(2): there no link is followed at all.
fn open_without_links(folder: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let step = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = rustix::io::fcntl_dupfd_cloexec(folder, 0)?;
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        if ["", ".", ".."].contains(&segment) {
            return Err(Errno::NOENT);
        }
        let flags = match segments.peek() {
            Some(_) => OFlags::PATH | OFlags::DIRECTORY,
            None => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
        };
        here = rustix::fs::openat(&here, segment, flags | step, Mode::empty())?;
    }
    Ok(here)
}

fn read(file: OwnedFd, packed: bool, gzip: Gzip) -> Result<Content, Missing> {
    let stat = rustix::fs::fstat(&file).map_err(missing)?;
    let tag = format!("{:x}-{:x}-{:x}", stat.st_mtime, stat.st_mtime_nsec, stat.st_size);
    let nanoseconds = u32::try_from(stat.st_ctime_nsec).unwrap_or(0);
    let changed =
        u64::try_from(stat.st_ctime).map_or(FOREVER, |seconds| Duration::new(seconds, nanoseconds));
    let file = std::fs::File::from(file);
    let unpack = packed && gzip == Gzip::Refused;
    let mut bytes = Vec::new();
    let read = if unpack {
        MultiGzDecoder::new(file)
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
    } else {
        bytes.reserve_exact(usize::try_from(stat.st_size).unwrap_or(0).min(1 << 24));
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)
    };
    read.map_err(|error| Missing::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Missing::Unreadable(Errno::FBIG));
    }
    Ok(Content { bytes, gzip: packed && !unpack, tag, changed })
}

/// The content type of a file with this name.
pub(super) fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    TYPES
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known))
        .map_or("application/octet-stream", |(_, content_type)| content_type)
}

const TYPES: [(&str, &str); 22] = [
    ("css", "text/css; charset=utf-8"),
    ("eot", "application/vnd.ms-fontobject"),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("otf", "font/otf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "text/xml; charset=utf-8"),
];

/// How far the time of a change may stand behind the clock: file systems take it from the last tick, of which there are
/// at least a hundred a second.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// Later than any checksum.
const FOREVER: Duration = Duration::from_secs(u64::MAX / 2);

/// A word that changes when a manifest or a file of any package does.
#[derive(Debug)]
pub(super) struct Checksum {
    pub(super) word: String,
    /// When the files began to be looked at. What changed later it says nothing about.
    since: Duration,
}

impl Checksum {
    /// Files count by name, size and time: reading them all would make every login slow.
    pub(super) fn of(packages: &BTreeMap<String, Package>) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { word: word(packages), since: since.unwrap_or_default() }
    }

    /// Whether it speaks about this content: nobody can set the time of the last change back.
    pub(super) fn covers(&self, content: &Content) -> bool {
        content.changed + CLOCK_STEP < self.since
    }
}

fn word(packages: &BTreeMap<String, Package>) -> String {
    let mut digest = Sha256::new();
    for (name, package) in packages {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(serde_json::to_vec(&package.manifest).unwrap_or_default());
        add_folder(&package.path, MAX_DEPTH, &mut digest);
    }
    let mut word = String::new();
    for byte in digest.finalize() {
        let _memory_takes_all = write!(word, "{byte:02x}");
    }
    word
}

fn add_folder(folder: &Path, depth: usize, digest: &mut Sha256) {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(found) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        digest.update(path.as_os_str().as_bytes());
        digest.update([0]);
        if found.is_dir() {
            if depth > 0 {
                add_folder(&path, depth - 1, digest);
            }
            continue;
        }
        for number in [found.mtime(), found.mtime_nsec(), found.size().cast_signed()] {
            digest.update(number.to_le_bytes());
        }
    }
}

#[test]
fn names_are_tried_in_the_order_that_suits_the_browser() {
    let names = |gzip| -> Vec<String> {
        variants("a/b.js", gzip)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names(Gzip::Accepted), ["a/b.js.gz", "a/b.js", "a/b.min.js.gz", "a/b.min.js"]);
    assert_eq!(names(Gzip::Refused), ["a/b.js", "a/b.js.gz", "a/b.min.js", "a/b.min.js.gz"]);
}
