//! The user that the bridge is, and the system that it is on.
//!
//! The user is looked up when first asked for: the look-up may load name service modules. Callers: `greeting`, `channels::info`, the internal D-Bus objects.

use serde_json::{Map, Value};

/// The user of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name; the uid in decimal when the user has no entry.
    pub name: String,
    /// Full name: the first part of the comment field, may be empty.
    pub full_name: String,
    /// Effective uid.
    pub uid: u32,
    /// Effective gid.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Names of all groups, the primary one first.
    pub groups: Vec<String>,
}

impl User {
    /// Looks the user of this process up. Without an entry in the user database the uid stands for the name.
    pub fn current() -> Self {
        let uid = nix::unistd::geteuid();
        let gid = nix::unistd::getegid();
        let entry = nix::unistd::User::from_uid(uid).ok().flatten();
        let name = entry
            .as_ref()
            .map_or_else(|| uid.to_string(), |entry| entry.name.clone());
        let comment = entry
            .as_ref()
            .map(|entry| entry.gecos.to_string_lossy().into_owned());
        Self {
            full_name: comment
                .and_then(|comment| comment.split(',').next().map(str::to_owned))
                .unwrap_or_default(),
            home: entry
                .as_ref()
                .map_or_else(|| "/".to_owned(), |entry| entry.dir.to_string_lossy().into_owned()),
            shell: entry.as_ref().map_or_else(
                || "/bin/sh".to_owned(),
                |entry| entry.shell.to_string_lossy().into_owned(),
            ),
            groups: group_names(gid),
            name,
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }
    }
}

/// Names of the groups of this process, `primary` first; a group without an entry is its number.
fn group_names(primary: nix::unistd::Gid) -> Vec<String> {
    let mut groups = nix::unistd::getgroups().unwrap_or_default();
    groups.retain(|&group| group != primary);
    groups.insert(0, primary);
    groups
        .into_iter()
        .map(|group| match nix::unistd::Group::from_gid(group) {
            Ok(Some(entry)) => entry.name,
            Ok(None) | Err(_) => group.to_string(),
        })
        .collect()
}

/// The file that says what system this is, in the order of os-release(5).
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The members of os-release(5), unquoted; empty when there is no such file.
pub fn os_release() -> Map<String, Value> {
    let text = OS_RELEASE
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    parse_os_release(&text.unwrap_or_default())
}

fn parse_os_release(text: &str) -> Map<String, Value> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), unquoted(value.trim()).into()))
        .collect()
}

fn unquoted(value: &str) -> String {
    let inner = ['"', '\'']
        .iter()
        .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[test]
fn os_release_values_are_unquoted() {
    let text = "# comment\nID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nX='a b'\nY=\"a\\\"b\"\n\nbroken";
    let parsed = parse_os_release(text);
    assert_eq!(parsed.get("ID"), Some(&"debian".into()));
    assert_eq!(parsed.get("PRETTY_NAME"), Some(&"Debian GNU/Linux 12 (bookworm)".into()));
    assert_eq!(parsed.get("X"), Some(&"a b".into()));
    assert_eq!(parsed.get("Y"), Some(&"a\"b".into()));
    assert_eq!(parsed.len(), 4);
}

#[test]
fn the_current_user_has_a_name_and_a_primary_group() {
    let user = User::current();
    assert!(!user.name.is_empty());
    assert!(!user.groups.is_empty());
}
