//! `echo`: what a message costs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::{Bench, per_second, quantile};
use crate::page::{Incoming, Opcode, Page};
use crate::subject::Subject;

/// Bytes of a message.
const MESSAGE: [u8; 64] = [b'x'; 64];

/// Messages of a measurement one after the other.
const ONE_BY_ONE: usize = 2_000;

/// Messages before one, so that everything is warm.
const WARM: usize = 200;

/// Messages under way at once.
const UNDER_WAY: usize = 128;

/// Messages of a measurement with many under way.
const MANY: usize = 200_000;

fn times(subject: &mut Subject) -> Result<Vec<Duration>> {
    let mut page = Page::open(&subject.visitor()?)?;
    let channel = page.ready_channel(json!({ "payload": "echo" }))?;
    let mut times = Vec::with_capacity(ONE_BY_ONE);
    for at in 0..WARM + ONE_BY_ONE {
        let start = Instant::now();
        page.frame(Opcode::Text, &channel, &MESSAGE);
        page.data()?;
        if at >= WARM {
            times.push(start.elapsed());
        }
    }
    Ok(times)
}

/// There and back, the median.
pub(crate) fn median(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    Ok(quantile(times(subject)?, (1, 2)))
}

/// There and back, the slowest of a hundred.
pub(crate) fn rare(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    Ok(quantile(times(subject)?, (99, 100)))
}

/// A second's worth, with so many under way that nobody waits.
pub(crate) fn rate(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let mut page = Page::open(&subject.visitor()?)?;
    let channel = page.ready_channel(json!({ "payload": "echo" }))?;
    let start = Instant::now();
    let mut sent = 0;
    let mut back = 0;
    while back < MANY {
        while sent - back < UNDER_WAY && sent < MANY {
            page.frame(Opcode::Text, &channel, &MESSAGE);
            sent += 1;
        }
        page.flush()?;
        let mut came = 0;
        let mut count = |incoming: Incoming<'_>| {
            match incoming {
                Incoming::Data(_) => came += 1,
                Incoming::Control(message) => bail!("data expected, not {message:?}"),
            }
            Ok(None::<()>)
        };
        page.each_received(&mut count)?;
        if came == 0 {
            page.each(|incoming| match incoming {
                Incoming::Data(_) => Ok(Some(())),
                Incoming::Control(message) => bail!("data expected, not {message:?}"),
            })?;
            came = 1;
        }
        back += came;
    }
    Ok(Some(per_second(MANY, start)))
}
