//! `fsreplace1` on real files.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use protocol::problem::Problem;
use serde_json::{Value, json};

use crate::page::{Page, Whole, text};

async fn tag_of(path: &Path) -> String {
    let whole = Page::whole(json!({"payload": "fsread1", "path": path})).await;
    text(&whole.close, "tag").to_owned()
}

/// Replaces a file by these pieces; none of them deletes it.
async fn replace(path: &Path, options: Value, pieces: &[&[u8]]) -> Whole {
    let mut page = Page::new().await;
    let mut open = json!({"payload": "fsreplace1", "path": path, "binary": "raw"});
    for (name, value) in options.as_object().unwrap() {
        open[name] = value.clone();
    }
    page.open(open).await;
    for piece in pieces {
        page.data(piece).await;
    }
    page.done().await;
    page.rest().await
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_made_replaced_and_deleted_and_nothing_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");

    let made = replace(&path, json!({"tag": "-", "send-acks": "bytes"}), &[b"one", b" two"]).await;
    assert_eq!(made.problem, None);
    assert_eq!(made.acks, 7);
    assert!(made.done);
    assert_eq!(std::fs::read(&path).unwrap(), b"one two");
    assert_eq!(text(&made.close, "tag"), tag_of(&path).await);

    let replaced = replace(&path, json!({"tag": made.close["tag"]}), &[b"three"]).await;
    assert_eq!(replaced.problem, None);
    assert_eq!(std::fs::read(&path).unwrap(), b"three");

    let emptied = replace(&path, json!({}), &[b""]).await;
    assert_eq!(emptied.problem, None);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(names(folder.path()), ["file"]);

    let deleted = replace(&path, json!({"tag": emptied.close["tag"]}), &[]).await;
    assert_eq!(text(&deleted.close, "tag"), "-");
    assert_eq!(names(folder.path()), [""; 0]);
    assert_eq!(replace(&path, json!({}), &[]).await.problem, None);
}

#[tokio::test]
async fn a_tag_that_is_not_the_files_is_a_conflict_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();

    for (tag, pieces) in
        [("-", &[&b"new"[..]][..]), ("1:2-3", &[b"new"]), ("1:2-3", &[]), ("-", &[])]
    {
        let whole = replace(&path, json!({"tag": tag}), pieces).await;
        assert_eq!(whole.problem, Some(Problem::ChangeConflict), "{tag} {pieces:?}");
    }
    let gone = replace(&folder.path().join("gone"), json!({"tag": "1:2-3"}), &[b"new"]).await;
    assert_eq!(gone.problem, Some(Problem::ChangeConflict));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[tokio::test]
async fn a_change_between_open_and_done_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();
    let mut page = Page::new().await;
    let tag = tag_of(&path).await;
    page.open(json!({"payload": "fsreplace1", "path": path, "tag": tag}))
        .await;
    page.ready().await;
    page.data(b"new").await;

    std::fs::write(folder.path().join("other"), "somebody else's").unwrap();
    std::fs::rename(folder.path().join("other"), &path).unwrap();
    page.done().await;
    assert_eq!(page.rest().await.problem, Some(Problem::ChangeConflict));
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
    assert_eq!(names(folder.path()), ["file"]);
}

#[tokio::test]
async fn with_the_right_tag_mode_owner_and_extended_attributes_stay() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4751)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    let has_xattrs = rustix::fs::setxattr(&path, "user.colour", b"blue", flags).is_ok();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4751)).unwrap();
    }

    let whole = replace(&path, json!({"tag": tag_of(&path).await}), &[b"new"]).await;
    assert_eq!(whole.problem, None);
    let now = std::fs::metadata(&path).unwrap();
    assert_eq!(now.mode() & 0o7777, 0o4751);
    if root {
        assert_eq!((now.uid(), now.gid()), (1234, 4321));
    }
    if has_xattrs {
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.colour", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"blue");
    }

    // Without a tag the page does not know the file, and nothing of it stays.
    replace(&path, json!({}), &[b"newer"]).await;
    let now = std::fs::metadata(&path).unwrap();
    assert_eq!(now.mode() & 0o7000, 0);
    assert_eq!(now.uid(), rustix::process::geteuid().as_raw());
}

#[tokio::test]
async fn attributes_that_the_page_asks_for_are_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let own = rustix::process::geteuid().as_raw();
    let attrs = json!({"mode": 0o640, "user": own});
    assert_eq!(
        replace(&path, json!({"attrs": attrs}), &[b"x"])
            .await
            .problem,
        None
    );
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);

    for attrs in
        [json!({"colour": "blue"}), json!({"mode": 0o100_644}), json!({"mode": "x"}), json!(7)]
    {
        let whole = replace(&path, json!({"attrs": attrs}), &[b"y"]).await;
        assert_eq!(whole.problem, Some(Problem::ProtocolError), "{attrs}");
    }
    let whole = replace(&path, json!({"attrs": {"user": "no such user"}}), &[b"y"]).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
    assert_eq!(std::fs::read(&path).unwrap(), b"x");
}

#[tokio::test]
async fn a_size_is_taken_before_ready_and_what_is_not_used_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut page = Page::new().await;
    page.open(json!({"payload": "fsreplace1", "path": path, "size": 1 << 20}))
        .await;
    page.ready().await;
    let taken = names(folder.path());
    assert_eq!(taken.len(), 1);
    assert_eq!(
        std::fs::metadata(folder.path().join(&taken[0]))
            .unwrap()
            .len(),
        1 << 20
    );

    page.data(b"short").await;
    page.done().await;
    assert_eq!(page.rest().await.problem, None);
    assert_eq!(std::fs::read(&path).unwrap(), b"short");
}

#[tokio::test]
async fn a_size_without_data_still_deletes_and_one_that_cannot_be_had_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();
    let whole = replace(&path, json!({"size": 1_u64 << 60}), &[]).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
    assert_eq!(whole.ready, None);
    assert_eq!(names(folder.path()), ["file"]);

    assert_eq!(replace(&path, json!({"size": 0}), &[]).await.problem, None);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_channel_that_is_closed_before_done_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();
    let mut page = Page::new().await;
    page.open(json!({"payload": "fsreplace1", "path": path, "send-acks": "bytes"}))
        .await;
    page.ready().await;
    page.data(b"new").await;
    assert_eq!(page.next().await, crate::page::Seen::Ack(3));
    assert_eq!(names(folder.path()).len(), 2);

    page.close().await;
    while names(folder.path()).len() == 2 {
        page.round_trip().await;
    }
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[tokio::test]
async fn a_link_is_replaced_and_what_it_led_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    let link = folder.path().join("link");
    std::fs::write(&victim, "old").unwrap();
    std::os::unix::fs::symlink("victim", &link).unwrap();

    let whole = replace(&link, json!({}), &[b"new"]).await;
    assert_eq!(whole.problem, None);
    assert_eq!(std::fs::read(&victim).unwrap(), b"old");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_file());

    // A link that leads nowhere is something, and "-" says that there is nothing.
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    let whole = replace(&dangling, json!({"tag": "-"}), &[b"new"]).await;
    assert_eq!(whole.problem, Some(Problem::ChangeConflict));
}

#[tokio::test]
async fn a_folder_that_turns_into_a_link_meanwhile_leads_nowhere_else() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::create_dir(at("victim")).unwrap();
    for before_data in [true, false] {
        let mut page = Page::new().await;
        page.open(
            json!({"payload": "fsreplace1", "path": at("folder/file"), "send-acks": "bytes"}),
        )
        .await;
        page.ready().await;
        if !before_data {
            page.data(b"new").await;
            assert_eq!(page.next().await, crate::page::Seen::Ack(3));
        }
        std::fs::rename(at("folder"), at("moved")).unwrap();
        std::os::unix::fs::symlink("victim", at("folder")).unwrap();
        page.data(b"new").await;
        page.done().await;
        assert_eq!(page.rest().await.problem, None);

        assert_eq!(names(&at("victim")), [""; 0]);
        assert_eq!(names(&at("moved")), ["file"]);
        std::fs::remove_file(at("folder")).unwrap();
        std::fs::rename(at("moved"), at("folder")).unwrap();
    }
}

#[tokio::test]
async fn paths_that_name_no_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["", "/", "..", "/tmp/", "/tmp/.."] {
        let whole = replace(Path::new(path), json!({}), &[b"x"]).await;
        assert_eq!(whole.problem, Some(Problem::ProtocolError), "{path}");
    }
    let lost = folder.path().join("no/such/folder");
    assert_eq!(replace(&lost, json!({}), &[b"x"]).await.problem, Some(Problem::NotFound));
    let whole = replace(folder.path(), json!({}), &[b"x"]).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
    let whole = replace(folder.path(), json!({}), &[]).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
    assert!(folder.path().exists());
}

#[tokio::test]
async fn a_big_upload_arrives_and_every_byte_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let content: Vec<u8> = (0u32..1 << 20).flat_map(u32::to_le_bytes).collect();
    let pieces: Vec<&[u8]> = content.chunks(100_000).collect();
    let whole = replace(&path, json!({"send-acks": "bytes", "size": content.len()}), &pieces).await;
    assert_eq!(whole.problem, None);
    assert_eq!(whole.acks, content.len() as u64);
    assert!(std::fs::read(&path).unwrap() == content);
}
