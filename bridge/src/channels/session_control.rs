//! `session-control`: tells a page how long an unused session lives, counts down, and logs out.
//!
//! Opened by the shell. What counts as use is in `idle`. Text: docs/protocol.md, "session-control".

use std::sync::Arc;
use std::time::Duration;

use protocol::json::Fields;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port, Receiver, Sender};
use crate::{Bridge, idle::Idle};

/// Seconds that are counted down before an unused session ends.
const COUNTDOWN: u64 = 30;

/// How long the page may take to leave after `logout`, before the bridge ends.
const LEAVE_TIME: Duration = Duration::from_secs(10);

/// The kind.
#[derive(Debug)]
pub(super) struct SessionControl;

/// It has none.
#[derive(Debug, Deserialize)]
pub(super) struct Options {}

impl Channel for SessionControl {
    const KIND: &'static str = "session-control";
    type Options = Options;

    async fn run(_options: Options, port: Port) -> Result<Fields, Closed> {
        let Port { mut receiver, sender, bridge } = port;
        bridge.idle.used();
        let mut fields = Fields::new();
        let seconds = bridge.idle.limit().map_or(0, |limit| limit.as_secs());
        fields.insert("timeout".to_owned(), seconds.into());
        sender.ready(fields);
        tokio::select! {
            () = take_activity(&mut receiver, &bridge.idle) => {}
            () = log_out_when_unused(&sender, &bridge) => {}
        }
        Ok(Fields::new())
    }
}

/// Takes what the page says until it is done.
async fn take_activity(receiver: &mut Receiver, idle: &Idle) {
    while let Some(incoming) = receiver.receive().await {
        match incoming {
            Incoming::Other { command, .. } if command == "active" => idle.used(),
            Incoming::Done => return,
            Incoming::Data(_) | Incoming::Options(_) | Incoming::Other { .. } => {}
        }
    }
}

async fn log_out_when_unused(sender: &Sender, bridge: &Arc<Bridge>) {
    let Some(limit) = bridge.idle.limit() else { return std::future::pending().await };
    let countdown = Duration::from_secs(COUNTDOWN).min(limit / 2);
    loop {
        let end = unused_since(&bridge.idle, limit.saturating_sub(countdown)).await + limit;
        if bridge.idle.is_busy() {
            bridge.idle.used();
            continue;
        }
        if count_down(sender, &bridge.idle, end).await == Counted::ToTheEnd {
            break;
        }
    }
    sender.control("logout", Fields::new());
    let bridge = Arc::clone(bridge);
    // A task of its own: the page that leaves closes this channel.
    tokio::spawn(async move {
        sleep(LEAVE_TIME).await;
        bridge.end();
    });
    std::future::pending::<()>().await;
}

/// Waits until the session was not used for `time`; says when it was last used.
async fn unused_since(idle: &Idle, time: Duration) -> Instant {
    let mut last_used = idle.last_used();
    loop {
        let used = *last_used.borrow_and_update();
        tokio::select! {
            () = sleep_until(used + time) => return used,
            _ = last_used.changed() => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Counted {
    ToTheEnd,
    UntilUsed,
}

async fn count_down(sender: &Sender, idle: &Idle, end: Instant) -> Counted {
    let mut last_used = idle.last_used();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fields = Fields::new();
        fields.insert(
            "counter".to_owned(),
            left.as_millis()
                .div_ceil(1_000)
                .try_into()
                .unwrap_or(0_u64)
                .into(),
        );
        sender.control("countdown", fields);
        if left.is_zero() {
            return Counted::ToTheEnd;
        }
        tokio::select! {
            () = sleep(left.min(Duration::from_secs(1))) => {}
            _ = last_used.changed() => return Counted::UntilUsed,
        }
    }
}
