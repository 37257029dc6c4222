//! Names of the users and groups that own files, each looked up once.
//!
//! One look-up may ask a directory server, and a folder has thousands of files of few owners. A value lives as long as
//! one listing, so that a renamed user is seen by the next. Callers: `channels::fsinfo`.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

/// The names seen so far, as JSON: a string, or the number of an owner without an entry.
#[derive(Debug, Default)]
pub struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// The user's name as JSON.
    pub fn user(&mut self, uid: u32) -> &str {
        self.users.entry(uid).or_insert_with(|| {
            let entry = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            as_json(entry.map(|user| user.name), uid)
        })
    }

    /// The group's name as JSON.
    pub fn group(&mut self, gid: u32) -> &str {
        self.groups.entry(gid).or_insert_with(|| {
            let entry = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            as_json(entry.map(|group| group.name), gid)
        })
    }
}

fn as_json(name: Option<String>, id: u32) -> String {
    name.map_or_else(|| id.to_string(), |name| serde_json::Value::from(name).to_string())
}

#[test]
fn an_owner_without_an_entry_is_its_number() {
    let mut owners = Owners::default();
    assert_eq!(owners.user(0), "\"root\"");
    assert_eq!(owners.group(4_000_000_000), "4000000000");
}
