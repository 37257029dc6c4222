//! `stream` with programs.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;

use super::{Bench, mebibytes, quantile};
use crate::page::{Incoming, Opcode, Page};
use crate::subject::Subject;

/// Bytes that go through `cat`.
const THROUGH: usize = 128 << 20;

/// Bytes of one message: what a page sends at most.
const BLOCK: usize = 64 << 10;

/// Bytes under way at once: less than a bridge keeps for a program that does not read.
const UNDER_WAY: usize = 4 << 20;

/// Programs of one measurement.
const PROGRAMS: usize = 40;

/// Through a program and back, in MiB a second.
pub(crate) fn cat(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let mut page = Page::open(&subject.visitor()?)?;
    let options = json!({ "payload": "stream", "spawn": ["cat"], "binary": "raw" });
    let channel = page.ready_channel(options)?;
    let block = vec![b'x'; BLOCK];
    let start = Instant::now();
    let mut sent = 0;
    let mut back = 0;
    while back < THROUGH {
        while sent < THROUGH && sent - back < UNDER_WAY && !page.is_clogged() {
            page.frame(Opcode::Binary, &channel, &block);
            sent += BLOCK;
            page.flush()?;
        }
        back += page.each(|incoming| match incoming {
            Incoming::Data(data) => Ok(Some(data.len())),
            Incoming::Control(message) => bail!("data expected, not {message:?}"),
        })?;
    }
    let rate = mebibytes(THROUGH as u64) / start.elapsed().as_secs_f64();
    page.close(&channel)?;
    Ok(Some(rate))
}

/// A program that does nothing, from `open` to `close`.
pub(crate) fn nothing(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let mut page = Page::open(&subject.visitor()?)?;
    let mut times = Vec::new();
    for _ in 0..PROGRAMS {
        let start = Instant::now();
        page.channel(json!({ "payload": "stream", "spawn": ["true"] }))?;
        page.until_closed()?;
        times.push(start.elapsed());
    }
    Ok(quantile(times, (1, 2)))
}
