//! The pages made here: login, errors and the frame of the shell; all usable without scripts.
//!
//! Callers: `login`, `routes`, `external`. Everything shown is escaped by the templates. Never here: a decision.
//! Texts: plain, cause then next step; nothing on the login page tells users apart (T17).
//!
//! The pages with forms carry `<meta name="referrer" content="same-origin">`: under the header's `no-referrer` a
//! browser would send the form with `Origin: null` (Fetch, "append a request Origin header"), which is refused (T1).

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::admission::Application;
use crate::assets::{AssetError, Assets};
use crate::config::Config;

/// What does not change between two pages.
#[derive(Debug)]
pub(crate) struct Pages {
    title: String,
    banner: String,
    /// This machine's own name.
    host: String,
    assets: Arc<Assets>,
}

/// The login page.
#[derive(Debug)]
pub(crate) struct LoginPage<'a> {
    pub(crate) status: StatusCode,
    /// Where the form posts to: `/cockpit[+APP]/login`.
    pub(crate) application: &'a Application,
    pub(crate) place: FormPlace,
    /// Where to go after login.
    pub(crate) next: &'a NextPath,
    pub(crate) notice: Notice,
    /// What PAM said since the last page, in order.
    pub(crate) messages: &'a [PamMessage],
    pub(crate) form: LoginForm<'a>,
}

/// Where the form of a login page posts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormPlace {
    /// `/cockpit[+APP]/login`.
    Login,
    /// Its own address, whose fragment the browser then keeps: it names the place inside a package (HTML, "form
    /// submission algorithm", an empty action; Fetch, "HTTP-redirect fetch", a location without a fragment).
    Here,
}

impl FormPlace {
    /// Of a page at `path`.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/cockpit/") || path.starts_with("/cockpit+") {
            Self::Login
        } else {
            Self::Here
        }
    }
}

/// What the login page asks for.
#[derive(Debug)]
pub(crate) enum LoginForm<'a> {
    /// Fields `user`, `password`, `reuse` (`on` if ticked) and `next`.
    Credentials { user: &'a str, reuse: Reuse },
    /// Fields `conversation`, `answer` and `next`: one question of PAM.
    Prompt { conversation: &'a str, prompt: &'a str, echo: Echo },
}

/// Whether the box *Reuse my password …* is ticked when the page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    No,
    Yes,
}

/// Whether an answer can be seen while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Hidden,
    Shown,
}

/// Something PAM said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PamMessage {
    pub(crate) kind: PamMessageKind,
    pub(crate) text: String,
}

/// `PAM_TEXT_INFO` or `PAM_ERROR_MSG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PamMessageKind {
    Info,
    Error,
}

/// Why the login page is shown (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The first time.
    None,
    /// User or password were wrong; never which.
    Failed,
    /// Authenticated, but not allowed in: the account is locked, expired, or has no shell.
    Denied,
    /// Too many failures; seconds to wait.
    Limited(u64),
    /// Too many logins at once; seconds to wait.
    Busy(u64),
    /// The conversation took too long, or its id is not known.
    Expired,
    /// The helper or the bridge could not be started.
    Unavailable,
    /// The user logged out.
    LoggedOut,
}

/// A path of ours to go to after login: begins with one `/`, holds no scheme, host, backslash or control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextPath(String);

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorPage<'a> {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405, with the methods that are allowed.
    MethodNotAllowed(&'static str),
    /// 413
    TooLarge,
    /// 421: the name under which we were addressed.
    UnknownHost(&'a str),
    /// 500
    Internal,
    /// 502
    BridgeFailed,
    /// 503: seconds to wait.
    Busy(u64),
}

impl NextPath {
    /// `/` in place of anything that does not fit.
    pub(crate) fn parse(text: &str) -> Self {
        let plain = text.starts_with('/')
            && !text.starts_with("//")
            && text.len() <= 2_048
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        // After login these would answer with no page.
        let page = !text.starts_with("/cockpit/") && !text.starts_with("/cockpit+");
        Self(if plain && page { text.to_owned() } else { "/".to_owned() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginTemplate<'a> {
    heading: &'a str,
    host: &'a str,
    style: &'a str,
    notice: &'a str,
    messages: Vec<ShownMessage>,
    action: String,
    next: &'a str,
    form: Form<'a>,
    banner: &'a str,
}

struct ShownMessage {
    class: &'static str,
    text: String,
}

enum Form<'a> {
    Credentials { user: &'a str, reuse: bool },
    Prompt { conversation: &'a str, prompt: String, hidden: bool, autocomplete: &'static str },
}

#[derive(Template)]
#[template(path = "shell.html")]
struct ShellTemplate<'a> {
    title: &'a str,
    script: String,
    style: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    heading: String,
    cause: String,
    /// Something to copy, in a box of its own; may be empty.
    code: String,
    advice: &'a str,
    style: &'a str,
}

impl Pages {
    /// Takes title and banner from the settings and the machine's name from the kernel.
    pub(crate) fn new(config: &Config, assets: Arc<Assets>) -> Self {
        Self {
            title: config.title.clone(),
            banner: config.banner.clone().unwrap_or_default(),
            host: certs::Names::of_this_machine().primary().to_owned(),
            assets,
        }
    }

    /// The login page in one of its forms.
    pub(crate) fn login_page(&self, page: &LoginPage<'_>) -> Response<Body> {
        let application = page.application.as_str();
        let plus = if application.is_empty() { "" } else { "+" };
        let messages = page.messages.iter().map(|message| ShownMessage {
            class: match message.kind {
                PamMessageKind::Info => "info",
                PamMessageKind::Error => "error",
            },
            text: visible(&message.text),
        });
        let template = LoginTemplate {
            heading: &format!("{} on {}", self.title, self.host),
            host: &self.host,
            style: &self.login_style(),
            notice: &page.notice.sentence(),
            messages: messages.collect(),
            action: match page.place {
                FormPlace::Login => format!("/cockpit{plus}{application}/login"),
                FormPlace::Here => String::new(),
            },
            next: page.next.as_str(),
            form: match &page.form {
                LoginForm::Credentials { user, reuse } => {
                    Form::Credentials { user, reuse: *reuse == Reuse::Yes }
                }
                LoginForm::Prompt { conversation, prompt, echo } => Form::Prompt {
                    conversation,
                    prompt: visible(prompt),
                    hidden: *echo == Echo::Hidden,
                    autocomplete: autocomplete(prompt, *echo),
                },
            },
            banner: &self.banner,
        };
        html(page.status, template.render())
    }

    /// The frame that the shell's script fills.
    pub(crate) fn shell_page(&self) -> Result<Response<Body>, AssetError> {
        let entries = self.assets.entries()?;
        let template = ShellTemplate {
            title: &self.title,
            script: format!("/assets/{}", entries.shell_script),
            style: format!("/assets/{}", entries.shell_style),
        };
        Ok(html(StatusCode::OK, template.render()))
    }

    /// A page that says why a request was refused and what to do next.
    pub(crate) fn error_page(&self, error: &ErrorPage<'_>) -> Response<Body> {
        let Explained { status, heading, cause, code, advice } = error.explain();
        let template = ErrorTemplate {
            heading: format!("{heading} – {}", self.title),
            cause,
            code,
            advice,
            style: &self.login_style(),
        };
        let mut response = html(status, template.render());
        let wait = match error {
            ErrorPage::Busy(seconds) => Some(*seconds),
            ErrorPage::BadRequest
            | ErrorPage::Forbidden
            | ErrorPage::NotFound
            | ErrorPage::MethodNotAllowed(_)
            | ErrorPage::TooLarge
            | ErrorPage::UnknownHost(_)
            | ErrorPage::Internal
            | ErrorPage::BridgeFailed => None,
        };
        if let Some(seconds) = wait {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        if let ErrorPage::MethodNotAllowed(methods) = error {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        response
    }

    /// Address of the login style sheet; a page is readable without.
    fn login_style(&self) -> String {
        let entries = self.assets.entries();
        entries
            .map(|entries| format!("/assets/{}", entries.login_style))
            .unwrap_or_default()
    }
}

impl Notice {
    fn sentence(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Failed => "The user name or the password was not accepted.".to_owned(),
            Self::Denied => {
                "This account may not log in at the moment. Ask the administrator of this machine.".to_owned()
            }
            Self::Limited(seconds) => {
                format!("Too many logins failed. Try again in {seconds} seconds.")
            }
            Self::Busy(seconds) => {
                format!("Many people are logging in at this moment. Try again in {seconds} seconds.")
            }
            Self::Expired => "The login took too long. Start again.".to_owned(),
            Self::Unavailable => {
                "The login service of this machine does not answer. The system log of this machine says why."
                    .to_owned()
            }
            Self::LoggedOut => "You are logged out.".to_owned(),
        }
    }
}

struct Explained {
    status: StatusCode,
    heading: &'static str,
    cause: String,
    code: String,
    advice: &'static str,
}

impl ErrorPage<'_> {
    fn explain(&self) -> Explained {
        let told = |status, heading, cause: &str, advice| Explained {
            status,
            heading,
            cause: cause.to_owned(),
            code: String::new(),
            advice,
        };
        match self {
            Self::BadRequest => told(
                StatusCode::BAD_REQUEST,
                "Request not understood",
                "The request is malformed.",
                "Go back and try again.",
            ),
            Self::Forbidden => told(
                StatusCode::FORBIDDEN,
                "Refused",
                "The request came from another site, or without the proof that it is yours.",
                "Open this server's own address and try again there.",
            ),
            Self::NotFound => told(
                StatusCode::NOT_FOUND,
                "Not found",
                "There is nothing at this address.",
                "Check the spelling, or begin at the start page.",
            ),
            Self::MethodNotAllowed(_) => told(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "This address does not take requests of this kind.",
                "Go back and try again.",
            ),
            Self::TooLarge => told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Too large",
                "The request is larger than this server accepts.",
                "Send less.",
            ),
            Self::UnknownHost(name) => Explained {
                status: StatusCode::MISDIRECTED_REQUEST,
                heading: "Unknown name",
                cause: format!(
                    "This server was addressed as \"{}\", which is not one of its names. If it should be, its \
                     administrator adds this line to the configuration file and restarts the server:",
                    visible(name)
                ),
                code: format!("host-names = [\"{}\"]", visible(name)),
                advice: "Until then, use the machine's host name or its IP address.",
            },
            Self::Internal => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Server error",
                "The server could not answer because of an error of its own.",
                "The system log of this machine says more.",
            ),
            Self::BridgeFailed => told(
                StatusCode::BAD_GATEWAY,
                "No answer",
                "The session's bridge gave no answer.",
                "Reload the page; if that does not help, log in again.",
            ),
            Self::Busy(seconds) => Explained {
                status: StatusCode::SERVICE_UNAVAILABLE,
                heading: "Busy",
                cause: format!("The server is busy. Try again in {seconds} seconds."),
                code: String::new(),
                advice: "Sessions that are open go on.",
            },
        }
    }
}

/// What a browser or password manager may fill in; PAM says nothing of this, so its words must do.
fn autocomplete(prompt: &str, echo: Echo) -> &'static str {
    let prompt = prompt.to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| prompt.contains(word));
    match echo {
        _ if names(&["code", "token", "otp", "pin", "factor"]) => "one-time-code",
        Echo::Hidden if names(&["new ", "retype", "again", "repeat"]) => "new-password",
        Echo::Hidden => "current-password",
        Echo::Shown => "off",
    }
}

/// Text from elsewhere, cut, with control and bidirectional characters made visible (T31, T43).
fn visible(text: &str) -> String {
    let hidden = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .take(1_024)
        .map(|shown| if hidden(shown) { '\u{fffd}' } else { shown })
        .collect()
}

fn html(status: StatusCode, rendered: Result<String, askama::Error>) -> Response<Body> {
    let mut response = match rendered {
        Ok(page) => {
            let mut response = Response::new(Body::from(page));
            *response.status_mut() = status;
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_to_after_login() {
        for path in ["/", "/hosts?q=a%20b#x", "/host/ada@web1:22/files//etc"] {
            assert_eq!(NextPath::parse(path).as_str(), path);
        }
        for path in [
            "",
            "hosts",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: x",
            "/a b",
            "/\u{e9}",
            "/cockpit/login",
            "/cockpit+app/socket",
            "\\\\evil",
            "javascript:alert(1)",
        ] {
            assert_eq!(NextPath::parse(path).as_str(), "/", "{path}");
        }
    }

    #[test]
    fn text_from_elsewhere_cannot_hide_anything() {
        assert_eq!(visible("a\u{202e}b\x1b[1m\u{9b}c\nd"), "a\u{fffd}b\u{fffd}[1m\u{fffd}c\nd");
        assert_eq!(visible(&"x".repeat(5_000)).len(), 1_024);
    }

    #[test]
    fn fields_are_named_for_password_managers() {
        assert_eq!(autocomplete("Password: ", Echo::Hidden), "current-password");
        assert_eq!(autocomplete("New password: ", Echo::Hidden), "new-password");
        assert_eq!(autocomplete("Retype new password: ", Echo::Hidden), "new-password");
        assert_eq!(autocomplete("Verification code: ", Echo::Shown), "one-time-code");
        assert_eq!(autocomplete("Favourite colour: ", Echo::Shown), "off");
    }

    #[tokio::test]
    async fn a_prompt_of_pam_is_marked_and_escaped() {
        let config = Config { web_dir: Some("/nonexistent".into()), ..Config::default() };
        let pages = Pages::new(&config, Arc::new(Assets::new(&config)));
        let message = PamMessage {
            kind: PamMessageKind::Error,
            text: "<b>Your password has expired</b>".to_owned(),
        };

        let response = pages.login_page(&LoginPage {
            status: StatusCode::OK,
            application: &Application::parse("cockpit+app").unwrap(),
            place: FormPlace::Login,
            next: &NextPath::parse("/hosts"),
            notice: Notice::None,
            messages: &[message],
            form: LoginForm::Prompt {
                conversation: "c1",
                prompt: "New <password>:",
                echo: Echo::Hidden,
            },
        });

        let body = axum::body::to_bytes(response.into_body(), 1 << 16)
            .await
            .unwrap();
        let page = String::from_utf8(body.to_vec()).unwrap();
        for part in [
            "action=\"/cockpit+app/login\"",
            "name=\"conversation\" value=\"c1\"",
            " asks:</h2>",
            " says:</h2>",
            "<p class=\"error\">&#60;b&#62;Your password has expired&#60;/b&#62;</p>",
            "New &#60;password&#62;:",
            "name=\"answer\" type=\"password\" autocomplete=\"new-password\"",
            "name=\"next\" value=\"/hosts\"",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("name=\"password\""));
    }
}
