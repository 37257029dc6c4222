//! The build of `web/`: embedded files, or a folder while developing.
//!
//! `assets/NAME-HASH.EXT` never change and are kept by browsers for ever; everything else is asked for again by its
//! entity tag. A file may have twins `.br` and `.gz`, made by the build; nothing is compressed here. `entries.json` says
//! how the entry files are named in this build. Callers: `routes`, `pages`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use rust_embed::RustEmbed;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::config::Config;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
#[allow_missing = true]
struct Embedded;

/// Largest file of the interface, in bytes; all of it together is below 1 MiB.
const MOST: u64 = 16 << 20;

/// The interface's files.
#[derive(Debug)]
pub(crate) struct Assets(Source);

#[derive(Debug)]
enum Source {
    /// Read once.
    Embedded { files: HashMap<String, Arc<File>>, entries: Option<Entries> },
    /// Read at each request.
    Folder(PathBuf),
}

/// Addresses of this build's entry files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entries {
    #[serde(rename = "shell.js")]
    pub(crate) shell_script: String,
    #[serde(rename = "shell.css")]
    pub(crate) shell_style: String,
    #[serde(rename = "login.css")]
    pub(crate) login_style: String,
}

/// There is no interface to serve.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The binary was built without it.
    #[error(
        "the web interface is not built into this binary; run `make web` and build again, or set web-dir"
    )]
    NotBuiltIn,
    /// The folder of the setting `web-dir` does not hold it.
    #[error("web-dir {}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// One file in all its codings.
#[derive(Debug)]
pub(crate) struct File {
    content_type: HeaderValue,
    plain: Coded,
    brotli: Option<Coded>,
    gzip: Option<Coded>,
}

#[derive(Debug)]
struct Coded {
    bytes: Bytes,
    tag: HeaderValue,
}

/// How long a browser may keep a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Its name holds its checksum.
    ForEver,
    /// Until it has asked whether it changed.
    Revalidate,
}

impl Assets {
    pub(crate) fn new(config: &Config) -> Self {
        Self(match &config.web_dir {
            Some(folder) => Source::Folder(folder.clone()),
            None => embedded(),
        })
    }

    /// Whether there is an interface at all; asked once at start.
    pub(crate) fn check(&self) -> Result<(), AssetError> {
        self.entries().map(|_| ())
    }

    pub(crate) fn entries(&self) -> Result<Entries, AssetError> {
        match &self.0 {
            Source::Embedded { entries, .. } => entries.clone().ok_or(AssetError::NotBuiltIn),
            Source::Folder(path) => {
                let wrong = |reason: String| AssetError::Folder { path: path.clone(), reason };
                let content = read(&path.join("entries.json"));
                let content = content.ok_or_else(|| wrong("has no entries.json".to_owned()))?;
                serde_json::from_slice(&content)
                    .map_err(|error| wrong(format!("entries.json: {error}")))
            }
        }
    }

    /// The file at `path` below the build's root; `path` comes from an address and is checked here.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<File>> {
        if !is_plain_path(path) {
            return None;
        }
        match &self.0 {
            Source::Embedded { files, .. } => files.get(path).cloned(),
            Source::Folder(folder) => {
                let twin =
                    |ending: &str| read(&folder.join(format!("{path}{ending}"))).map(Bytes::from);
                File::new(path, twin("")?, twin(".br"), twin(".gz")).map(Arc::new)
            }
        }
    }
}

impl File {
    pub(crate) fn new(
        path: &str,
        plain: Bytes,
        brotli: Option<Bytes>,
        gzip: Option<Bytes>,
    ) -> Option<Self> {
        let digest = hex(Sha256::digest(&plain).get(..12)?);
        let coded = |bytes: Bytes, coding: &str| {
            let tag = HeaderValue::from_str(&format!("\"{digest}{coding}\"")).ok()?;
            Some(Coded { bytes, tag })
        };
        Some(Self {
            content_type: HeaderValue::from_static(content_type(path)),
            plain: coded(plain, "")?,
            brotli: brotli.and_then(|bytes| coded(bytes, "-br")),
            gzip: gzip.and_then(|bytes| coded(bytes, "-gz")),
        })
    }

    /// The answer to a `GET` with these request headers.
    pub(crate) fn answer(&self, request: &HeaderMap, keep: Keep) -> Response<Body> {
        let (coded, coding) = self.choose(request);
        let same = request
            .get(header::IF_NONE_MATCH)
            .and_then(|tags| tags.to_str().ok())
            .is_some_and(|tags| names_tag(tags, &coded.tag));
        let mut response =
            Response::new(if same { Body::empty() } else { Body::from(coded.bytes.clone()) });
        let headers = response.headers_mut();
        headers.insert(header::ETAG, coded.tag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(match keep {
                Keep::ForEver => "public, max-age=31536000, immutable",
                Keep::Revalidate => "no-cache",
            }),
        );
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }

    fn choose(&self, request: &HeaderMap) -> (&Coded, Option<&'static str>) {
        let accepted = request
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok());
        let accepted = accepted.unwrap_or_default();
        match (&self.brotli, &self.gzip) {
            (Some(coded), _) if accepts(accepted, "br") => (coded, Some("br")),
            (_, Some(coded)) if accepts(accepted, "gzip") => (coded, Some("gzip")),
            _ => (&self.plain, None),
        }
    }
}

/// RFC 9110, 12.5.3: the coding is named, and its weight is not zero.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let mut parts = item.split(';');
        let named = parts
            .next()
            .is_some_and(|name| name.trim().eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| {
            let part = part.trim().strip_prefix("q=").unwrap_or("1");
            part.bytes().all(|byte| matches!(byte, b'0' | b'.'))
        });
        named && !refused
    })
}

/// RFC 9110, 13.1.2: weak comparison.
fn names_tag(tags: &str, tag: &HeaderValue) -> bool {
    tags.split(',').map(str::trim).any(|item| {
        item == "*" || item.strip_prefix("W/").unwrap_or(item).as_bytes() == tag.as_bytes()
    })
}

fn embedded() -> Source {
    let content = |path: &str| Embedded::get(path).map(|file| bytes_of(file.data));
    let is_twin = |path: &str| matches!(path.rsplit('.').next(), Some("br" | "gz"));
    let mut files = HashMap::new();
    for path in Embedded::iter().filter(|path| !is_twin(path)) {
        let twin = |ending: &str| content(&format!("{path}{ending}"));
        let file =
            content(&path).and_then(|plain| File::new(&path, plain, twin(".br"), twin(".gz")));
        if let Some(file) = file {
            files.insert(path.into_owned(), Arc::new(file));
        }
    }
    let entries = content("entries.json").and_then(|content| serde_json::from_slice(&content).ok());
    Source::Embedded { files, entries }
}

fn bytes_of(data: std::borrow::Cow<'static, [u8]>) -> Bytes {
    match data {
        std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => Bytes::from(data),
    }
}

/// Names of letters, digits, `-`, `_` and `.` that do not begin with a dot, joined by single slashes.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits);
    path.len() <= 255 && path.split('/').all(name)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(MOST)
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Assets) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        let write =
            |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
        write("assets/shell-1.js", "plain");
        write("assets/shell-1.js.br", "brotli");
        write("assets/shell-1.js.gz", "gzip");
        write("assets/other.css", "css");
        write(
            "entries.json",
            r#"{"shell.js":"shell-1.js","shell.css":"s.css","login.css":"l.css"}"#,
        );
        let config = Config { web_dir: Some(folder.path().to_owned()), ..Config::default() };
        (folder, Assets::new(&config))
    }

    fn ask(accept: &str, tag: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        if let Some(tag) = tag {
            headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        headers
    }

    #[test]
    fn the_coding_is_the_best_that_the_browser_accepts() {
        let (_folder, assets) = folder();
        let file = assets.find("assets/shell-1.js").unwrap();
        let coding = |accept: &str| {
            let response = file.answer(&ask(accept, None), Keep::ForEver);
            response
                .headers()
                .get(header::CONTENT_ENCODING)
                .map(|coding| coding.to_str().unwrap().to_owned())
        };

        assert_eq!(coding("gzip, deflate, br").as_deref(), Some("br"));
        assert_eq!(coding("gzip, br;q=0").as_deref(), Some("gzip"));
        assert_eq!(coding("br;q=0.0, gzip;q=0").as_deref(), None);
        assert_eq!(coding("identity"), None);
    }

    #[test]
    fn a_known_tag_is_answered_with_304_and_each_coding_has_its_own() {
        let (_folder, assets) = folder();
        let file = assets.find("assets/shell-1.js").unwrap();
        let first = file.answer(&ask("br", None), Keep::ForEver);
        let tag = first.headers().get(header::ETAG).unwrap();

        assert_eq!(file.answer(&ask("br", Some(tag)), Keep::ForEver).status(), 304);
        assert_eq!(file.answer(&ask("gzip", Some(tag)), Keep::ForEver).status(), 200);
    }

    #[test]
    fn a_path_out_of_the_folder_is_not_found() {
        let (_folder, assets) = folder();
        for path in [
            "../entries.json",
            "/etc/passwd",
            "assets//shell-1.js",
            "assets/..",
            ".",
            "",
            "assets/%2e",
        ] {
            assert!(assets.find(path).is_none(), "{path}");
        }
        assert!(assets.find("assets/other.css").is_some());
    }

    #[test]
    fn a_folder_without_a_build_is_named() {
        let config = Config { web_dir: Some("/nonexistent".into()), ..Config::default() };

        let error = Assets::new(&config).check().unwrap_err();

        assert_eq!(error.to_string(), "web-dir /nonexistent: has no entries.json");
    }
}
