//! From a password to a page.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{Bench, milliseconds};
use crate::http;
use crate::page::Page;
use crate::program::program;
use crate::subject::{Kind, Subject};
use crate::wire::{LONG, Wait};

/// The PAM service: ours takes it where its own is not installed.
const SERVICE: &str = "login";

/// What every login must do at least: the same calls of PAM, with the start of the program that makes them.
pub(crate) fn pam(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind != Kind::Pilothouse {
        return Ok(None);
    }
    let steps = ["authenticate", "acct_mgmt", "open_session", "close_session"];
    let mut arguments = vec![SERVICE, subject.account.user.as_str()];
    arguments.extend(steps);
    let start = Instant::now();
    let mut tester = program("pamtester", arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("pamtester is not installed")?;
    if let Some(mut input) = tester.stdin.take() {
        writeln!(input, "{}", subject.account.password)?;
    }
    ensure!(tester.wait()?.success(), "pamtester: the login was refused");
    Ok(Some(milliseconds(start)))
}

/// One request on a connection that stands.
pub(crate) fn login(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == Kind::Floor {
        return Ok(None);
    }
    let mut visitor = subject.stranger();
    let mut wire = visitor.connect()?;
    http::get(&mut wire, &visitor.host, "/ping", "")?;
    let start = Instant::now();
    visitor.log_in(&mut wire, &subject.account)?;
    let time = milliseconds(start);
    visitor.log_out()?;
    // The session's end must not disturb the next one's beginning.
    std::thread::sleep(LONG / 300);
    Ok(Some(time))
}

/// TCP and TLS, up to an answer.
pub(crate) fn handshake(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let visitor = subject.visitor()?;
    let start = Instant::now();
    let mut wire = visitor.connect()?;
    http::get(&mut wire, &visitor.host, "/ping", "")?;
    Ok(Some(milliseconds(start)))
}

/// From the upgrade's request, on a connection that stands, to the server's `init`.
pub(crate) fn init(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let visitor = subject.visitor()?;
    let mut wire = visitor.connect()?;
    http::get(&mut wire, &visitor.host, "/ping", "")?;
    wire.turn(Wait::No)?;
    let start = Instant::now();
    let _page = Page::open_on(wire, &visitor)?;
    Ok(Some(milliseconds(start)))
}
