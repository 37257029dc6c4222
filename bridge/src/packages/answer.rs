//! What is at an address below a package's name.
//!
//! `/NAME/FILE`, `/$CHECKSUM/NAME/FILE`, `/manifests.js`, `/manifests.json`, `/manifests-i18n.js`, and
//! `/*/po.js`, the translations of all packages in one. Caller: `channels::packages`, by way of `Packages::answer`.
//! Text: docs/protocol.md, "Packages".

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::content::{self, Checksum, Content, Gzip, Missing};
use super::manifest::Package;
use super::{Loaded, complain, language, policy};

/// What a browser asks for, as the server passed it on.
#[derive(Debug, Default)]
pub struct Request {
    /// The path, with a slash before it; a query does not count.
    pub path: String,
    /// `Accept-Language`, or what the user chose instead.
    pub accept_language: String,
    /// `Accept-Encoding`, if the server passed one on.
    pub accept_encoding: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `X-Forwarded-Proto` and `X-Forwarded-Host`, for the policy.
    pub address: Option<(String, String)>,
}

/// The answer.
#[derive(Debug)]
pub struct Answer {
    /// Status of HTTP.
    pub status: u16,
    /// Its words.
    pub reason: &'static str,
    /// Headers by name.
    pub headers: BTreeMap<&'static str, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer that is a sentence.
    pub fn error(status: u16, reason: &'static str, sentence: &str) -> Self {
        let mut answer = Self::new("text/plain; charset=utf-8", sentence.as_bytes().to_vec());
        answer.status = status;
        answer.reason = reason;
        answer
    }

    fn new(content_type: &str, body: Vec<u8>) -> Self {
        let headers = BTreeMap::from([
            ("Content-Type", content_type.to_owned()),
            ("Cache-Control", "no-cache, no-store".to_owned()),
        ]);
        Self { status: 200, reason: "OK", headers, body }
    }

    fn not_found() -> Self {
        Self::error(404, "Not Found", "Not found")
    }

    /// May be kept: its address changes when it does (T14). Who has it already hears only that.
    fn keep(&mut self, tag: &str, keep: Keep, request: &Request) {
        let control = match keep {
            Keep::Ever => "private, max-age=31536000, immutable",
            Keep::AfterAsking => "private, no-cache",
        };
        self.headers.insert("Cache-Control", control.to_owned());
        self.headers.insert("ETag", format!("\"{tag}\""));
        if is_known(request, tag) {
            self.status = 304;
            self.reason = "Not Modified";
            self.body.clear();
            self.headers.remove("Content-Encoding");
        }
    }
}

/// How a browser may keep what it got at an address with the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Without asking again.
    Ever,
    /// It asks each time whether it changed: it depends on the language too.
    AfterAsking,
}

/// Tells the server where this document and what it loads may be kept: at `/$` and this word.
const CHECKSUM: &str = "X-Cockpit-Pkg-Checksum";

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn answer(loaded: &Loaded, request: &Request) -> Answer {
    let path = request.path.split(['?', '#']).next().unwrap_or_default();
    let Some(path) = path.strip_prefix('/') else {
        return Answer::error(400, "Bad Request", "a path begins with a slash");
    };
    let (checksum, path) = match path.strip_prefix('$').and_then(|rest| rest.split_once('/')) {
        Some((word, rest)) => (Some(loaded.checksum()).filter(|sum| sum.word == word), rest),
        None => (None, path),
    };
    match path {
        "manifests.json" => Answer::new("application/json", loaded.manifests.as_bytes().to_vec()),
        "manifests.js" => {
            let mut answer = Answer::new(SCRIPT, manifests_script(&loaded.manifests));
            if let Some(checksum) = checksum {
                answer.keep(&checksum.word, Keep::Ever, request);
            }
            answer
        }
        "manifests-i18n.js" => {
            let mut body = all_translations(loaded, "po.manifest.js", request);
            body.extend_from_slice(&manifests_script(&loaded.manifests));
            Answer::new(SCRIPT, body)
        }
        "*/po.js" => Answer::new(SCRIPT, all_translations(loaded, "po.js", request)),
        _ => file(loaded, request, path, checksum),
    }
}

fn is_known(request: &Request, tag: &str) -> bool {
    let known = request.if_none_match.as_deref().unwrap_or_default();
    known
        .split(',')
        .any(|known| known.trim().trim_start_matches("W/").trim_matches('"') == tag)
}

/// One file of one package. With a checksum that covers it, it may be kept; but a document never is, as the policy that
/// comes with it can change without it.
fn file(loaded: &Loaded, request: &Request, path: &str, checksum: Option<&Checksum>) -> Answer {
    let gzip = accepts_gzip(request.accept_encoding.as_deref());
    let Some((name, file)) = path.split_once('/') else {
        return Answer::not_found();
    };
    let Some(package) = loaded.packages.get(name) else {
        return Answer::not_found();
    };
    if !file.split('/').all(is_plain) {
        return Answer::not_found();
    }
    if file == "po.js" || file == "po.manifest.js" {
        return translated(package, request, file, checksum, gzip);
    }
    let mut found = content::find(package, file, gzip);
    if let (Err(Missing::NotFound), Some(decoded)) = (&found, percent_decoded(file)) {
        found = content::find(package, &decoded, gzip);
    }
    match found {
        Ok(content) => {
            let lasting = checksum.is_some_and(|checksum| checksum.covers(&content));
            let tag = content.tag.clone();
            let mut answer = send(file, content);
            let kind = answer.headers.get("Content-Type");
            if kind.is_some_and(|kind| kind.starts_with("text/html")) {
                let policy = policy_header(package, request);
                answer.headers.insert("Content-Security-Policy", policy);
                answer
                    .headers
                    .insert(CHECKSUM, loaded.checksum().word.clone());
            } else if lasting {
                answer.keep(&tag, Keep::Ever, request);
            }
            answer
        }
        Err(Missing::NotFound) => Answer::not_found(),
        Err(Missing::Unreadable(error)) => {
            let path = package.path.join(file);
            complain(&format!("{}: {error}", path.display()));
            Answer::error(500, "Internal Server Error", "The file cannot be read")
        }
    }
}

/// `po.js` or `po.manifest.js`; an empty script when there is no translation.
fn translated(
    package: &Package,
    request: &Request,
    file: &str,
    checksum: Option<&Checksum>,
    gzip: Gzip,
) -> Answer {
    let found = translation(package, file, request, gzip);
    let tag = found
        .as_ref()
        .map_or("en", |(language, _)| language)
        .to_owned();
    let (mut answer, is_covered) = match found {
        Some((_, content)) => {
            let is_covered = checksum.is_some_and(|checksum| checksum.covers(&content));
            (send(file, content), is_covered)
        }
        None => (Answer::new(SCRIPT, Vec::new()), true),
    };
    if let (Some(checksum), true) = (checksum, is_covered) {
        answer.keep(&format!("{}-{tag}", checksum.word), Keep::AfterAsking, request);
    }
    answer
}

fn policy_header(package: &Package, request: &Request) -> String {
    let address = request.address.as_ref();
    let address = address.map(|(scheme, host)| (scheme.as_str(), host.as_str()));
    let policy = policy::policy(package, address);
    if policy.refused {
        let path = package.path.display();
        complain(&format!("{path}: its content-security-policy asks for more than it gets"));
    }
    policy.header
}

fn send(path: &str, content: Content) -> Answer {
    let mut answer = Answer::new(content::content_type(path), content.bytes);
    if content.gzip {
        answer.headers.insert("Content-Encoding", "gzip".to_owned());
    }
    answer
}

/// Whether `segment` names something in the folder that it is looked up in.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('\0')
}

/// The path with `%41` and the like resolved once; `None` when there are none, or when they hide a slash or `..`.
fn percent_decoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        match u8::from_str_radix(digits, 16).ok()? {
            b'/' | 0 => return None,
            byte => bytes.push(byte),
        }
        rest = after;
    }
    let decoded = String::from_utf8(bytes).ok()?;
    decoded.split('/').all(is_plain).then_some(decoded)
}

/// Without the header the server did not say, and every browser can.
fn accepts_gzip(accept_encoding: Option<&str>) -> Gzip {
    let Some(accepted) = accept_encoding else {
        return Gzip::Accepted;
    };
    let accepts = accepted.split(',').any(|part| {
        let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
        let coding = coding.trim();
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| {
            weight
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight <= 0.0)
        });
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && !refused
    });
    if accepts { Gzip::Accepted } else { Gzip::Refused }
}

/// `po.js` or `po.manifest.js` in the best language that there is, and which that is.
fn translation(
    package: &Package,
    file: &str,
    request: &Request,
    gzip: Gzip,
) -> Option<(String, Content)> {
    let stem = file.strip_suffix("js")?;
    let languages = language::translations(&request.accept_language);
    languages.into_iter().find_map(|language| {
        let content = content::find(package, &format!("{stem}{language}.js"), gzip).ok()?;
        Some((language, content))
    })
}

fn all_translations(loaded: &Loaded, file: &str, request: &Request) -> Vec<u8> {
    let mut script = Vec::new();
    for package in loaded.packages.values() {
        if let Some((_, content)) = translation(package, file, request, Gzip::Refused) {
            script.extend_from_slice(&content.bytes);
            script.extend_from_slice(b"\n;\n");
        }
    }
    script
}

/// A script that gives the manifests to whoever loads it: a module loader, `cockpit`, or the window.
fn manifests_script(manifests: &str) -> Vec<u8> {
    let manifests: Cow<'_, str> = if manifests.contains(['\u{2028}', '\u{2029}']) {
        let escaped = manifests.replace('\u{2028}', "\\u2028");
        escaped.replace('\u{2029}', "\\u2029").into()
    } else {
        manifests.into()
    };
    format!(
        "(() => {{\nconst manifests = {manifests};\n\
         if (typeof define === \"function\" && define.amd) define(manifests);\n\
         if (typeof cockpit === \"object\") cockpit.manifests = manifests;\n\
         else globalThis.manifests = manifests;\n}})();\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_slashes_and_parents_stay_what_they_are() {
        for (path, decoded) in [
            ("plain", None),
            ("my%20file", Some("my file")),
            ("%2e%2e/x", None),
            ("..%2fx", None),
            ("%2E%2E%2Fx", None),
            ("a%00b", None),
            ("a%2", None),
            ("a%zz", None),
            ("%252e%252e/x", Some("%2e%2e/x")),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(path).as_deref(), decoded, "{path}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (header, gzip) in [
            (None, Gzip::Accepted),
            (Some("gzip, deflate, br"), Gzip::Accepted),
            (Some("*"), Gzip::Accepted),
            (Some("identity"), Gzip::Refused),
            (Some("gzip;q=0, br"), Gzip::Refused),
            (Some(""), Gzip::Refused),
        ] {
            assert_eq!(accepts_gzip(header), gzip, "{header:?}");
        }
    }
}
