//! `/cockpit/static/…`: what pages of packages expect from any server of the family: its fonts, and the branding that the
//! distribution or the administrator installed for Cockpit.
//!
//! Everybody may read these. Only what lies in root's own folders is sent, under plain names and up to a size. Callers:
//! `routes`; `external::package` for fonts that a package names beside itself. Text: docs/protocol.md, "HTTP surface".

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use bytes::Bytes;

use crate::assets::{Assets, File, Keep, is_plain_path};

/// Largest file of a branding, in bytes. Logos are below 100 KiB.
const MOST: u64 = 1 << 20;

/// Where a branding is, and what its style sheet may name.
#[derive(Debug, Default)]
pub(crate) struct StaticFiles {
    /// Folders, the first that has a file wins.
    branding: Vec<PathBuf>,
    /// Fields of os-release(5).
    system: Vec<(String, String)>,
}

impl StaticFiles {
    /// Those of this machine.
    pub(crate) fn of_this_machine() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        Self::new(Path::new("/etc"), Path::new("/usr/share"), &text.unwrap_or_default())
    }

    /// The administrator's own comes first, then that of the distribution, of those it is like, and the default.
    fn new(etc: &Path, share: &Path, os_release: &str) -> Self {
        let system = fields(os_release);
        let field = |name: &str| {
            let found = system.iter().find(|(known, _)| known == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let variant = match field("VARIANT_ID") {
            "" => None,
            variant => Some(format!("{}-{variant}", field("ID"))),
        };
        let like = field("ID_LIKE").split_ascii_whitespace();
        let folders: Vec<_> = variant
            .into_iter()
            .chain(std::iter::once(field("ID").to_owned()))
            .chain(like.map(str::to_owned))
            .chain(std::iter::once("default".to_owned()))
            .filter(|name| is_plain_path(name))
            .map(|name| share.join("cockpit/branding").join(name))
            .collect();
        let branding = std::iter::once(etc.join("cockpit/branding"))
            .chain(folders)
            .collect();
        Self { branding, system }
    }

    /// The answer for `path` below `/cockpit/static/`; `None` when there is no such file.
    pub(crate) fn answer(
        &self,
        assets: &Assets,
        path: &str,
        request: &HeaderMap,
    ) -> Option<Response<Body>> {
        let own = assets.find(&format!("static/{path}")).or_else(|| {
            let file = path.strip_prefix("fonts/")?;
            font(assets, file.rsplit('/').next()?)
        });
        match own {
            Some(file) => Some(file.answer(request, Keep::Revalidate)),
            None if path == "branding.css" => Some(sheet(self.style(), request)),
            None => {
                let content = self.read(path)?;
                let file = File::new(path, Bytes::from(content), None, None)?;
                Some(file.answer(request, Keep::Revalidate))
            }
        }
    }

    /// The branding's style sheet with the names of this system filled in; empty without a branding.
    fn style(&self) -> String {
        let content = self.read("branding.css").unwrap_or_default();
        let mut text = String::from_utf8_lossy(&content).into_owned();
        for (name, value) in &self.system {
            text = text.replace(&format!("${{{name}}}"), &css_string(value));
        }
        text
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        if !is_plain_path(path) {
            return None;
        }
        self.branding
            .iter()
            .find_map(|folder| read_file(&folder.join(path)))
    }
}

/// The variable font that stands for each weight of a family, by the name of the weight's own file.
pub(crate) fn font(assets: &Assets, file: &str) -> Option<Arc<File>> {
    let name = file.strip_suffix(".woff2")?;
    let family = ["RedHatText", "RedHatDisplay", "RedHatMono"]
        .into_iter()
        .find(|family| name.starts_with(family))?;
    let slant = if name.ends_with("Italic") { "-Italic" } else { "" };
    assets.find(&format!("static/fonts/{family}VF{slant}.woff2"))
}

fn sheet(text: String, request: &HeaderMap) -> Response<Body> {
    let file = File::new("branding.css", Bytes::from(text), None, None);
    let mut response =
        file.map_or_else(Response::default, |file| file.answer(request, Keep::Revalidate));
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/css; charset=utf-8"));
    response
}

/// A regular file within the limit. Links are followed: distributions link to their logos.
fn read_file(path: &Path) -> Option<Vec<u8>> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MOST + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= MOST).then_some(content)
}

/// `KEY=VALUE` lines of os-release(5); quotes around a value are taken off.
fn fields(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| !name.is_empty() && !name.starts_with('#'))
        .map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
        .collect()
}

/// `text` so that it ends no string of a style sheet (CSS Syntax Level 3, 4.3.5).
fn css_string(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\'' | '\\') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    struct House {
        folder: tempfile::TempDir,
        assets: Assets,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let config = Config { web_dir: Some(folder.path().join("web")), ..Config::default() };
            Self { folder, assets: Assets::new(&config) }
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        fn files(&self, os_release: &str) -> StaticFiles {
            let path = self.folder.path();
            StaticFiles::new(&path.join("etc"), &path.join("share"), os_release)
        }

        async fn get(&self, files: &StaticFiles, path: &str) -> Option<String> {
            let answer = files.answer(&self.assets, path, &HeaderMap::new())?;
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
                .await
                .unwrap();
            Some(String::from_utf8(body.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn every_weight_of_a_font_is_the_variable_one_of_its_family() {
        let house = House::new();
        house.write("web/static/fonts/RedHatTextVF.woff2", "text");
        house.write("web/static/fonts/RedHatTextVF-Italic.woff2", "slanted");
        let files = house.files("");
        for (path, content) in [
            ("fonts/RedHatText-Regular.woff2", Some("text")),
            ("fonts/RedHatText-BoldItalic.woff2", Some("slanted")),
            ("fonts/RedHatText/RedHatTextVF.woff2", Some("text")),
            ("fonts/RedHatText/RedHatTextVF-Italic.woff2", Some("slanted")),
            ("fonts/RedHatMono-Regular.woff2", None),
            ("fonts/Other.woff2", None),
            ("fonts/../../entries.json", None),
        ] {
            assert_eq!(house.get(&files, path).await.as_deref(), content, "{path}");
        }
    }

    #[tokio::test]
    async fn the_administrators_branding_comes_before_the_distributions() {
        let house = House::new();
        house.write("share/cockpit/branding/default/branding.css", "default");
        house.write("share/cockpit/branding/debian/branding.css", "debian ${NAME} ${OTHER}");
        house.write("share/cockpit/branding/debian/logo.png", "png");
        let system = "NAME=\"Tux \\\"\"\nID=tux\nID_LIKE=\"debian x\"\n# ID=y\n";
        let files = house.files(system);
        let sheet = house.get(&files, "branding.css").await.unwrap();
        assert_eq!(sheet, "debian Tux \\\\ ${OTHER}");
        assert_eq!(house.get(&files, "logo.png").await.as_deref(), Some("png"));
        assert_eq!(house.get(&house.files(""), "branding.css").await.as_deref(), Some("default"));

        house.write("etc/cockpit/branding/branding.css", "ours");
        assert_eq!(house.get(&files, "branding.css").await.as_deref(), Some("ours"));
    }

    #[tokio::test]
    async fn nothing_but_files_of_a_branding_is_sent() {
        let house = House::new();
        house.write("etc/cockpit/branding/large", &"x".repeat(1 << 20));
        house.write("etc/cockpit/branding/larger", &"x".repeat((1 << 20) + 1));
        house.write("etc/cockpit/secret", "secret");
        let files = house.files("ID=../../../etc\nVARIANT_ID=x/y\n");

        assert!(house.get(&files, "large").await.is_some());
        for path in ["larger", "../secret", "..", "", "/etc/passwd", "%2e%2e/secret", "none"] {
            assert_eq!(house.get(&files, path).await, None, "{path}");
        }
        assert_eq!(house.get(&files, "branding.css").await.as_deref(), Some(""), "no branding");
    }
}
