//! Packages: looked up in real folders, served by `http-stream1`.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bridge::packages::{Answer, Packages, Place, Places, Request};
use serde_json::{Value, json};

use crate::page::Page;

/// Data directories of a user and of the system, and folders with overrides.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn manifest(&self, package: &str, manifest: &Value) {
        self.write(&format!("{package}/manifest.json"), manifest.to_string());
    }

    fn packages(&self) -> Packages {
        let place = |name: &str| Place { path: self.path(name) };
        Packages::new(Places {
            data: vec![place("home"), place("local"), place("usr")],
            overrides: vec![self.path("etc"), self.path("config")],
            libexec: "/usr/libexec".to_owned(),
        })
    }

    fn manifests(&self) -> Value {
        serde_json::from_str(&self.packages().manifests_json()).unwrap()
    }
}

fn get(packages: &Packages, path: &str) -> Answer {
    packages.answer(&Request { path: path.to_owned(), ..Request::default() })
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_highest_priority_wins_and_then_the_earlier_place() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({"from": "usr"}));
    machine.manifest("local/a", &json!({"from": "local"}));
    machine.manifest("usr/b", &json!({"from": "usr", "priority": 2}));
    machine.manifest("home/b", &json!({"from": "home"}));
    machine.manifest("usr/folder-c", &json!({"from": "usr", "name": "c"}));
    machine.manifest("home/d", &json!({"from": "home", "conditions": [{"path-exists": "/none"}]}));
    machine.manifest("usr/d", &json!({"from": "usr"}));
    machine.manifest("usr/e", &json!({"requires": {"cockpit": "99999"}}));
    std::fs::create_dir(machine.path("usr/empty")).unwrap();

    let manifests = machine.manifests();
    let from = |name: &str| manifests[name]["from"].clone();
    assert_eq!([from("a"), from("b"), from("c"), from("d")], ["local", "usr", "usr", "usr"]);
    assert_eq!(manifests.as_object().unwrap().len(), 4);
}

#[test]
fn a_broken_package_does_not_harm_the_others() {
    let machine = Machine::new();
    machine.manifest("usr/good", &json!({}));
    machine.write("usr/broken/manifest.json", "{ no json");
    machine.write("usr/list/manifest.json", "[]");
    machine.write("usr/bytes/manifest.json", b"{\"a\":\"\xff\"}");
    machine.manifest("usr/evil1", &json!({"name": "../good"}));
    machine.manifest("usr/evil2", &json!({"name": ""}));
    machine.manifest("usr/evil3", &json!({"name": "manifests.js"}));
    machine.write("usr/huge/manifest.json", vec![b' '; 2 << 20]);
    std::fs::create_dir_all(machine.path("usr/folder/manifest.json")).unwrap();
    machine.manifest("usr/patched", &json!({"label": "old"}));
    machine.write("etc/patched.override.json", "{ no json");

    assert_eq!(machine.manifests(), json!({"good": {}, "patched": {"label": "old"}}));
}

#[test]
fn overrides_are_applied_in_order_and_libexecdir_is_filled_in() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({"x": 1, "y": {"z": 1, "w": 1}, "run": "${libexecdir}/tool"}));
    machine.write("usr/a/override.json", r#"{"x": 2, "y": {"z": 2}}"#);
    machine.write("etc/a.override.json", r#"{"x": 3, "y": {"w": null}}"#);
    machine.write("config/a.override.json", r#"{"x": 4, "q": true}"#);
    assert_eq!(
        machine.manifests(),
        json!({"a": {"x": 4, "y": {"z": 2}, "q": true, "run": "/usr/libexec/tool"}})
    );
}

#[test]
fn files_are_found_under_the_names_that_browsers_use() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({}));
    machine.write("usr/a/plain.js", "plain");
    machine.write("usr/a/packed.js.gz", gzip("packed"));
    machine.write("usr/a/small.min.js", "small");
    machine.write("usr/a/both.min.css.gz", gzip("both"));
    machine.write("usr/a/inner/page.html", "<p>");
    machine.write("usr/a/my file.svg", "<svg/>");
    let packages = machine.packages();

    for (path, kind, body) in [
        ("/a/plain.js", "text/javascript", "plain"),
        ("/a/packed.js", "text/javascript", "packed"),
        ("/a/small.js", "text/javascript", "small"),
        ("/a/both.css", "text/css", "both"),
        ("/a/both.min.css?query", "text/css", "both"),
        ("/a/inner/page.html", "text/html", "<p>"),
        ("/a/my%20file.svg", "image/svg+xml", "<svg/>"),
        ("/a/my file.svg", "image/svg+xml", "<svg/>"),
    ] {
        let identity = Request {
            path: path.to_owned(),
            accept_encoding: Some("identity".to_owned()),
            ..Request::default()
        };
        let answer = packages.answer(&identity);
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
        assert!(answer.headers["Content-Type"].starts_with(kind), "{path}");
        assert!(!answer.headers.contains_key("Content-Encoding"));
        assert_eq!(answer.headers["Cache-Control"], "no-cache, no-store");
    }
    let packed = get(&packages, "/a/packed.js");
    assert_eq!(packed.headers["Content-Encoding"], "gzip");
    assert_eq!(packed.body, gzip("packed"));
}

#[test]
fn nothing_outside_a_package_is_ever_sent() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({}));
    machine.manifest("usr/b", &json!({}));
    machine.write("usr/secret.txt", "secret");
    machine.write("usr/a/real.txt", "inside");
    machine.write("usr/a/folder/x.txt", "x");
    symlink(machine.path("usr/secret.txt"), machine.path("usr/a/absolute.txt")).unwrap();
    symlink("../secret.txt", machine.path("usr/a/relative.txt")).unwrap();
    symlink("..", machine.path("usr/a/up")).unwrap();
    symlink("/", machine.path("usr/a/root")).unwrap();
    symlink("real.txt", machine.path("usr/a/link.txt")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, machine.path("usr/a/pipe.txt"), mode).unwrap();
    let packages = machine.packages();

    assert_eq!(get(&packages, "/a/link.txt").body, b"inside");
    for path in [
        "/a/../secret.txt",
        "/a/folder/../../secret.txt",
        "/a/%2e%2e/secret.txt",
        "/a/..%2fsecret.txt",
        "/a/%2e%2e%2fsecret.txt",
        "/a/..%5csecret.txt",
        "/a/%252e%252e/secret.txt",
        "/a/absolute.txt",
        "/a/relative.txt",
        "/a/up/secret.txt",
        "/a/up/b/manifest.json",
        "/a/root/etc/passwd",
        "/a//etc/passwd",
        "/a/./real.txt",
        "/a/real.txt/",
        "/a/real.txt%00.html",
        "/a/real.txt\0",
        "/a/pipe.txt",
        "/a/folder",
        "/a/",
        "/a",
        "/",
        "/secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "//a/real.txt",
        "/nothing/real.txt",
        "/*/real.txt",
        "/$/a/../secret.txt",
        "/$x",
    ] {
        let answer = get(&packages, path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body, b"Not found", "{path}");
    }
    assert_eq!(get(&packages, "a/real.txt").status, 400);
    assert_eq!(get(&packages, "").status, 400);
}

#[test]
fn a_file_that_unpacks_to_too_much_is_refused() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({}));
    machine.write("usr/a/bomb.js.gz", gzip(&" ".repeat(65 << 20)));
    machine.write("usr/a/broken.js.gz", "no gzip");
    let packages = machine.packages();
    for path in ["/a/bomb.js", "/a/broken.js"] {
        let request = Request {
            path: path.to_owned(),
            accept_encoding: Some(String::new()),
            ..Request::default()
        };
        assert_eq!(packages.answer(&request).status, 500, "{path}");
    }
}

#[test]
fn translations_follow_the_browsers_languages_and_are_never_missing() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({}));
    machine.manifest("usr/b", &json!({}));
    machine.write("usr/a/po.de.js.gz", gzip("a de"));
    machine.write("usr/a/po.pt_BR.js", "a pt_BR");
    machine.write("usr/b/po.de.js", "b de");
    machine.write("usr/b/po.manifest.de.js", "menu de");
    let packages = machine.packages();
    let get = |path: &str, languages: &str| {
        let answer = packages.answer(&Request {
            path: path.to_owned(),
            accept_language: languages.to_owned(),
            accept_encoding: Some("identity".to_owned()),
            ..Request::default()
        });
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.headers.contains_key("ETag"));
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!(get("/a/po.js", "de-at"), "a de");
    assert_eq!(get("/a/po.js", "fr, pt-br;q=0.5, de;q=0.2"), "a pt_BR");
    assert_eq!(get("/a/po.js", "en, de;q=0.5"), "");
    assert_eq!(get("/b/po.js", "pt-br"), "");
    assert_eq!(get("/a/po.manifest.js", "de"), "");

    let all = get("/*/po.js", "de");
    assert!(all.contains("a de") && all.contains("b de"));
    let manifests = get("/manifests-i18n.js", "de");
    assert!(manifests.find("menu de").unwrap() < manifests.find("const manifests").unwrap());
}

#[test]
fn manifests_come_as_json_and_as_a_script() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({"label": "line\u{2028}separator"}));
    let packages = machine.packages();
    let answer = get(&packages, "/manifests.json");
    assert_eq!(answer.headers["Content-Type"], "application/json");
    assert_eq!(answer.body, packages.manifests_json().as_bytes());
    let script = String::from_utf8(get(&packages, "/manifests.js").body).unwrap();
    assert!(script.contains(r#"{"a":{"label":"line\u2028separator"}}"#));
}

#[test]
fn pages_get_a_policy_and_other_files_do_not() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({"content-security-policy": "img-src *"}));
    machine.write("usr/a/index.html", "<p>");
    machine.write("usr/a/x.js", "");
    for path in ["usr", "usr/a"] {
        std::fs::set_permissions(machine.path(path), std::fs::Permissions::from_mode(0o755))
            .unwrap();
    }
    let request = |path: &str| Request {
        path: path.to_owned(),
        address: Some(("https".to_owned(), "host:9090".to_owned())),
        ..Request::default()
    };
    let policy = |machine: &Machine| {
        let answer = machine.packages().answer(&request("/a/index.html"));
        answer.headers["Content-Security-Policy"].clone()
    };
    let header = policy(&machine);
    assert!(header.contains("connect-src 'self' wss://host:9090;"));
    assert_eq!(header.contains("img-src *"), rustix::process::geteuid().is_root());
    let answer = machine.packages().answer(&request("/a/x.js"));
    assert!(!answer.headers.contains_key("Content-Security-Policy"));

    // Whoever may write the folder is not root.
    std::fs::set_permissions(machine.path("usr/a"), std::fs::Permissions::from_mode(0o777))
        .unwrap();
    assert!(!policy(&machine).contains("img-src *"));
}

#[test]
fn an_address_with_the_checksum_may_be_kept_until_something_changes() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({}));
    machine.write("usr/a/po.de.js", "de");
    machine.write("usr/a/x.js", "one");
    let packages = machine.packages();
    let checksum = packages.checksum();
    let path = format!("/${checksum}/a/x.js");

    // What was written just now may be written again within the same tick of the clock.
    let kept = |answer: &Answer| answer.headers["Cache-Control"].contains("immutable");
    while !kept(&get(&packages, &path)) {
        packages.reload();
        assert_eq!(packages.checksum(), checksum);
    }
    let answer = get(&packages, &path);
    assert_eq!(answer.body, b"one");
    assert!(answer.headers["Cache-Control"].contains("immutable"));
    let known = Request {
        path: path.clone(),
        if_none_match: Some(answer.headers["ETag"].clone()),
        ..Request::default()
    };
    let again = packages.answer(&known);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let translation = Request {
        path: format!("/${checksum}/a/po.js"),
        accept_language: "de".to_owned(),
        ..Request::default()
    };
    // What depends on the language too is asked for again each time.
    let answer = packages.answer(&translation);
    assert_eq!(
        (answer.body.as_slice(), answer.headers["Cache-Control"].as_str()),
        (&b"de"[..], "private, no-cache")
    );
    let known = Request { if_none_match: Some(answer.headers["ETag"].clone()), ..translation };
    assert_eq!(packages.answer(&known).status, 304);
    let english = Request { accept_language: "en".to_owned(), ..known };
    assert_eq!(packages.answer(&english).status, 200);

    // A document is not kept: its policy may change without it.
    machine.write("usr/a/index.html", "<html>");
    let answer = get(&packages, &format!("/${checksum}/a/index.html"));
    assert_eq!(answer.headers["Cache-Control"], "no-cache, no-store");
    let answer = get(&packages, "/a/index.html");
    assert_eq!(answer.headers["X-Cockpit-Pkg-Checksum"], checksum);
    let manifests = get(&packages, &format!("/${checksum}/manifests.js"));
    assert!(kept(&manifests));
    assert!(!kept(&get(&packages, "/manifests.js")));
    std::fs::remove_file(machine.path("usr/a/index.html")).unwrap();

    // A file that changed after the sum was made is not what the address promises, reloaded or not.
    machine.write("usr/a/x.js", "longer");
    assert_eq!(get(&packages, &path).headers["Cache-Control"], "no-cache, no-store");
    let changes = packages.changes();
    packages.reload_hint();
    assert!(!changes.has_changed().unwrap());
    packages.reload_hint();
    assert!(changes.has_changed().unwrap());
    assert_ne!(packages.checksum(), checksum);
    let answer = get(&packages, &path);
    assert_eq!(
        (answer.body.as_slice(), answer.headers["Cache-Control"].as_str()),
        (&b"longer"[..], "no-cache, no-store")
    );
}

#[test]
fn bridges_are_sorted_by_priority() {
    let machine = Machine::new();
    machine.manifest("usr/a", &json!({"bridges": [{"spawn": ["low"]}]}));
    machine.manifest(
        "usr/b",
        &json!({"priority": 5, "bridges": [{"spawn": ["high"]}, {"spawn": ["next"]}]}),
    );
    let spawned: Vec<Value> = machine
        .packages()
        .bridges()
        .iter()
        .map(|bridge| bridge["spawn"][0].clone())
        .collect();
    assert_eq!(spawned, ["high", "next", "low"]);
}

#[tokio::test]
async fn a_channel_sends_head_and_body() {
    let machine = Machine::new();
    machine.manifest("share/cockpit/a", &json!({}));
    let content = "x".repeat(200_000);
    machine.write("share/cockpit/a/x.js.gz", gzip(&content));
    let share = machine.path("share");
    let variables =
        [("XDG_DATA_DIRS", share.as_path()), ("XDG_DATA_HOME", Path::new("/nonexistent"))];

    for (options, status) in [
        (
            json!({"method": "GET", "path": "/a/x.js", "headers": {"accept-encoding": "identity"}}),
            200,
        ),
        (json!({"method": "GET", "path": "/a/y.js", "headers": {}}), 404),
        (json!({"method": "POST", "path": "/a/x.js"}), 405),
    ] {
        let mut open = options;
        open["payload"] = "http-stream1".into();
        open["internal"] = "packages".into();
        open["binary"] = "raw".into();
        let mut page = Page::of_program(&variables).await;
        page.open(open).await;
        page.done().await;
        let whole = page.rest().await;
        assert_eq!(whole.problem, None);
        assert!(whole.done);
        let head: Value = serde_json::from_slice(&whole.frames[0]).unwrap();
        assert_eq!(head["status"], status);
        assert!(head["reason"].is_string() && head["headers"]["Content-Type"].is_string());
        if status == 200 {
            assert!(whole.frames[1..].concat() == content.as_bytes());
        }
    }
}

#[tokio::test]
async fn http_stream1_serves_packages_only() {
    let open = json!({"payload": "http-stream1", "method": "GET", "path": "/", "unix": "/run/x"});
    let whole = Page::whole(open).await;
    assert_eq!(whole.problem, Some(protocol::problem::Problem::NotSupported));
}
