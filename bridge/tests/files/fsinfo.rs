//! `fsinfo` on real files and folders.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use protocol::problem::Problem;
use serde_json::{Value, json};

use crate::page::{Page, Seen, merge};

async fn info(options: Value) -> Value {
    let mut open = options;
    open["payload"] = "fsinfo".into();
    let whole = Page::whole(open).await;
    assert_eq!(whole.problem, None, "{whole:?}");
    assert!(whole.done);
    let mut state = Value::Null;
    for patch in whole.json() {
        merge(&mut state, &patch);
    }
    state
}

#[tokio::test]
async fn all_attributes_of_a_file_are_what_stat_says() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "12345").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let attrs = json!([
        "type",
        "mode",
        "uid",
        "user",
        "gid",
        "group",
        "size",
        "mtime",
        "tag",
        "target",
        "r-ok",
        "w-ok",
        "x-ok",
        "entries",
        "no-such-attribute",
    ]);
    let state = info(json!({"path": file.path(), "attrs": attrs})).await;
    let stat = file.path().metadata().unwrap();
    let info = state["info"].as_object().unwrap();
    assert_eq!(info["type"], "reg");
    assert_eq!(info["mode"], 0o640);
    assert_eq!(info["uid"], stat.uid());
    assert_eq!(info["gid"], stat.gid());
    assert_eq!(info["size"], 5);
    assert!(
        info["mtime"]
            .to_string()
            .starts_with(&format!("{}.", stat.mtime()))
    );
    assert!(info["tag"].as_str().unwrap().starts_with("1:"));
    assert_eq!(
        (&info["r-ok"], &info["w-ok"], &info["x-ok"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert!(!info.contains_key("target") && !info.contains_key("entries"));
    if stat.uid() == 0 {
        assert_eq!(info["user"], "root");
    }
    assert!(state.get("partial").is_none());
}

#[tokio::test]
async fn errors_are_part_of_the_state() {
    for (path, problem, errno) in [
        ("/nonexistent", "not-found", "ENOENT"),
        ("/etc/passwd/x", "not-directory", "ENOTDIR"),
        ("/etc/passwd/", "not-directory", "ENOTDIR"),
    ] {
        for watch in [false, true] {
            let mut page = Page::new().await;
            page.open(
                json!({"payload": "fsinfo", "path": path, "attrs": ["type"], "watch": watch}),
            )
            .await;
            page.ready().await;
            let error = page.json().await["error"].clone();
            assert_eq!(error["problem"], problem);
            assert_eq!(error["errno"], errno);
            assert!(!error["message"].as_str().unwrap().contains("os error"));
        }
    }
}

#[tokio::test]
async fn contradictions_are_the_pages_fault() {
    for options in [
        json!({"path": "relative", "attrs": []}),
        json!({"path": "/", "attrs": [], "follow": false, "watch": true}),
        json!({"path": "/", "attrs": ["targets"], "follow": false}),
        json!({"path": "/"}),
        json!({"attrs": []}),
        json!({"path": "/", "attrs": [7]}),
    ] {
        let mut open = options.clone();
        open["payload"] = "fsinfo".into();
        let whole = Page::whole(open).await;
        assert_eq!(whole.problem, Some(Problem::ProtocolError), "{options}");
        assert_eq!(whole.ready, None);
    }
}

#[tokio::test]
async fn a_folder_is_told_with_its_entries_and_with_what_links_lead_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file.txt"), "x").unwrap();
    std::fs::write(at("other"), "xy").unwrap();
    std::os::unix::fs::symlink("file.txt", at("near.txt")).unwrap();
    std::os::unix::fs::symlink("other", at("other.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("far.txt")).unwrap();
    std::os::unix::fs::symlink("/nonexistent", at("lost.txt")).unwrap();
    let attrs = json!(["type", "size", "target", "entries", "targets"]);

    let state = info(json!({"path": folder.path(), "attrs": attrs, "fnmatch": "*.txt"})).await;
    let info = &state["info"];
    assert_eq!(info["type"], "dir");
    let entries = info["entries"].as_object().unwrap();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries["file.txt"], json!({"type": "reg", "size": 1}));
    assert_eq!(entries["near.txt"]["target"], "file.txt");
    assert_eq!(entries["near.txt"]["type"], "lnk");
    let targets = info["targets"].as_object().unwrap();
    assert_eq!(targets["other"], json!({"type": "reg", "size": 2}));
    assert_eq!(targets["/etc/passwd"]["type"], "reg");
    assert_eq!(targets.len(), 2, "{targets:?}");
    assert!(state.get("partial").is_none());
}

#[tokio::test]
async fn a_link_is_followed_unless_the_page_says_no() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    let attrs = json!(["type", "target"]);
    let state = info(json!({"path": link, "attrs": attrs})).await;
    assert_eq!(state["info"], json!({"type": "dir"}));
    let state = info(json!({"path": link, "attrs": attrs, "follow": false})).await;
    assert_eq!(state["info"], json!({"type": "lnk", "target": "/etc"}));
}

#[tokio::test]
async fn ten_thousand_entries_come_in_a_few_patches() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        std::fs::write(folder.path().join(format!("file-{number}")), "").unwrap();
    }
    let attrs =
        ["type", "mode", "user", "group", "size", "mtime", "tag", "entries", "targets", "target"];
    let open = json!({"payload": "fsinfo", "path": folder.path(), "attrs": attrs});
    let whole = Page::whole(open).await;
    let mut state = Value::Null;
    for patch in whole.json() {
        merge(&mut state, &patch);
    }
    assert_eq!(state["info"]["entries"].as_object().unwrap().len(), 10_000);
    assert!(whole.frames.len() < 60, "{}", whole.frames.len());
    assert!(whole.frames.iter().all(|frame| frame.len() <= 64 << 10));
}

/// A page that watches, and its state.
struct Watcher {
    page: Page,
    state: Value,
}

impl Watcher {
    async fn new(path: &Path, attrs: &[&str]) -> Self {
        let mut page = Page::new().await;
        page.open(json!({"payload": "fsinfo", "path": path, "attrs": attrs, "watch": true}))
            .await;
        page.ready().await;
        Self { page, state: Value::Null }
    }

    /// Takes patches until the state is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) {
        loop {
            let patch = self.page.json().await;
            merge(&mut self.state, &patch);
            if self.state.get("partial").is_none() && wanted(&self.state) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_watched_folder_is_told_as_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("one"), "1").unwrap();
    let attrs = ["type", "size", "target", "mtime", "entries", "targets"];
    let mut watcher = Watcher::new(folder.path(), &attrs).await;
    watcher
        .until(|state| state["info"]["entries"]["one"]["size"] == 1)
        .await;

    std::fs::write(at("one"), "123").unwrap();
    std::fs::write(at("two"), "").unwrap();
    watcher
        .until(|state| state["info"]["entries"]["one"]["size"] == 3)
        .await;
    watcher.page.round_trip().await;
    std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
    watcher
        .until(|state| state["info"]["targets"]["/etc/passwd"]["type"] == "reg")
        .await;
    std::fs::remove_file(at("link")).unwrap();
    std::fs::remove_file(at("two")).unwrap();
    watcher
        .until(|state| {
            let entries = state["info"]["entries"].as_object().unwrap();
            entries.len() == 1 && state["info"]["targets"] == json!({})
        })
        .await;
}

#[tokio::test]
async fn a_file_that_turns_into_a_link_loses_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("x", at("entry")).unwrap();
    let mut watcher = Watcher::new(folder.path(), &["type", "target", "entries"]).await;
    watcher
        .until(|state| state["info"]["entries"]["entry"]["target"] == "x")
        .await;
    std::fs::write(at("new"), "").unwrap();
    std::fs::rename(at("new"), at("entry")).unwrap();
    watcher
        .until(|state| state["info"]["entries"]["entry"] == json!({"type": "reg"}))
        .await;
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_told_from_the_beginning() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    let mut watcher = Watcher::new(&at("folder"), &["type", "entries"]).await;
    watcher
        .until(|state| state["error"]["problem"] == "not-found")
        .await;

    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("folder").join("old"), "").unwrap();
    watcher
        .until(|state| state["info"]["entries"]["old"]["type"] == "reg")
        .await;
    assert!(watcher.state.get("error").is_none());

    std::fs::create_dir(at("other")).unwrap();
    std::fs::write(at("other").join("new"), "").unwrap();
    std::fs::rename(at("folder"), at("gone")).unwrap();
    std::fs::rename(at("other"), at("folder")).unwrap();
    watcher
        .until(|state| state["info"]["entries"] == json!({"new": {"type": "reg"}}))
        .await;

    std::fs::remove_dir_all(at("folder")).unwrap();
    watcher
        .until(|state| state["error"]["problem"] == "not-found")
        .await;
    assert!(watcher.state.get("info").is_none());
}

#[tokio::test]
async fn many_changes_become_few_patches() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut watcher = Watcher::new(file.path(), &["size"]).await;
    watcher.until(|state| state["info"]["size"] == 0).await;
    for size in 1..=1000 {
        file.as_file().set_len(size).unwrap();
    }
    let mut patches = 0;
    while watcher.state["info"]["size"] != 1000 {
        match watcher.page.next().await {
            Seen::Data(patch) => {
                merge(&mut watcher.state, &serde_json::from_slice(&patch).unwrap());
                patches += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(patches < 20, "{patches}");
}
