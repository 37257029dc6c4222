//! `fswatch1` with real inotify.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::page::Page;

async fn watch(path: &Path) -> Page {
    let mut page = Page::new().await;
    page.open(json!({"payload": "fswatch1", "path": path}))
        .await;
    page.ready().await;
    page
}

/// The next message of this kind; those on the way to it are passed over.
async fn event(page: &mut Page, kind: &str) -> Value {
    loop {
        let message = page.json().await;
        if message["event"] == kind {
            return message;
        }
    }
}

#[tokio::test]
async fn a_file_is_seen_to_come_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut page = watch(&path).await;

    std::fs::write(&path, "one").unwrap();
    let created = page.json().await;
    assert_eq!(created["event"], "created");
    assert_eq!(created["type"], "file");
    assert_eq!(created["path"], path.to_str().unwrap());
    assert!(created["tag"].as_str().unwrap().starts_with("1:"));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let changed = event(&mut page, "attribute-changed").await;
    assert_ne!(changed["tag"], created["tag"]);
    std::fs::write(&path, "two").unwrap();
    assert_ne!(event(&mut page, "changed").await["tag"], changed["tag"]);
    event(&mut page, "done-hint").await;

    std::fs::remove_file(&path).unwrap();
    let gone = event(&mut page, "deleted").await;
    assert_eq!(gone["tag"], "-");
}

#[tokio::test]
async fn there_is_no_event_for_what_was_there_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "one").unwrap();
    let mut page = watch(&path).await;

    std::fs::remove_file(&path).unwrap();
    assert_eq!(page.json().await["event"], "deleted");
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_rename_is_seen_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let other = folder.path().join("other");
    std::fs::write(&path, "0").unwrap();
    let mut page = watch(&path).await;
    for round in 1..4 {
        std::fs::write(&other, round.to_string()).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(page.json().await["event"], "created");
    }
}

#[tokio::test]
async fn folders_above_may_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/file");
    let mut page = watch(&path).await;
    for _ in 0..2 {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        event(&mut page, "created").await;
        std::fs::remove_dir_all(folder.path().join("a")).unwrap();
        event(&mut page, "deleted").await;
    }
    let elsewhere = folder.path().join("c");
    std::fs::create_dir_all(elsewhere.join("b")).unwrap();
    std::fs::write(elsewhere.join("b/file"), "x").unwrap();
    std::fs::rename(&elsewhere, folder.path().join("a")).unwrap();
    event(&mut page, "created").await;
}

#[tokio::test]
async fn what_happens_in_a_folder_is_told_with_whole_paths() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = watch(folder.path()).await;
    let file = folder.path().join("file");
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    let created = event(&mut page, "created").await;
    assert_eq!(created["type"], "directory");
    std::fs::write(&file, "x").unwrap();
    assert_eq!(event(&mut page, "created").await["path"], file.to_str().unwrap());
    event(&mut page, "done-hint").await;
    std::fs::rename(&file, folder.path().join("new")).unwrap();
    assert_eq!(event(&mut page, "deleted").await["tag"], "-");
    event(&mut page, "created").await;
}

#[tokio::test]
async fn a_file_behind_a_link_is_watched_too() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    let link = folder.path().join("link");
    std::fs::write(&real, "x").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut page = watch(&link).await;
    std::fs::write(&real, "longer").unwrap();
    assert_eq!(event(&mut page, "done-hint").await["path"], link.to_str().unwrap());
}
