//! `metrics1`: figures of this machine, sampled while somebody looks.
//!
//! Source `internal`: what `/proc`, `/sys` and cgroups say, read anew for each sample. The first message says which
//! figures and instances follow and is sent again when instances change; then each message is one row. Histories
//! (`pmcd`, archives) are not kept here. Text: docs/protocol.md, "metrics1".

mod catalog;
mod row;
mod sample;

use std::time::{Duration, SystemTime};

use protocol::json::Fields;
use protocol::problem::Problem;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port, Receiver};
use row::{Column, Row};
use sample::Sample;

/// Most figures in one channel: the largest stock page asks for 24.
const MAX_METRICS: usize = 256;

/// Shortest interval between rows in milliseconds, so that a page cannot make the machine busy with itself.
const SHORTEST_INTERVAL: u64 = 50;

/// The kind.
#[derive(Debug)]
pub(super) struct Metrics;

/// What is sampled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Options {
    #[serde(default = "internal")]
    source: serde_json::Value,
    #[serde(default)]
    metrics: Vec<Wanted>,
    instances: Option<Vec<String>>,
    #[serde(default)]
    omit_instances: Vec<String>,
    #[serde(default = "one_second")]
    interval: i64,
    limit: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    name: String,
    units: Option<String>,
    derive: Option<String>,
}

fn internal() -> serde_json::Value {
    "internal".into()
}

fn one_second() -> i64 {
    1_000
}

impl Channel for Metrics {
    const KIND: &'static str = "metrics1";
    type Options = Options;

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
        let interval = interval(&options)?;
        let columns = columns(&options)?;
        let Port { mut receiver, mut sender, .. } = port;
        sender.ready(Fields::new());

        let mut rows = Row::series(columns, options.instances, options.omit_instances);
        let mut ticks = tokio::time::interval_at(Instant::now(), interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut page_left = std::pin::pin!(page_left(&mut receiver));
        let mut left = options.limit.unwrap_or(u64::MAX);
        while left > 0 {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut page_left => break,
            }
            let wanted = rows.groups();
            let sample = tokio::task::spawn_blocking(move || Sample::take(wanted));
            let sample = sample.await.map_err(|error| {
                Closed::new(Problem::InternalError, format!("sampling failed: {error}"))
            })?;
            let row = rows.next(sample);
            if row.instances_changed {
                let meta = json!({
                    "source": "internal",
                    "interval": interval.as_millis(),
                    "timestamp": milliseconds_now(),
                    "now": milliseconds_now(),
                    "metrics": rows.meta(),
                });
                sender.send(meta.to_string().as_bytes()).await;
            }
            sender
                .send(json!([row.values]).to_string().as_bytes())
                .await;
            left -= 1;
        }
        sender.done();
        Ok(Fields::new())
    }
}

fn interval(options: &Options) -> Result<Duration, Closed> {
    if options.source != "internal" {
        let message = format!("no metrics from source {}", options.source);
        return Err(Closed::new(Problem::NotSupported, message));
    }
    match u64::try_from(options.interval) {
        Ok(0) | Err(_) => {
            Err(Closed::protocol_error(format!("interval {} is not positive", options.interval)))
        }
        Ok(interval) => Ok(Duration::from_millis(interval.max(SHORTEST_INTERVAL))),
    }
}

fn columns(options: &Options) -> Result<Vec<Column>, Closed> {
    if options.metrics.len() > MAX_METRICS {
        let message = format!("{} metrics, at most {MAX_METRICS}", options.metrics.len());
        return Err(Closed::new(Problem::TooLarge, message));
    }
    options
        .metrics
        .iter()
        .map(|wanted| {
            let metric = catalog::find(&wanted.name).ok_or_else(|| {
                Closed::new(Problem::NotSupported, format!("no metric {:?}", wanted.name))
            })?;
            if wanted
                .units
                .as_ref()
                .is_some_and(|units| units != metric.units)
            {
                let message = format!("{} is in {}", metric.name, metric.units);
                return Err(Closed::new(Problem::NotSupported, message));
            }
            Column::new(metric, wanted.derive.as_deref())
        })
        .collect()
}

/// Ends when the page is done. Data that it sends are of no use.
async fn page_left(receiver: &mut Receiver) {
    while let Some(incoming) = receiver.receive().await {
        if incoming == Incoming::Done {
            return;
        }
    }
}

/// Milliseconds since 1970 by this machine's clock.
fn milliseconds_now() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
