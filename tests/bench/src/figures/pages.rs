//! The login page, as a browser fetches it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, Timespec, poll};

use super::{Bench, per_second};
use crate::http::{self, Answer};
use crate::subject::Subject;
use crate::wire::{Wait, Wire};

/// Connections at once.
const CONNECTIONS: usize = 50;

/// How long they ask.
const DURATION: Duration = Duration::from_secs(1);

/// What a browser says about itself.
const HEADERS: &str =
    "Accept: text/html,*/*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n";

/// Every answer that the page needs.
fn load(subject: &Subject) -> Result<Vec<Answer>> {
    let visitor = subject.stranger();
    let mut wire = visitor.connect()?;
    let page = http::get(&mut wire, &visitor.host, "/", HEADERS)?;
    // The references are read from a copy that is not compressed.
    let plain = http::get(&mut wire, &visitor.host, "/", "Accept: text/html\r\n")?;
    ensure!(plain.status == 200, "the login page: {}", plain.status);
    let text = String::from_utf8_lossy(&plain.body).into_owned();
    let mut answers = vec![page];
    for path in references(&text) {
        answers.push(http::get(&mut wire, &visitor.host, &path, HEADERS)?);
    }
    Ok(answers)
}

/// Paths of scripts, styles and pictures.
fn references(page: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let attribute = match tag.split_whitespace().next() {
            Some("script" | "img") => "src=\"",
            Some("link") => "href=\"",
            Some(_) | None => continue,
        };
        let value = tag
            .split(attribute)
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        if let Some(path) = value.filter(|path| !path.starts_with("data:")) {
            paths.push(format!("/{}", path.trim_start_matches('/')));
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// How many.
pub(crate) fn requests(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == crate::subject::Kind::Floor {
        return Ok(None);
    }
    let count = u32::try_from(load(subject)?.len()).context("so many")?;
    Ok(Some(f64::from(count)))
}

/// Bytes of all answers, heads and all, in KiB.
pub(crate) fn bytes(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == crate::subject::Kind::Floor {
        return Ok(None);
    }
    let bytes: usize = load(subject)?.iter().map(|answer| answer.bytes).sum();
    Ok(Some(f64::from(u32::try_from(bytes)?) / 1024.0))
}

/// Answers a second on connections that stand.
pub(crate) fn rate(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let visitor = subject.stranger();
    let mut wires: Vec<Wire> = (0..CONNECTIONS)
        .map(|_| visitor.connect())
        .collect::<Result<_>>()?;
    for wire in &mut wires {
        http::get(wire, &visitor.host, "/", HEADERS)?;
    }
    for wire in &mut wires {
        http::ask(wire, &visitor.host, "/", HEADERS)?;
    }
    let start = Instant::now();
    let mut answers = 0;
    while start.elapsed() < DURATION {
        let mut descriptors: Vec<_> = wires
            .iter()
            .map(|wire| PollFd::new(wire, wire.interest()))
            .collect();
        poll(&mut descriptors, Some(&Timespec { tv_sec: 5, tv_nsec: 0 }))?;
        let ready: Vec<bool> = descriptors
            .iter()
            .map(|descriptor| !descriptor.revents().is_empty())
            .collect();
        for (wire, _) in wires.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            wire.turn(Wait::No)?;
            ensure!(!wire.is_closed(), "the server hung up");
            // The next answer may have come with the next question.
            while let Some(answer) = http::answer(wire)? {
                ensure!(answer.status == 200, "the login page: {}", answer.status);
                answers += 1;
                http::ask(wire, &visitor.host, "/", HEADERS)?;
            }
        }
    }
    Ok(Some(per_second(answers, start)))
}
