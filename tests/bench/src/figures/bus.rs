//! `dbus-json3` on the system bus; the floor speaks to the bus itself.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Bench, milliseconds, per_second, quantile};
use crate::page::{Incoming, Opcode, Page};
use crate::raw_bus::RawBus;
use crate::subject::{Kind, Subject};

/// Calls of a measurement.
const CALLS: usize = 500;

/// Calls that take long.
const LARGE_CALLS: usize = 50;

/// Channels of a measurement.
const CHANNELS: usize = 20;

/// Calls under way at once, and all of them.
const UNDER_WAY: usize = 64;
const MANY: usize = 20_000;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

fn options(name: &str) -> Value {
    json!({ "payload": "dbus-json3", "bus": "system", "name": name })
}

/// From `open` to `ready`, while another channel stands.
pub(crate) fn open(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == Kind::Floor {
        let start = Instant::now();
        RawBus::connect()?;
        return Ok(Some(milliseconds(start)));
    }
    let mut page = Page::open(&subject.visitor()?)?;
    page.ready_channel(options(SYSTEMD))?;
    let mut times = Vec::new();
    for _ in 0..CHANNELS {
        let start = Instant::now();
        let channel = page.channel(options(SYSTEMD))?;
        page.each(|incoming| match incoming {
            Incoming::Control(message) if message.get("command") == Some(&json!("ready")) => {
                Ok(Some(()))
            }
            Incoming::Control(message) => bail!("ready expected, not {message:?}"),
            Incoming::Data(_) => Ok(None),
        })?;
        times.push(start.elapsed());
        page.close(&channel)?;
    }
    Ok(quantile(times, (1, 2)))
}

/// The smallest call there is.
pub(crate) fn small_call(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    call(subject, (BUS, BUS_PATH, BUS, "GetId"), CALLS)
}

/// A call with an answer of some 100 KiB.
pub(crate) fn large_call(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    call(subject, (SYSTEMD, SYSTEMD_PATH, MANAGER, "ListUnits"), LARGE_CALLS)
}

type Method = (&'static str, &'static str, &'static str, &'static str);

fn call(subject: &mut Subject, method: Method, calls: usize) -> Result<Option<f64>> {
    let (name, path, interface, member) = method;
    let mut times = Vec::new();
    if subject.kind == Kind::Floor {
        let mut bus = RawBus::connect()?;
        for _ in 0..calls {
            let start = Instant::now();
            bus.call(name, path, interface, member)?;
            bus.reply()?;
            times.push(start.elapsed());
        }
        return Ok(quantile(times, (1, 2)));
    }
    let mut page = Page::open(&subject.visitor()?)?;
    let channel = page.ready_channel(options(name))?;
    let message = json!({ "call": [path, interface, member, []], "id": "1" }).to_string();
    for _ in 0..calls {
        let start = Instant::now();
        page.frame(Opcode::Text, &channel, message.as_bytes());
        wait_for_replies(&mut page)?;
        times.push(start.elapsed());
    }
    Ok(quantile(times, (1, 2)))
}

/// How many replies came; at least one. A channel also says who owns its name.
fn wait_for_replies(page: &mut Page) -> Result<usize> {
    let mut count = 0;
    let mut take = |incoming: Incoming<'_>| {
        match incoming {
            Incoming::Data(data) if contains(data, b"\"reply\"") => count += 1,
            Incoming::Data(data) if contains(data, b"\"error\"") => {
                bail!("the call failed: {}", String::from_utf8_lossy(data));
            }
            Incoming::Data(_) => {}
            Incoming::Control(message) => bail!("data expected, not {message:?}"),
        }
        Ok(None::<()>)
    };
    page.flush()?;
    page.each_received(&mut take)?;
    while count == 0 {
        let came = page.each(|incoming| match incoming {
            Incoming::Data(data) if contains(data, b"\"error\"") => {
                bail!("the call failed: {}", String::from_utf8_lossy(data))
            }
            Incoming::Data(data) => Ok(Some(usize::from(contains(data, b"\"reply\"")))),
            Incoming::Control(message) => bail!("data expected, not {message:?}"),
        })?;
        count += came;
    }
    Ok(count)
}

/// Whether `word` stands in the beginning of `data`: members of a reply come in any order, but `reply` is never far.
fn contains(data: &[u8], word: &[u8]) -> bool {
    let head = data.get(..64.min(data.len())).unwrap_or_default();
    let tail = data
        .get(data.len().saturating_sub(64)..)
        .unwrap_or_default();
    [head, tail]
        .iter()
        .any(|part| part.windows(word.len()).any(|found| found == word))
}

/// Calls a second.
pub(crate) fn rate(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == Kind::Floor {
        return floor_rate();
    }
    let mut page = Page::open(&subject.visitor()?)?;
    let channel = page.ready_channel(options(BUS))?;
    let message = json!({ "call": [BUS_PATH, BUS, "GetId", []], "id": "1" }).to_string();
    let start = Instant::now();
    let mut sent = 0;
    let mut back = 0;
    while back < MANY {
        while sent - back < UNDER_WAY && sent < MANY {
            page.frame(Opcode::Text, &channel, message.as_bytes());
            sent += 1;
        }
        back += wait_for_replies(&mut page)?;
    }
    Ok(Some(per_second(MANY, start)))
}

fn floor_rate() -> Result<Option<f64>> {
    let mut bus = RawBus::connect()?;
    let start = Instant::now();
    for sent in 0..MANY {
        bus.call(BUS, BUS_PATH, BUS, "GetId")?;
        if sent >= UNDER_WAY {
            bus.reply()?;
        }
    }
    for _ in 0..UNDER_WAY {
        bus.reply()?;
    }
    Ok(Some(per_second(MANY, start)))
}
