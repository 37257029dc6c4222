//! The URL table, nothing else is served (T50).
//!
//! Each row says who may ask, which check stands before it, and what it leaves in the log. [`answer`] walks one
//! request through: host, row, check, handler, headers. Caller: `listen::connection`, for every request of every
//! transport but the redirect of plain HTTP. Addresses: docs/protocol.md, "HTTP surface".

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler as _;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, Response, StatusCode};

use crate::Server;
use crate::admission::{Application, Connection, Transport, is_same_site};
use crate::assets::Keep;
use crate::config::Hsts;
use crate::headers::{self, Strict};
use crate::pages::{ErrorPage, FormPlace, LoginForm, LoginPage, NextPath, Notice, Reuse};
use crate::{external, login, relay};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) methods: Methods,
    pub(crate) path: &'static [Segment],
    pub(crate) target: Target,
    pub(crate) caller: Caller,
    pub(crate) check: Check,
    /// The event this can leave in the log; reading leaves none.
    pub(crate) event: Option<&'static str>,
}

/// Methods of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Methods {
    /// `GET` and `HEAD`.
    Get,
    Post,
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    Is(&'static str),
    /// `cockpit` or `cockpit+APP`.
    Application,
    /// `@HOST`.
    AtHost,
    /// `$` and the checksum of all packages.
    Checksum,
    /// One segment that is not empty.
    Any,
    /// One or more segments; the last in its row.
    Rest,
    /// A page of stock Cockpit, as its old addresses name it.
    StockPage,
}

/// What serves a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Shell,
    Login,
    LoginForm,
    Logout,
    Socket,
    Channel,
    Package,
    Base,
    Asset,
    Static,
    Icon,
    Ping,
    Certificate,
    Robots,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Everybody; nothing of a session is in the answer.
    Anyone,
    /// Everybody gets the login page, a session its own.
    AnyoneSeesLogin,
    /// The handler asks `sessions` and refuses without one.
    Session,
}

/// What is checked before the handler, beside `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Reading: other sites may link here; their scripts cannot read it (T12).
    Navigation,
    /// `Sec-Fetch-Site`, if sent, is our own, and so is the `Origin` of an upgrade (T1, T2); the handler wants a
    /// token or an `Authorization` header.
    SameSite,
    /// `Origin` is there and our own (T1, T2).
    OwnOrigin,
}

use Segment::{Any, Application as App, AtHost, Checksum, Is, Rest, StockPage};

const fn page(path: &'static [Segment]) -> Row {
    Row {
        methods: Methods::Get,
        path,
        target: Target::Shell,
        caller: Caller::AnyoneSeesLogin,
        check: Check::Navigation,
        event: None,
    }
}

/// The login form at the address of a package's page: what follows `#` there is kept by the browser alone.
const fn login_at(path: &'static [Segment]) -> Row {
    Row {
        methods: Methods::Post,
        path,
        target: Target::LoginForm,
        caller: Caller::Anyone,
        check: Check::OwnOrigin,
        event: Some("login"),
    }
}

const fn public(path: &'static [Segment], target: Target) -> Row {
    Row {
        methods: Methods::Get,
        path,
        target,
        caller: Caller::Anyone,
        check: Check::Navigation,
        event: None,
    }
}

const fn package(path: &'static [Segment]) -> Row {
    Row {
        methods: Methods::Get,
        path,
        target: Target::Package,
        caller: Caller::Session,
        check: Check::Navigation,
        event: None,
    }
}

/// Every address there is.
pub(crate) static TABLE: &[Row] = &[
    page(&[Is("")]),
    page(&[Is("hosts")]),
    page(&[Is("hosts"), Is("add")]),
    page(&[Is("hosts"), Is("setup"), Any]),
    page(&[Is("groups")]),
    page(&[Is("groups"), Any]),
    page(&[Is("discovered")]),
    page(&[Is("jobs")]),
    page(&[Is("jobs"), Any]),
    page(&[Is("activity")]),
    page(&[Is("settings")]),
    page(&[Is("fleet")]),
    page(&[Is("host"), Any]),
    page(&[Is("host"), Any, Rest]),
    page(&[AtHost]),
    page(&[AtHost, Rest]),
    page(&[StockPage]),
    page(&[StockPage, Rest]),
    login_at(&[AtHost]),
    login_at(&[AtHost, Rest]),
    login_at(&[StockPage]),
    login_at(&[StockPage, Rest]),
    public(&[Is("assets"), Any], Target::Asset),
    Row {
        methods: Methods::Get,
        path: &[App, Is("login")],
        target: Target::Login,
        caller: Caller::Anyone,
        check: Check::SameSite,
        event: Some("login"),
    },
    Row {
        methods: Methods::Post,
        path: &[App, Is("login")],
        target: Target::LoginForm,
        caller: Caller::Anyone,
        check: Check::OwnOrigin,
        event: Some("login"),
    },
    Row {
        methods: Methods::Post,
        path: &[App, Is("logout")],
        target: Target::Logout,
        caller: Caller::Session,
        check: Check::OwnOrigin,
        event: Some("logout"),
    },
    Row {
        methods: Methods::Get,
        path: &[App, Is("socket")],
        target: Target::Socket,
        caller: Caller::Session,
        check: Check::OwnOrigin,
        event: None,
    },
    Row {
        methods: Methods::Get,
        path: &[Is("socket")],
        target: Target::Socket,
        caller: Caller::Session,
        check: Check::OwnOrigin,
        event: None,
    },
    Row {
        methods: Methods::Get,
        path: &[App, Is("channel"), Any],
        target: Target::Channel,
        caller: Caller::Session,
        check: Check::SameSite,
        event: None,
    },
    public(&[App, AtHost, Is("base1"), Rest], Target::Base),
    public(&[App, Checksum, Is("base1"), Rest], Target::Base),
    package(&[App, AtHost, Rest]),
    package(&[App, Checksum, Rest]),
    public(&[App, Is("static"), Rest], Target::Static),
    public(&[Is("favicon.ico")], Target::Icon),
    public(&[Is("ping")], Target::Ping),
    public(&[Is("ca.cer")], Target::Certificate),
    public(&[Is("robots.txt")], Target::Robots),
];

/// First segments of stock Cockpit's own addresses without `@host`.
///
/// A package that is not among them is reached by its address with `@localhost`.
const STOCK_PAGES: [&str; 26] = [
    "system",
    "users",
    "network",
    "storage",
    "updates",
    "metrics",
    "podman",
    "machines",
    "selinux",
    "kdump",
    "sosreport",
    "files",
    "apps",
    "packagekit",
    "networkmanager",
    "realmd",
    "tuned",
    "playground",
    "ostree",
    "subscriptions",
    "session-recording",
    "composer",
    "navigator",
    "identities",
    "file-sharing",
    "benchmark",
];

impl Segment {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Is(word) => text == word,
            Self::Application => Application::parse(text).is_some(),
            Self::AtHost => text.strip_prefix('@').is_some_and(|host| !host.is_empty()),
            Self::Checksum => text.strip_prefix('$').is_some_and(external::is_checksum),
            Self::Any => !text.is_empty(),
            Self::Rest => true,
            Self::StockPage => STOCK_PAGES.contains(&text),
        }
    }
}

impl Row {
    fn fits(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut segments = path.split('/');
        for wanted in self.path {
            match segments.next() {
                Some(_) if *wanted == Segment::Rest => return true,
                Some(text) if wanted.fits(text) => {}
                None | Some(_) => return false,
            }
        }
        segments.next().is_none()
    }
}

/// The row for a request.
pub(crate) fn find(method: &Method, path: &str) -> Result<&'static Row, ErrorPage<'static>> {
    let methods = match *method {
        Method::GET | Method::HEAD => Some(Methods::Get),
        Method::POST => Some(Methods::Post),
        _ => None,
    };
    let mut allowed = None;
    for row in TABLE.iter().filter(|row| row.fits(path)) {
        if Some(row.methods) == methods {
            return Ok(row);
        }
        allowed = Some(match (allowed, row.methods) {
            (None, Methods::Get) => "GET, HEAD",
            (None, Methods::Post) => "POST",
            (Some(_), _) => "GET, HEAD, POST",
        });
    }
    Err(allowed.map_or(ErrorPage::NotFound, ErrorPage::MethodNotAllowed))
}

/// Answers one request, whatever it is.
pub(crate) async fn answer(
    server: &Arc<Server>,
    connection: Connection,
    request: Request,
) -> Response<Body> {
    let mut response = match admit(server, connection, request) {
        Ok((row, request)) => serve(server, connection, row, request).await,
        Err(response) => *response,
    };
    headers::complete(response.headers_mut(), strict(server, connection.transport));
    response
}

/// Host, row and check; puts their proofs into the request.
fn admit(
    server: &Arc<Server>,
    connection: Connection,
    mut request: Request,
) -> Result<(&'static Row, Request), Box<Response<Body>>> {
    let refuse = |error: &ErrorPage<'_>| {
        tracing::debug!(peer = %connection.peer, path = request.uri().path(), ?error, "refused a request");
        Box::new(server.pages.error_page(error))
    };
    let sent = request.headers();
    let host = server
        .admission
        .host(sent)
        .map_err(|name| refuse(&ErrorPage::UnknownHost(&name)))?;
    let row = find(request.method(), request.uri().path()).map_err(|error| refuse(&error))?;
    let own = server
        .admission
        .own_origin(sent, &host, connection.transport);
    let passes = match row.check {
        Check::Navigation => true,
        Check::SameSite if sent.contains_key(header::UPGRADE) => own.is_some(),
        Check::SameSite => is_same_site(sent),
        Check::OwnOrigin => own.is_some(),
    };
    if !passes {
        return Err(refuse(&ErrorPage::Forbidden));
    }
    let application = application(request.uri().path());
    let extensions = request.extensions_mut();
    extensions.insert(connection);
    extensions.insert(host);
    extensions.insert(application);
    if let Some(own) = own {
        extensions.insert(own);
    }
    Ok((row, request))
}

fn application(path: &str) -> Application {
    let first = path.strip_prefix('/').unwrap_or(path).split('/').next();
    first.and_then(Application::parse).unwrap_or_default()
}

async fn serve(
    server: &Arc<Server>,
    connection: Connection,
    row: &Row,
    request: Request,
) -> Response<Body> {
    let state = Arc::clone(server);
    tracing::trace!(target = ?row.target, caller = ?row.caller, event = row.event, "serving a request");
    match row.target {
        Target::Shell => shell(server, connection, &request),
        Target::Login => login::get.call(request, state).await,
        Target::LoginForm => login::post.call(request, state).await,
        Target::Logout => login::logout.call(request, state).await,
        Target::Socket => relay::socket.call(request, state).await,
        Target::Channel => external::channel.call(request, state).await,
        Target::Package => external::package.call(request, state).await,
        Target::Base => {
            match base_path(request.uri().path()).and_then(|path| server.assets.find(path)) {
                Some(file) => file.answer(request.headers(), Keep::Revalidate),
                None => external::package.call(request, state).await,
            }
        }
        Target::Asset => file(server, request.uri().path(), request.headers(), Keep::ForEver),
        Target::Static => {
            let path = request.uri().path().split_once("/static/");
            let (_, path) = path.unwrap_or_default();
            let answer = server
                .static_files
                .answer(&server.assets, path, request.headers());
            answer.unwrap_or_else(|| server.pages.error_page(&ErrorPage::NotFound))
        }
        Target::Icon => icon(server, request.headers()),
        Target::Ping => ping(),
        Target::Certificate => match server.certificates.self_signed() {
            Some(certificate) => typed("application/x-x509-ca-cert", Body::from(certificate)),
            None => server.pages.error_page(&ErrorPage::NotFound),
        },
        Target::Robots => typed("text/plain", Body::from("User-agent: *\nDisallow: /\n")),
    }
}

/// The page of a session, else the login page at the same address.
fn shell(server: &Server, connection: Connection, request: &Request) -> Response<Body> {
    let application = application(request.uri().path());
    let session = server
        .sessions
        .find(request.headers(), connection.transport, &application);
    if session.is_some() {
        return server.pages.shell_page().unwrap_or_else(|error| {
            tracing::error!(%error, "the interface is gone");
            server.pages.error_page(&ErrorPage::Internal)
        });
    }
    let wanted = request
        .uri()
        .path_and_query()
        .map_or("/", |wanted| wanted.as_str());
    server.pages.login_page(&LoginPage {
        status: StatusCode::OK,
        application: &application,
        place: if find(&Method::POST, request.uri().path()).is_ok() {
            FormPlace::Here
        } else {
            FormPlace::Login
        },
        next: &NextPath::parse(wanted),
        notice: Notice::None,
        messages: &[],
        form: LoginForm::Credentials { user: "", reuse: Reuse::No },
    })
}

fn file(server: &Server, path: &str, request: &HeaderMap, keep: Keep) -> Response<Body> {
    match server.assets.find(path.trim_start_matches('/')) {
        Some(file) => file.answer(request, keep),
        None => server.pages.error_page(&ErrorPage::NotFound),
    }
}

/// `base1/…` of `/cockpit/@HOST/base1/…`.
fn base_path(path: &str) -> Option<&str> {
    path.get(path.find("/base1/")? + 1..)
}

fn icon(server: &Server, request: &HeaderMap) -> Response<Body> {
    match server.assets.find("favicon.ico") {
        Some(file) => file.answer(request, Keep::Revalidate),
        None => typed("image/svg+xml", Body::from(include_str!("../templates/favicon.svg"))),
    }
}

/// Whether this is a server of the family, for any page that asks; it says nothing more.
pub(crate) fn ping() -> Response<Body> {
    let mut response = typed("application/json", Body::from(r#"{"service":"cockpit"}"#));
    let anyone = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
    response
}

fn typed(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn strict(server: &Server, transport: Transport) -> Strict {
    match (transport, server.config.hsts) {
        (Transport::Tls, Hsts::On) => Strict::Send,
        (Transport::Tls, Hsts::Auto) if server.certificates.self_signed().is_none() => Strict::Send,
        (Transport::Tls | Transport::PlainLoopback, Hsts::On | Hsts::Auto | Hsts::Off) => {
            Strict::Omit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that only this row should serve.
    fn sample(row: &Row) -> String {
        let segments = row.path.iter().map(|segment| match segment {
            Segment::Is(word) => (*word).to_owned(),
            Segment::Application => "cockpit+app".to_owned(),
            Segment::AtHost => "@web1".to_owned(),
            Segment::Checksum => "$5e".to_owned(),
            Segment::Any => "x".to_owned(),
            Segment::Rest => "y/z".to_owned(),
            Segment::StockPage => "system".to_owned(),
        });
        segments.fold(String::new(), |path, segment| format!("{path}/{segment}"))
    }

    fn method(row: &Row) -> Method {
        match row.methods {
            Methods::Get => Method::GET,
            Methods::Post => Method::POST,
        }
    }

    #[test]
    fn each_row_serves_its_own_addresses() {
        for row in TABLE {
            let path = sample(row);
            let found = find(&method(row), &path).unwrap();
            assert!(std::ptr::eq(found, row), "{path} is served by {:?}", found.target);
        }
    }

    #[test]
    fn what_changes_something_is_checked_and_has_an_event() {
        for row in TABLE {
            let path = sample(row);
            if row.methods == Methods::Post {
                assert_eq!(row.check, Check::OwnOrigin, "{path}");
                assert!(row.event.is_some(), "{path}");
            }
            if row.event.is_some() {
                assert_ne!(row.check, Check::Navigation, "{path}");
            }
            if row.caller == Caller::Session {
                assert!(
                    !matches!(
                        row.target,
                        Target::Asset | Target::Static | Target::Ping | Target::Shell
                    ),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn the_targets_for_anyone_are_these_and_no_more() {
        let open: Vec<Target> = TABLE
            .iter()
            .filter(|row| row.caller == Caller::Anyone)
            .map(|row| row.target)
            .collect();

        assert_eq!(
            open,
            [
                Target::LoginForm,
                Target::LoginForm,
                Target::LoginForm,
                Target::LoginForm,
                Target::Asset,
                Target::Login,
                Target::LoginForm,
                Target::Base,
                Target::Base,
                Target::Static,
                Target::Icon,
                Target::Ping,
                Target::Certificate,
                Target::Robots,
            ]
        );
    }

    #[test]
    fn everything_else_is_not_found() {
        for path in [
            "",
            "//",
            "/x",
            "/hosts/",
            "/hosts/add/x",
            "/cockpit",
            "/cockpit/",
            "/cockpit+",
            "/cockpit+=web1/login",
            "/=web1/",
            "/@",
            "/@/x",
            "/cockpit/@/x",
            "/cockpit/$/x",
            "/cockpit/$5g/x",
            "/$5e/x",
            "/cockpit/login/",
            "/cockpit/login/x",
            "/cockpit/channel/",
            "/assets/",
            "/assets/a/b",
            "/ping/",
            "/PING",
            "/index.html",
            "/api",
            "/.well-known/security.txt",
        ] {
            assert_eq!(find(&Method::GET, path).err(), Some(ErrorPage::NotFound), "{path}");
        }
    }

    #[test]
    fn methods_are_refused_by_address() {
        let refused = |method, path| find(&method, path).err();

        assert_eq!(refused(Method::POST, "/"), Some(ErrorPage::MethodNotAllowed("GET, HEAD")));
        assert_eq!(
            refused(Method::GET, "/cockpit/logout"),
            Some(ErrorPage::MethodNotAllowed("POST"))
        );
        assert_eq!(
            refused(Method::PUT, "/cockpit/login"),
            Some(ErrorPage::MethodNotAllowed("GET, HEAD, POST"))
        );
        assert_eq!(refused(Method::DELETE, "/nothing"), Some(ErrorPage::NotFound));
    }
}
