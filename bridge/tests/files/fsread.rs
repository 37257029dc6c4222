//! `fsread1` on real files.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use protocol::problem::Problem;
use serde_json::json;

use crate::page::{Page, Seen, Whole, text};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

async fn read(path: &std::path::Path) -> Whole {
    Page::whole(json!({"payload": "fsread1", "path": path, "binary": "raw"})).await
}

#[tokio::test]
async fn a_binary_file_comes_whole_with_its_size_and_tag() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"a\0b\xff").unwrap();

    let whole = read(&path).await;
    assert_eq!(whole.ready.unwrap().get("size-hint"), Some(&json!(4)));
    assert_eq!(whole.frames.concat(), b"a\0b\xff");
    assert_eq!(whole.problem, None);
    assert!(whole.done);
    let tag = text(&whole.close, "tag").to_owned();
    assert!(tag.len() > 10);
    assert_eq!(read(&path).await.close.get("tag"), Some(&json!(tag)));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(text(&read(&path).await.close, "tag"), tag);
}

#[tokio::test]
async fn text_loses_nul_and_invalid_bytes_and_has_no_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"a\0b\xffc\xc3\xa4\xe2\x82").unwrap();

    let whole = Page::whole(json!({"payload": "fsread1", "path": path})).await;
    assert_eq!(whole.ready.as_ref().unwrap().get("size-hint"), None);
    assert_eq!(whole.data(), "abcä".as_bytes());
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_no_problem() {
    let whole = read("/nonexistent/file".as_ref()).await;
    assert_eq!(whole.problem, None);
    assert_eq!(text(&whole.close, "tag"), "-");
    assert_eq!(whole.ready, None);
}

#[tokio::test]
async fn an_empty_file_is_no_data() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole = read(file.path()).await;
    assert_eq!(whole.frames.len(), 0);
    assert_eq!(whole.problem, None);
}

#[tokio::test]
async fn a_large_file_needs_leave() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((16 << 20) + 1).unwrap();
    let path = file.path();
    assert_eq!(read(path).await.problem, Some(Problem::TooLarge));

    let options = json!({"payload": "fsread1", "path": path, "max_read_size": -1, "binary": "raw"});
    assert_eq!(Page::whole(options).await.data().len(), (16 << 20) + 1);

    let options = json!({"payload": "fsread1", "path": path, "max_read_size": 100});
    assert_eq!(Page::whole(options).await.problem, Some(Problem::TooLarge));
}

#[tokio::test]
async fn a_file_that_claims_to_be_empty_is_counted_while_it_is_read() {
    let whole = read("/proc/self/status".as_ref()).await;
    assert_eq!(whole.problem, None);
    assert!(whole.data().starts_with(b"Name:"));

    let options = json!({"payload": "fsread1", "path": "/proc/self/status", "max_read_size": 10});
    let whole = Page::whole(options).await;
    assert_eq!(whole.problem, Some(Problem::TooLarge));
    assert_eq!(whole.data(), b"");

    let whole = read("/dev/zero".as_ref()).await;
    assert_eq!(whole.problem, Some(Problem::TooLarge));
    assert_eq!(read("/dev/null".as_ref()).await.problem, None);
}

#[tokio::test]
async fn folders_are_refused_and_closed_doors_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = read(folder.path()).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
    assert!(text(&whole.close, "message").contains("directory"));
    if !is_root() {
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(read(&path).await.problem, Some(Problem::AccessDenied));
    }
}

#[tokio::test]
async fn a_page_that_names_no_file_hears_so() {
    let whole = Page::whole(json!({"payload": "fsread1"})).await;
    assert_eq!(whole.problem, Some(Problem::ProtocolError));
    let whole = Page::whole(json!({"payload": "fsread1", "path": "/a\0b"})).await;
    assert_eq!(whole.problem, Some(Problem::InternalError));
}

#[tokio::test]
async fn a_pipe_is_read_until_its_writer_is_done_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    let mut page = Page::new().await;
    page.open(json!({"payload": "fsread1", "path": path})).await;
    page.ready().await;

    let mut writer = std::fs::File::options().write(true).open(&path).unwrap();
    writer.write_all(b"one").unwrap();
    assert_eq!(page.next().await, Seen::Data("one".into()));
    drop(writer);
    assert_eq!(page.rest().await.problem, None);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_a_conflict() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; 8 << 20]).unwrap();
    let mut page = Page::new().await;
    page.open(json!({
        "payload": "fsread1", "path": file.path(), "binary": "raw", "flow-control": true,
        "max_read_size": -1,
    }))
    .await;
    page.ready().await;

    // No ping was answered yet, so the bridge stands still within the file.
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    file.write_all(b"more").unwrap();
    file.as_file().set_modified(hour_ago).unwrap();
    let whole = page.rest().await;
    assert_eq!(whole.problem, Some(Problem::ChangeConflict));
    assert_eq!(whole.data().len(), (8 << 20) + 4);
}

#[tokio::test]
async fn a_file_that_grows_beyond_the_limit_is_cut_off() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; 8 << 20]).unwrap();
    let mut page = Page::new().await;
    page.open(json!({
        "payload": "fsread1", "path": file.path(), "binary": "raw", "flow-control": true,
        "max_read_size": 8 << 20,
    }))
    .await;
    page.ready().await;
    file.write_all(b"more").unwrap();
    assert_eq!(page.rest().await.problem, Some(Problem::TooLarge));
}

#[tokio::test]
async fn a_big_file_comes_byte_for_byte_in_order() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0u32..16 << 20).flat_map(u32::to_le_bytes).collect();
    file.write_all(&content).unwrap();
    for flow_control in [true, false] {
        let whole = Page::whole(json!({
            "payload": "fsread1", "path": file.path(), "binary": "raw", "max_read_size": -1,
            "flow-control": flow_control,
        }))
        .await;
        assert!(whole.data() == content);
        assert!(whole.frames.iter().all(|frame| frame.len() <= 64 << 10));
        assert_eq!(whole.problem, None);
    }
}
