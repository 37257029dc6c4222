//! The tag of a file: an opaque word that changes whenever the file does.
//!
//! Pages get it with what they read and give it back when they write, so that nobody's change is overwritten unseen.
//! It holds inode, time of the last change, mode and owner. Callers: `channels::{fsread, fsreplace, fswatch, fsinfo}`.
//! Text: docs/protocol.md, "fsread1".

use std::io::Write as _;

use rustix::fs::Stat;
use rustix::io::Errno;

/// The tag of a file that does not exist.
pub const NO_FILE: &str = "-";

/// The tag of the file with these attributes.
pub fn of(stat: &Stat) -> String {
    let mut tag = Vec::with_capacity(64);
    write(stat, &mut tag);
    String::from_utf8(tag).unwrap_or_default()
}

/// Appends the tag of the file with these attributes to `out`. It needs no escape in JSON.
pub fn write(stat: &Stat, out: &mut Vec<u8>) {
    let _memory_takes_all = write!(
        out,
        "1:{}-{}.{:09}-{:o}-{}-{}",
        stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_mode, stat.st_uid, stat.st_gid
    );
}

/// The tag of what a look-up found; `None` when the look-up failed otherwise than by finding nothing.
pub fn of_lookup(found: Result<Stat, Errno>) -> Option<String> {
    match found {
        Ok(stat) => Some(of(&stat)),
        Err(Errno::NOENT) => Some(NO_FILE.to_owned()),
        Err(_) => None,
    }
}

#[test]
fn the_tag_changes_with_content_mode_and_inode_and_with_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let tag = || of(&rustix::fs::stat(&path).unwrap());
    std::fs::write(&path, "one").unwrap();
    let first = tag();
    assert_eq!(tag(), first);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_mode = tag();
    assert_ne!(with_mode, first);

    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(hour_ago).unwrap();
    assert_ne!(tag(), with_mode);
    assert_eq!(of_lookup(Err(Errno::NOENT)).as_deref(), Some(NO_FILE));
    assert_eq!(of_lookup(Err(Errno::ACCESS)), None);
}
