//! `fslist1` on real folders.

use std::collections::HashMap;

use protocol::problem::Problem;
use serde_json::json;

use crate::page::{Page, Seen};

#[tokio::test]
async fn every_entry_is_present_with_its_type_and_ready_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file \"ä\""), "").unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("/", at("link")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();

    let mut page = Page::new().await;
    page.open(json!({"payload": "fslist1", "path": folder.path(), "watch": false}))
        .await;
    let mut seen = HashMap::new();
    let fields = loop {
        match page.next().await {
            Seen::Data(data) => {
                let entry: serde_json::Value = serde_json::from_slice(&data).unwrap();
                assert_eq!(entry["event"], "present");
                let name = entry["path"].as_str().unwrap().to_owned();
                seen.insert(name, entry["type"].as_str().unwrap().to_owned());
            }
            Seen::Ready(fields) => break fields,
            other => panic!("{other:?}"),
        }
    };
    assert!(fields.is_empty());
    let wanted =
        [("file \"ä\"", "file"), ("folder", "directory"), ("link", "link"), ("pipe", "special")];
    assert_eq!(seen, HashMap::from(wanted.map(|(name, kind)| (name.to_owned(), kind.to_owned()))));
    let rest = page.rest().await;
    assert!(rest.done);
    assert_eq!(rest.problem, None);
}

#[tokio::test]
async fn errors_have_their_codes() {
    let list =
        |path: &str| Page::whole(json!({"payload": "fslist1", "path": path, "watch": false}));
    assert_eq!(list("/nonexistent").await.problem, Some(Problem::NotFound));
    assert_eq!(list("/etc/passwd").await.problem, Some(Problem::InternalError));
    if !rustix::process::geteuid().is_root() {
        assert_eq!(list("/root").await.problem, Some(Problem::AccessDenied));
    }
}

#[tokio::test]
async fn changes_follow_the_list_until_the_folder_is_gone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let mut page = Page::new().await;
    page.open(json!({"payload": "fslist1", "path": folder}))
        .await;
    page.ready().await;

    std::fs::write(folder.join("new"), "").unwrap();
    let created = page.json().await;
    assert_eq!((&created["event"], &created["type"]), (&json!("created"), &json!("file")));
    assert_eq!(page.json().await["event"], "done-hint");
    std::fs::remove_file(folder.join("new")).unwrap();
    assert_eq!(page.json().await["event"], "deleted");
    std::fs::remove_dir(&folder).unwrap();
    assert_eq!(page.rest().await.problem, Some(Problem::NotFound));
}

#[tokio::test]
async fn ten_thousand_entries_come_once_each() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        std::fs::write(folder.path().join(format!("file-{number}")), "").unwrap();
    }
    let options =
        json!({"payload": "fslist1", "path": folder.path(), "watch": false, "flow-control": true});
    let whole = Page::whole(options).await;
    let names: std::collections::HashSet<String> = whole
        .json()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((whole.frames.len(), names.len()), (10_000, 10_000));
}
