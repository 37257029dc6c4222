//! The attributes of one file, as the members of a JSON object.
//!
//! Written straight into a buffer: a folder has thousands of files. Caller: `fsinfo::patches`. Text:
//! docs/protocol.md, "fsinfo".

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::fs::{Access, AtFlags, FileType, Stat};

use crate::file_tag;
use crate::owners::Owners;
use crate::path_watch::own_path;

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Type,
    Mode,
    Uid,
    User,
    Gid,
    Group,
    Size,
    Mtime,
    Tag,
    Target,
    ReadOk,
    WriteOk,
    ExecuteOk,
}

/// The one table of names. `entries` and `targets` are no attributes of a file but lists of files.
const NAMES: [(&str, Attribute); 13] = [
    ("type", Attribute::Type),
    ("mode", Attribute::Mode),
    ("uid", Attribute::Uid),
    ("user", Attribute::User),
    ("gid", Attribute::Gid),
    ("group", Attribute::Group),
    ("size", Attribute::Size),
    ("mtime", Attribute::Mtime),
    ("tag", Attribute::Tag),
    ("target", Attribute::Target),
    ("r-ok", Attribute::ReadOk),
    ("w-ok", Attribute::WriteOk),
    ("x-ok", Attribute::ExecuteOk),
];

/// A file: a name in a folder, or the open object itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum File<'a> {
    Itself(&'a OwnedFd),
    /// A link that is met is not followed.
    In(&'a OwnedFd, &'a OsStr),
    /// A link that is met is followed.
    Behind(&'a OwnedFd, &'a OsStr),
}

impl File<'_> {
    /// Its attributes, from the kernel.
    pub(super) fn stat(self) -> Result<Stat, rustix::io::Errno> {
        match self {
            Self::Itself(object) => rustix::fs::fstat(object),
            Self::In(folder, name) => rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW),
            Self::Behind(folder, name) => rustix::fs::statat(folder, name, AtFlags::empty()),
        }
    }

    /// Where the link leads; `None` when it cannot be read.
    fn target(self) -> Option<String> {
        let target = match self {
            Self::Itself(link) => rustix::fs::readlinkat(link, "", Vec::new()),
            Self::In(folder, name) | Self::Behind(folder, name) => {
                rustix::fs::readlinkat(folder, name, Vec::new())
            }
        };
        Some(String::from_utf8_lossy(target.ok()?.as_bytes()).into_owned())
    }

    fn may(self, access: Access) -> bool {
        match self {
            Self::Itself(object) => rustix::fs::access(own_path(object), access).is_ok(),
            Self::In(folder, name) | Self::Behind(folder, name) => {
                rustix::fs::accessat(folder, name, access, AtFlags::empty()).is_ok()
            }
        }
    }
}

/// The attributes with these names, in this order; unknown names mean nothing.
pub(super) fn attributes(names: &[String]) -> Vec<Attribute> {
    names
        .iter()
        .filter_map(|name| NAMES.iter().find(|(known, _)| known == name))
        .map(|&(_, attribute)| attribute)
        .collect()
}

/// Writes `"name":value` for each attribute, with commas between. Every attribute has a value, `null` when it has
/// none, so that what is written replaces what was written about the same file before. The link's target, if it was
/// read.
pub(super) fn write(
    wanted: &[Attribute],
    file: File<'_>,
    stat: Option<&Stat>,
    owners: &mut Owners,
    out: &mut Vec<u8>,
) -> Option<String> {
    let mut target = None;
    for (index, &attribute) in wanted.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let name = NAMES
            .iter()
            .find(|(_, known)| *known == attribute)
            .map_or("", |(name, _)| name);
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match stat {
            None => out.extend_from_slice(b"null"),
            Some(stat) => {
                if let Some(read) = write_value(attribute, file, stat, owners, out) {
                    target = Some(read);
                }
            }
        }
    }
    target
}

fn write_value(
    attribute: Attribute,
    file: File<'_>,
    stat: &Stat,
    owners: &mut Owners,
    out: &mut Vec<u8>,
) -> Option<String> {
    let _memory_takes_all = match attribute {
        Attribute::Type => write!(out, "\"{}\"", type_name(stat)),
        Attribute::Mode => write!(out, "{}", stat.st_mode & 0o7777),
        Attribute::Uid => write!(out, "{}", stat.st_uid),
        Attribute::User => out.write_all(owners.user(stat.st_uid).as_bytes()),
        Attribute::Gid => write!(out, "{}", stat.st_gid),
        Attribute::Group => out.write_all(owners.group(stat.st_gid).as_bytes()),
        Attribute::Size => write!(out, "{}", stat.st_size),
        Attribute::Mtime => write_time(stat, out),
        Attribute::Tag => {
            out.push(b'"');
            file_tag::write(stat, out);
            out.write_all(b"\"")
        }
        Attribute::Target => {
            let target = (kind(stat) == FileType::Symlink)
                .then(|| file.target())
                .flatten();
            let _memory_takes_all = serde_json::to_writer(out, &target);
            return target;
        }
        Attribute::ReadOk => write!(out, "{}", file.may(Access::READ_OK)),
        Attribute::WriteOk => write!(out, "{}", file.may(Access::WRITE_OK)),
        Attribute::ExecuteOk => write!(out, "{}", file.may(Access::EXEC_OK)),
    };
    None
}

/// Seconds since 1970 with their fraction, as a JSON number.
fn write_time(stat: &Stat, out: &mut Vec<u8>) -> std::io::Result<()> {
    const NANOSECONDS: i128 = 1_000_000_000;
    let time = i128::from(stat.st_mtime) * NANOSECONDS + i128::from(stat.st_mtime_nsec);
    let sign = if time < 0 { "-" } else { "" };
    let time = time.unsigned_abs();
    let nanoseconds = NANOSECONDS.unsigned_abs();
    write!(out, "{sign}{}.{:09}", time / nanoseconds, time % nanoseconds)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn type_name(stat: &Stat) -> &'static str {
    match kind(stat) {
        FileType::RegularFile => "reg",
        FileType::Directory => "dir",
        FileType::Symlink => "lnk",
        FileType::CharacterDevice => "chr",
        FileType::BlockDevice => "blk",
        FileType::Fifo => "fifo",
        FileType::Socket => "sock",
        FileType::Unknown => "unknown",
    }
}
