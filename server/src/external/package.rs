//! Files of packages: the local bridge serves them, whatever `@HOST` the address names.
//!
//! So every script comes from this machine (docs/protocol.md, "HTTP surface"). The bridge's first frame holds status and
//! headers; only those that a file needs are passed on. Caller: `routes`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use protocol::control::{Encoding, Open};
use protocol::json;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use serde_json::{Value, json};

use super::download::ChannelBody;
use super::{Channel, Event, refused, status_of};
use crate::Server;
use crate::admission::{Application, Connection};
use crate::assets::Keep;
use crate::config::PackageScripts;
use crate::pages::ErrorPage;
use crate::relay::link::Opcode;
use crate::sessions::Session;
use crate::static_files;

/// `GET /cockpit[+APP]/@HOST/PKG/FILE`, `/cockpit[+APP]/@HOST/manifests.{json,js}`, and the same with `$SUM`, the
/// checksum of all packages, in the place of `@HOST`.
pub(crate) async fn package(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    request: Request,
) -> Response {
    let (parts, _no_body) = request.into_parts();
    let session = server
        .sessions
        .find(&parts.headers, connection.transport, &application);
    let Some(session) = session else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(path) = path_in_packages(parts.uri.path()) else {
        return server.pages.error_page(&ErrorPage::NotFound);
    };
    let Some(open) = open(path, &parts.headers, connection) else {
        return server.pages.error_page(&ErrorPage::Internal);
    };
    match answer(&server, &session, open).await {
        (response, _) if response.status() == StatusCode::NOT_FOUND => {
            // Style sheets made with PatternFly name its fonts beside themselves, and packages leave them to the server.
            let font = path
                .split_once("/assets/fonts/")
                .and_then(|(_, file)| static_files::font(&server.assets, file.rsplit('/').next()?));
            font.map_or(response, |font| font.answer(&parts.headers, Keep::Revalidate))
        }
        (response, Some(checksum)) => lasting_address(&parts, &checksum).unwrap_or(response),
        (response, None) => response,
    }
}

/// What the bridge is asked for: `/PKG/FILE` of `/cockpit[+APP]/@HOST/PKG/FILE`, `/$SUM/PKG/FILE` of
/// `/cockpit[+APP]/$SUM/PKG/FILE`.
fn path_in_packages(path: &str) -> Option<&str> {
    let (_cockpit, rest) = path.strip_prefix('/')?.split_once('/')?;
    match rest.strip_prefix('@') {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)),
        None if rest.starts_with('$') => path.get(path.len() - rest.len() - 1..),
        None => None,
    }
}

/// Leads a frame to the address of its document that holds the packages' checksum, so that the browser may keep what the
/// document loads (T14). Others get the document where they asked for it.
fn lasting_address(parts: &Parts, checksum: &HeaderValue) -> Option<Response> {
    let destination = parts.headers.get("sec-fetch-dest")?;
    let (cockpit, rest) = parts.uri.path().split_once("/@")?;
    let at = rest.find('/')?;
    let checksum = checksum.to_str().ok().filter(|word| is_checksum(word))?;
    if destination != "iframe" {
        return None;
    }
    let query = parts
        .uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let address = format!("{cockpit}/${checksum}{}{query}", rest.get(at..)?);
    let headers = [
        (header::LOCATION, HeaderValue::try_from(address).ok()?),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    Some((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

/// Whether `word` can be what the bridge calls a checksum: nothing that means something else in an address.
pub(crate) fn is_checksum(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn open(path: &str, headers: &HeaderMap, connection: Connection) -> Option<Open> {
    let mut sent = protocol::json::Fields::new();
    // The host was checked before this handler (T9).
    for (name, told) in TOLD {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            sent.insert(told.to_owned(), value.into());
        }
    }
    if let Some(language) = chosen_language(headers) {
        sent.insert("Accept-Language".to_owned(), language.into());
    }
    sent.insert("X-Forwarded-Proto".to_owned(), connection.transport.scheme().into());
    let mut open = Open::new(ChannelId::try_from("0:0").ok()?, "http-stream1");
    open.encoding = Encoding::Binary;
    let options = [
        ("internal", json!("packages")),
        ("method", json!("GET")),
        ("path", json!(path)),
        ("headers", Value::Object(sent)),
    ];
    open.options
        .extend(options.map(|(name, value)| (name.to_owned(), value)));
    Some(open)
}

/// The language that the user chose in the interface, in place of the browser's: the cookie `CockpitLang`.
fn chosen_language(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    let language = pairs.find_map(|pair| pair.trim().strip_prefix("CockpitLang="))?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (!language.is_empty() && language.len() <= 16 && language.bytes().all(fits)).then_some(language)
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-cache, no-store");

/// Headers of the request that the bridge is told, and what it calls them.
const TOLD: [(HeaderName, &str); 4] = [
    (header::IF_NONE_MATCH, "If-None-Match"),
    (header::ACCEPT_LANGUAGE, "Accept-Language"),
    (header::ACCEPT_ENCODING, "Accept-Encoding"),
    (header::HOST, "X-Forwarded-Host"),
];

/// The response, and the packages' checksum if the bridge said it.
async fn answer(
    server: &Server,
    session: &Arc<Session>,
    open: Open,
) -> (Response, Option<HeaderValue>) {
    let queue = server.config.relay.socket_queue;
    let mut channel = match Channel::open(session, open, Opcode::Binary, queue) {
        Ok(channel) => channel,
        Err(error) => return (refused(server, &error), None),
    };
    channel.done();
    let head = match head(&mut channel).await {
        Ok(head) => head,
        Err(problem) => return (problem_response(server, &problem), None),
    };
    let response = match head.status {
        StatusCode::NOT_FOUND => server.pages.error_page(&ErrorPage::NotFound),
        status => {
            let mut response = Response::new(Body::new(ChannelBody::new(channel, None)));
            *response.status_mut() = status;
            *response.headers_mut() = head.headers;
            let sent = response.headers().get(header::CONTENT_SECURITY_POLICY);
            let policy = policy(sent, server.config.package_scripts);
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
    };
    (response, head.checksum)
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
    checksum: Option<HeaderValue>,
}

/// The bridge's header with the checksum of all packages; for us alone.
const CHECKSUM: &str = "x-cockpit-pkg-checksum";

/// The first frame: status, reason and headers as JSON.
async fn head(channel: &mut Channel) -> Result<Head, Problem> {
    loop {
        match channel.next().await {
            Event::Data(data) => return parse_head(&data).ok_or(Problem::ProtocolError),
            Event::Control(_) => {}
            Event::Closed(problem) => return Err(problem.unwrap_or(Problem::ProtocolError)),
        }
    }
}

fn parse_head(data: &[u8]) -> Option<Head> {
    let mut fields = json::parse_object(data).ok()?;
    let status = u16::try_from(fields.get("status")?.as_u64()?).ok()?;
    let mut headers = HeaderMap::new();
    let mut checksum = None;
    if let Some(Value::Object(sent)) = fields.remove("headers") {
        for (name, value) in sent {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            let Value::String(value) = value else { continue };
            let value = HeaderValue::try_from(value).ok()?;
            if PASSED_ON.contains(&name) {
                headers.insert(name, value);
            } else if name == CHECKSUM {
                checksum = Some(value);
            }
        }
    }
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    Some(Head { status: StatusCode::from_u16(status).ok()?, headers, checksum })
}

/// The policy of a package's document: the bridge's (Cockpit's default merged with the manifest's), without what lets
/// smuggled text run as a script, unless the administrator allows that (T6).
fn policy(sent: Option<&HeaderValue>, scripts: PackageScripts) -> HeaderValue {
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or(COCKPIT_POLICY);
    let mut directives: Vec<(&str, Vec<&str>)> = Vec::new();
    for directive in sent.split(';') {
        let mut words = directive.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        // Browsers take the first of a name (CSP Level 3, 2.2.1).
        if !directives
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            directives.push((name, words.collect()));
        }
    }
    if scripts == PackageScripts::Strict {
        keep_scripts_strict(&mut directives);
    }
    directives.retain(|(name, _)| !name.eq_ignore_ascii_case("frame-ancestors"));
    directives.push(("frame-ancestors", vec!["'self'"]));
    let text: Vec<_> = directives
        .iter()
        .map(|(name, values)| [&[*name], &values[..]].concat().join(" "))
        .collect();
    HeaderValue::try_from(text.join("; ")).unwrap_or(HeaderValue::from_static(COCKPIT_POLICY))
}

fn values_of<'a>(name: &str, directives: &[(&'a str, Vec<&'a str>)]) -> Option<Vec<&'a str>> {
    let directive = directives
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    directive.map(|(_, values)| values.clone())
}

fn keep_scripts_strict<'a>(directives: &mut Vec<(&'a str, Vec<&'a str>)>) {
    // `default-src` stands in for all three; what it allows for styles stays.
    let fallback = values_of("default-src", directives).unwrap_or_default();
    for name in ["script-src", "script-src-elem", "script-src-attr"] {
        let Some(mut values) = values_of(name, directives)
            .or_else(|| (name == "script-src").then(|| fallback.clone()))
        else {
            continue;
        };
        let unsafe_ = |value: &&str| {
            let value = value.to_ascii_lowercase();
            value.starts_with("'unsafe-") || ["data:", "blob:", "*"].contains(&value.as_str())
        };
        if values.iter().any(&unsafe_) {
            tracing::debug!(directive = name, "took unsafe sources of scripts out of a policy");
            values.retain(|value| !unsafe_(value));
        }
        if values.is_empty() {
            values.push("'self'");
        }
        directives.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        directives.push((name, values));
    }
}

/// What stock Cockpit sends for packages that say nothing.
const COCKPIT_POLICY: &str = "default-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'self'; \
    object-src 'none'; font-src 'self' data:; img-src 'self' data:; block-all-mixed-content; \
    frame-ancestors 'self'";

/// Headers of a package file that reach the browser.
const PASSED_ON: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_TYPE,
    header::ETAG,
    header::VARY,
];

fn problem_response(server: &Server, problem: &Problem) -> Response {
    let page = match status_of(problem) {
        StatusCode::NOT_FOUND => ErrorPage::NotFound,
        StatusCode::FORBIDDEN => ErrorPage::Forbidden,
        StatusCode::BAD_GATEWAY => ErrorPage::BridgeFailed,
        _ => ErrorPage::Internal,
    };
    server.pages.error_page(&page)
}

#[test]
fn the_language_that_was_chosen_is_one_word() {
    let chosen = |cookie: &'static str| {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
        chosen_language(&headers).map(str::to_owned)
    };
    assert_eq!(chosen("a=b; CockpitLang=pt-br; c=d").as_deref(), Some("pt-br"));
    assert_eq!(chosen("CockpitLang=zh_TW").as_deref(), Some("zh_TW"));
    for cookie in [
        "CockpitLang=",
        "CockpitLang=de,en;q=1",
        "XCockpitLang=de",
        "CockpitLang=aaaaaaaaaaaaaaaaa",
    ] {
        assert_eq!(chosen(cookie), None, "{cookie}");
    }
}

#[test]
fn the_host_of_a_package_address_is_left_out() {
    assert_eq!(path_in_packages("/cockpit/@localhost/shell/index.html"), Some("/shell/index.html"));
    assert_eq!(path_in_packages("/cockpit+app/@web1/manifests.json"), Some("/manifests.json"));
    assert_eq!(path_in_packages("/cockpit/$5e/shell/@x/a.js"), Some("/$5e/shell/@x/a.js"));
    assert_eq!(path_in_packages("/cockpit/@localhost"), None);
    assert_eq!(path_in_packages("/cockpit/x"), None);
}

#[test]
fn only_the_headers_of_a_file_are_passed_on() {
    let head = parse_head(
        br#"{"status":200,"reason":"OK","headers":{"Content-Type":"text/css","Set-Cookie":"x","ETag":"\"a\""}}"#,
    )
    .unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.headers.len(), 3);
    assert!(!head.headers.contains_key(header::SET_COOKIE));
    assert!(parse_head(br#"{"status":99999}"#).is_none());
    assert!(parse_head(br#"{"status":200,"headers":{"ETag":"a\nb"}}"#).is_none());
}

#[test]
fn a_manifest_cannot_make_text_into_scripts() {
    let policy = |sent: &str, scripts| {
        let sent = HeaderValue::try_from(sent).unwrap();
        policy(Some(&sent), scripts).to_str().unwrap().to_owned()
    };
    assert_eq!(
        policy(
            "default-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'",
            PackageScripts::Strict
        ),
        "default-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; script-src 'self'; \
         frame-ancestors 'self'"
    );
    assert_eq!(
        policy(
            "script-src 'self' 'Unsafe-Eval'; script-src *; FRAME-ancestors *",
            PackageScripts::Strict
        ),
        "script-src 'self'; frame-ancestors 'self'"
    );
    assert_eq!(
        policy("script-src 'self' 'unsafe-eval'", PackageScripts::UnsafeAllowed),
        "script-src 'self' 'unsafe-eval'; frame-ancestors 'self'"
    );
}

#[test]
fn a_package_without_a_policy_gets_cockpits() {
    let policy = policy(None, PackageScripts::Strict);
    let text = policy.to_str().unwrap();
    assert!(
        text.starts_with("default-src 'self'; ") && text.contains("script-src 'self'"),
        "{text}"
    );
}
