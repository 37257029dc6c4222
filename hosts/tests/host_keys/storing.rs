//! What an answer stores, what replacing removes, and what stays as it was.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::SystemTime;

use hosts::host_key::{
    AnswerError, Change, Changed, HostKey, HostKeyStore as _, KnownHostsFile, Note, Refused,
    Removal, StoreError, Unknown,
};

use crate::places::{Places, host, key, note, shown};

fn unknown(places: &Places, name: &str, key: &HostKey) -> Unknown {
    match places.verify(name, key) {
        Err(Refused::Unknown(unknown)) => *unknown,
        other => panic!("{other:?}"),
    }
}

fn changed(places: &Places, name: &str, key: &HostKey) -> Changed {
    match places.verify(name, key) {
        Err(Refused::Changed(changed)) => *changed,
        other => panic!("{other:?}"),
    }
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn accepting_stores_exactly_the_bytes_that_were_shown() {
    let places = Places::empty();

    let verified = unknown(&places, "web1:2222", &key(1))
        .accept(&key(1), &places.keys(), &note())
        .unwrap();

    assert_eq!(verified.key(), &key(1));
    assert_eq!(places.own(), format!("[web1]:2222 {}\n", key(1)));
    assert_eq!(mode(&places.path("known_hosts")), 0o600);
    assert_eq!(places.says("web1:2222", &key(1)), "verified");
}

#[test]
fn an_answer_for_another_key_counts_for_nothing() {
    let places = Places::empty();

    let refused = unknown(&places, "web1", &key(1)).accept(&key(2), &places.keys(), &note());
    assert!(matches!(refused, Err(AnswerError::OtherKey { .. })), "{refused:?}");
    assert!(!places.path("known_hosts").exists());

    let places = Places::with(&format!("web1 {}\n", key(1)));
    let refused = changed(&places, "web1", &key(2)).replace(&key(3), &places.keys(), &note());
    assert!(matches!(refused, Err(AnswerError::OtherKey { .. })), "{refused:?}");
    assert_eq!(places.own(), format!("web1 {}\n", key(1)));
}

#[test]
fn an_answer_is_checked_again_when_it_is_stored() {
    let places = Places::empty();
    let question = unknown(&places, "web1", &key(1));
    places.write("known_hosts", format!("web1 {}\n", key(2)));

    let refused = question.accept(&key(1), &places.keys(), &note());

    assert!(matches!(refused, Err(AnswerError::Refused(Refused::Changed(_)))), "{refused:?}");
    assert_eq!(places.own(), format!("web1 {}\n", key(2)));
}

#[test]
fn every_other_byte_stays_where_it_was() {
    let before = format!(
        "# mine\n\n  web2\t{}  why  \nnonsense\n\u{fc}ml ssh-future AAAA\nweb3 {}",
        key(2),
        key(3)
    );
    let places = Places::with(&before);

    let _verified = unknown(&places, "web1", &key(1))
        .accept(&key(1), &places.keys(), &note())
        .unwrap();

    assert_eq!(places.own(), format!("{before}\nweb1 {}\n", key(1)));
}

#[test]
fn names_are_hashed_where_names_are_hashed() {
    let hashed = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|cr0YLgTT7aj4X2PCkk6IJPkwHSA=";
    let places = Places::with(&format!("{hashed} {}\n", key(2)));

    let _verified = unknown(&places, "web1", &key(1))
        .accept(&key(1), &places.keys(), &note())
        .unwrap();

    assert!(!places.own().contains("web1"), "{}", places.own());
    assert_eq!(places.own().lines().count(), 2);
    assert_eq!(places.says("web1", &key(1)), "verified");
}

#[test]
fn replacing_wants_a_reason_and_leaves_what_others_have() {
    let other =
        format!("web2 {}\n@cert-authority web1 {}\n@revoked web1 {}\n", key(7), key(8), key(9));
    let places =
        Places::with(&format!("web1 {}\n10.0.0.1,web1,www  {} both\n{other}", key(1), key(2)));

    let silent = Note::now("ada", "  ");
    let refused = changed(&places, "web1", &key(3)).replace(&key(3), &places.keys(), &silent);
    assert!(matches!(refused, Err(AnswerError::NoReason)), "{refused:?}");

    let question = changed(&places, "web1", &key(3));
    assert_eq!(question.how(), Change::OtherKey);
    let _verified = question.replace(&key(3), &places.keys(), &note()).unwrap();
    assert_eq!(places.own(), format!("10.0.0.1,www  {} both\n{other}web1 {}\n", key(2), key(3)));
}

#[test]
fn what_is_not_the_users_alone_is_not_replaced() {
    let pattern = format!("*.example.org {}\n", key(1));
    let places = Places::with(&pattern);
    let refused =
        changed(&places, "web1.example.org", &key(2)).replace(&key(2), &places.keys(), &note());
    assert!(matches!(refused, Err(AnswerError::NotOwn(_))), "{refused:?}");
    assert_eq!(places.own(), pattern);

    let own = format!("web1 {}\n", key(1));
    let places = Places::with(&own).and_server(&own);
    let refused = changed(&places, "web1", &key(2)).replace(&key(2), &places.keys(), &note());
    assert!(matches!(refused, Err(AnswerError::NotOwn(_))), "{refused:?}");
    assert_eq!(places.own(), own);
}

#[test]
fn a_link_stays_a_link_in_a_users_folder_and_is_refused_in_everybodys() {
    let places = Places::empty();
    std::fs::create_dir(places.path("dotfiles")).unwrap();
    places.write("dotfiles/hosts", "");
    std::fs::set_permissions(places.path("dotfiles/hosts"), std::fs::Permissions::from_mode(0o664))
        .unwrap();
    symlink("dotfiles/hosts", places.path("known_hosts")).unwrap();

    let _verified = unknown(&places, "web1", &key(1))
        .accept(&key(1), &places.keys(), &note())
        .unwrap();
    assert!(places.path("known_hosts").is_symlink());
    assert_eq!(std::fs::read_to_string(places.path("dotfiles/hosts")).unwrap(), places.own());
    assert_eq!(mode(&places.path("dotfiles/hosts")), 0o644, "never writable by others");

    symlink("dotfiles/hosts", places.path("server")).unwrap();
    let server = KnownHostsFile::for_everybody(&places.path("server"));
    let refused = server.add(&host("web2"), &key(2), &note());
    assert!(matches!(refused, Err(StoreError::Write { .. })), "{refused:?}");
}

#[test]
fn everybodys_store_says_who_when_and_why() {
    let places = Places::empty();
    let server = KnownHostsFile::for_everybody(&places.path("server"));
    let note = Note { who: "ada".into(), when: SystemTime::UNIX_EPOCH, reason: "by phone".into() };

    server.add(&host("web1"), &key(1), &note).unwrap();
    server.add(&host("web1"), &key(1), &note).unwrap();
    server.add(&host("web1"), &key(2), &note).unwrap();

    let line = |key| format!("web1 {key} added by ada 1970-01-01T00:00:00Z: by phone\n");
    let text = String::from_utf8(server.export().unwrap()).unwrap();
    assert_eq!(text, line(key(1)) + &line(key(2)));
    assert_eq!(mode(&places.path("server")), 0o644);

    assert_eq!(
        server
            .remove(&host("web1"), &Removal::Key(&key(1)), &note)
            .unwrap(),
        1
    );
    assert_eq!(String::from_utf8(server.export().unwrap()).unwrap(), line(key(2)));
    assert_eq!(server.remove(&host("web1"), &Removal::All, &note).unwrap(), 1);
    assert_eq!(server.remove(&host("web1"), &Removal::All, &note).unwrap(), 0);
}

#[test]
fn removing_takes_away_damaged_lines_of_the_host_too() {
    let places =
        Places::with(&format!("web1 ssh-ed25519 AAAA\nweb2,web1 nonsense\nweb3 {}\n", key(3)));
    let own = KnownHostsFile::own(&places.path("known_hosts"));

    assert_eq!(own.remove(&host("web1"), &Removal::All, &note()).unwrap(), 2);

    assert_eq!(places.own(), format!("web2 nonsense\nweb3 {}\n", key(3)));
    assert_eq!(places.says("web1", &key(1)), "unknown");
}

#[test]
fn openssh_s_file_for_everybody_is_only_read() {
    let places = Places::empty().and_everybody("");
    let everybody = KnownHostsFile::read_only(&places.path("everybody"));

    let refused = everybody.add(&host("web1"), &key(1), &note());

    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
}

#[test]
fn a_missing_ssh_folder_is_made_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let own = KnownHostsFile::of_user(home.path());

    own.add(&host("web1"), &key(1), &note()).unwrap();

    assert_eq!(mode(&home.path().join(".ssh")), 0o700);
    assert_eq!(mode(&home.path().join(".ssh/known_hosts")), 0o600);
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let places = Places::empty();
    let path = places.path("known_hosts");

    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let own = KnownHostsFile::own(path);
                for number in 0..25 {
                    let name = host(&format!("web{writer}x{number}"));
                    own.add(&name, &key(writer), &note()).unwrap();
                }
            });
        }
    });

    assert_eq!(places.own().lines().count(), 100);
    assert!(!places.path(".known_hosts.new").exists());
}

/// A program that knows no lock, as ssh(1), may write at any moment; what it wrote is not lost, and what a crash left behind
/// is in nobody's way.
#[test]
fn what_a_crash_left_behind_is_in_nobodys_way() {
    let places = Places::with(&format!("web1 {}\n", key(1)));
    places.write(".known_hosts.new", "half a li");

    let _verified = unknown(&places, "web2", &key(2))
        .accept(&key(2), &places.keys(), &note())
        .unwrap();

    assert_eq!(places.own(), format!("web1 {}\nweb2 {}\n", key(1), key(2)));
    assert!(
        places
            .keys()
            .verify(&shown("web1", &key(1)), SystemTime::now())
            .is_ok()
    );
}
