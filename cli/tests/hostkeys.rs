//! `pilothouse hostkeys` as a person and a script use it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const ONE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const TWO: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIE5dw6ofRdfVmFdhORcT1DjSTyOzutJQjXxiUQPdxm0";

struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap_or_default()
    }

    #[expect(clippy::disallowed_methods, reason = "the program is what is tested")]
    fn runs(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
            .arg("hostkeys")
            .arg("--known-hosts")
            .arg(self.file())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _not_read = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.runs(arguments, "");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }
}

#[test]
fn a_key_is_added_shown_exported_and_removed() {
    let user = User::new();

    assert_eq!(user.says(&["show", "web1:2222"]).0, Some(1));
    assert_eq!(user.says(&["add", "web1:2222", "--key", ONE]).0, Some(0));
    assert_eq!(user.text(), format!("[web1]:2222 {ONE}\n"));

    let (status, table) = user.says(&["show", "web1:2222"]);
    assert_eq!(status, Some(0));
    assert!(table.starts_with("HOST ") && table.contains("SHA256:"), "{table}");
    assert_eq!(user.says(&["export"]).1, user.text());

    let (status, refusal) = user.says(&["remove", "web1:2222"]);
    assert_eq!(status, Some(1));
    assert!(refusal.contains("--yes"), "{refusal}");
    assert_eq!(user.says(&["remove", "web1:2222", "--yes"]).0, Some(0));
    assert_eq!(user.text(), "");
    assert_eq!(user.says(&["remove", "web1:2222", "--yes"]).0, Some(1));
}

#[test]
fn a_key_is_read_from_a_file_or_from_standard_input() {
    let user = User::new();

    let output = user.runs(&["add", "web1", "--file", "-"], &format!("{ONE} root@web1\n"));

    assert!(output.status.success(), "{output:?}");
    assert_eq!(user.text(), format!("web1 {ONE}\n"));
}

#[test]
fn import_takes_what_is_not_there_yet_or_nothing() {
    let user = User::new();
    let lines = format!("# a comment\nweb1 {ONE}\n@revoked * {TWO}\nweb1 {ONE}\n");

    assert!(user.runs(&["import", "-"], &lines).status.success());
    let imported = format!("web1 {ONE}\n@revoked * {TWO}\n");
    assert_eq!(user.text(), imported);
    assert!(user.runs(&["import", "-"], &lines).status.success());
    assert_eq!(user.text(), imported);

    let refused = user.runs(&["import", "-"], &format!("web2 {ONE}\nweb3 ssh-ed25519 AAAA\n"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2"), "{refused:?}");
    assert_eq!(user.text(), imported);
}

#[test]
fn lists_show_damage_and_nothing_that_a_terminal_obeys() {
    let user = User::new();
    std::fs::write(user.file(), format!("web1 {ONE} \u{1b}[31mred\nweb2 ssh-rsa AAAA\n")).unwrap();

    let (status, table) = user.says(&["list", "--user"]);
    assert_eq!(status, Some(0));
    assert!(table.contains("damaged") && table.contains("[31mred"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table:?}");

    let (_, json) = user.says(&["list", "--user", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed[0]["kind"], "ssh-ed25519");
    assert_eq!(listed[1]["damage"], "the key is cut off or malformed");
}

#[test]
fn names_and_keys_that_are_none_are_mistakes_in_the_arguments() {
    let user = User::new();

    for arguments in [
        &["show", "-oProxyCommand=x"][..],
        &["show", "web1;id"],
        &["add", "web1", "--key", "ssh-ed25519 AAAA"],
        &["add", "web1"],
        &["add", "web1", "--key", ONE, "--fingerprint", "SHA256:x"],
    ] {
        assert_eq!(user.says(arguments).0, Some(64), "{arguments:?}");
    }
    assert!(!user.file().exists());
}

#[test]
fn a_scan_that_reaches_nobody_says_so() {
    let user = User::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = closed.local_addr().unwrap().to_string();
    drop(closed);

    let (status, text) = user.says(&["scan", &place]);

    assert_eq!(status, Some(1));
    assert!(text.contains("cannot be reached"), "{text}");
}
