//! Files of packages: the local bridge serves them, whatever `@HOST` the address names.
//!
//! So every script comes from this machine (docs/protocol.md, "HTTP surface"). The bridge's first frame holds status and
//! headers; only those that a file needs are passed on. Caller: `routes`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
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
use crate::admission::{AcceptedHost, Application, Connection};
use crate::pages::ErrorPage;
use crate::relay::link::Opcode;
use crate::sessions::Session;

/// `GET /cockpit[+APP]/@HOST/PKG/FILE`, `/cockpit[+APP]/@HOST/manifests.{json,js}`.
pub(crate) async fn package(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    request: Request,
) -> Response {
    let (parts, _no_body) = request.into_parts();
    let session = server.sessions.find(&parts.headers, connection.transport, &application);
    let Some(session) = session else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(path) = path_in_packages(parts.uri.path()) else {
        return server.pages.error_page(&ErrorPage::NotFound);
    };
    let host = parts.extensions.get::<AcceptedHost>().map(AcceptedHost::as_str);
    let Some(open) = open(path, &parts.headers, connection, host) else {
        return server.pages.error_page(&ErrorPage::Internal);
    };
    answer(&server, &session, open).await
}

/// `/PKG/FILE`, what follows the host in `/cockpit[+APP]/@HOST/PKG/FILE`.
fn path_in_packages(path: &str) -> Option<&str> {
    let (_cockpit, rest) = path.strip_prefix('/')?.split_once("/@")?;
    rest.find('/').and_then(|at| rest.get(at..))
}

fn open(
    path: &str,
    headers: &HeaderMap,
    connection: Connection,
    host: Option<&str>,
) -> Option<Open> {
    let mut sent = protocol::json::Fields::new();
    for name in ["accept-language", "accept-encoding"] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            sent.insert(titled(name).to_owned(), value.into());
        }
    }
    sent.insert("X-Forwarded-Proto".to_owned(), connection.transport.scheme().into());
    if let Some(host) = host {
        sent.insert("X-Forwarded-Host".to_owned(), host.into());
    }
    let mut open = Open::new(ChannelId::try_from("0:0").ok()?, "http-stream1");
    open.encoding = Encoding::Binary;
    let options = [
        ("internal", json!("packages")),
        ("method", json!("GET")),
        ("path", json!(path)),
        ("headers", Value::Object(sent)),
    ];
    open.options.extend(options.map(|(name, value)| (name.to_owned(), value)));
    Some(open)
}

fn titled(name: &str) -> &str {
    match name {
        "accept-language" => "Accept-Language",
        _ => "Accept-Encoding",
    }
}

async fn answer(server: &Server, session: &Arc<Session>, open: Open) -> Response {
    let queue = server.config.relay.socket_queue;
    let mut channel = match Channel::open(session, open, Opcode::Binary, queue) {
        Ok(channel) => channel,
        Err(error) => return refused(server, &error),
    };
    channel.done();
    let head = match head(&mut channel).await {
        Ok(head) => head,
        Err(problem) => return problem_response(server, &problem),
    };
    match head.status {
        StatusCode::NOT_FOUND => server.pages.error_page(&ErrorPage::NotFound),
        status => {
            let mut response = Response::new(Body::new(ChannelBody::new(channel, None)));
            *response.status_mut() = status;
            *response.headers_mut() = head.headers;
            response
        }
    }
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

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
    if let Some(Value::Object(sent)) = fields.remove("headers") {
        for (name, value) in sent {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            if let (true, Value::String(value)) = (PASSED_ON.contains(&name), value) {
                headers.insert(name, HeaderValue::try_from(value).ok()?);
            }
        }
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, no-store"));
    Some(Head { status: StatusCode::from_u16(status).ok()?, headers })
}

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
fn the_host_of_a_package_address_is_left_out() {
    assert_eq!(path_in_packages("/cockpit/@localhost/shell/index.html"), Some("/shell/index.html"));
    assert_eq!(path_in_packages("/cockpit+app/@web1/manifests.json"), Some("/manifests.json"));
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
