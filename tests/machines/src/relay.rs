//! A bad line: latency, jitter, loss and a low rate between a machine and the bridge.
//!
//! The kernel's own netem is not everywhere, so frames take a way through this process: the machine's cable goes to
//! a small bridge of its own, and a TAP device on each bridge hands its frames by socat, one datagram each, to a
//! thread here for each direction. The thread sends every frame on when its time has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::enclosure::Attendant;
use crate::error::{Doing as _, Result};
use crate::needs::missing_programs;
use crate::program::is_installed;
use crate::running::Running;

/// Frames that wait in one direction; more are lost, as in any router. 1024 full frames at 10 Mbit/s are 1.2 s.
const QUEUE: usize = 1024;

/// More than the longest frame of an Ethernet with an MTU of 1500.
const FRAME: usize = 2048;

/// What a line is like, in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// How long each frame takes.
    pub latency: Duration,
    /// Up to so much longer, another for each frame. Frames stay in order.
    pub jitter: Duration,
    /// How many of a thousand frames are lost.
    pub loss_per_mille: u16,
    /// Bytes a second; no limit if absent.
    pub rate: Option<u64>,
}

impl Line {
    /// Nothing but latency.
    pub fn latency(latency: Duration) -> Self {
        Self { latency, jitter: Duration::ZERO, loss_per_mille: 0, rate: None }
    }
}

/// A machine's bad line; dropped, its threads and helpers end.
#[derive(Debug)]
pub(crate) struct Relay {
    helpers: Vec<Attendant>,
    directions: Vec<Direction>,
}

#[derive(Debug)]
struct Direction {
    ended: Arc<AtomicBool>,
    socket: Arc<UnixDatagram>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Lays the line. The machine's cable is silent for a moment meanwhile.
    pub(crate) fn lay(machine: &Running, line: Line) -> Result<Self> {
        if !is_installed("socat") {
            missing_programs(&["socat"])?;
        }
        let port = &machine.port;
        machine.lab.enclosure.script(&format!(
            "ip link add b{port} type bridge mcast_snooping 0
            ip tuntap add dev n{port} mode tap
            ip tuntap add dev f{port} mode tap
            ip link set b{port} up
            ip link set {port} master b{port}
            ip link set n{port} master b{port} up
            ip link set f{port} master lab up"
        ))?;
        let place = |name: &str| machine.directory.join(name);
        let near = Arc::new(bound(&place("near"))?);
        let far = Arc::new(bound(&place("far"))?);
        let mut relay = Self { helpers: Vec::new(), directions: Vec::new() };
        for (tap, ours, theirs) in [("n", "near", "near-tap"), ("f", "far", "far-tap")] {
            let socat = machine
                .lab
                .enclosure
                .program()
                .args(["sh", "-c", "echo ready; exec socat -b 2048 \"$1\" \"$2\"", "sh"])
                .arg(format!("TUN,tun-type=tap,tun-name={tap}{port},iff-no-pi"))
                .arg(format!(
                    "UNIX-SENDTO:{},bind={}",
                    place(ours).display(),
                    place(theirs).display()
                ));
            relay
                .helpers
                .push(Attendant::start_and_wait_for_output(socat)?);
        }
        for (from, path, to, out) in
            [(&near, "near", "far-tap", &far), (&far, "far", "near-tap", &near)]
        {
            relay.directions.push(Direction::start(
                from,
                place(path),
                Arc::clone(out),
                place(to),
                line,
            ));
        }
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for direction in &mut self.directions {
            direction.ended.store(true, Ordering::Relaxed);
            // Wakes it; nobody is hurt by an empty frame.
            drop(UnixDatagram::unbound().and_then(|socket| socket.send_to(&[], &direction.path)));
        }
        for direction in &mut self.directions {
            if let Some(thread) = direction.thread.take() {
                drop(thread.join());
            }
            drop(std::fs::remove_file(&direction.path));
        }
        self.helpers.clear();
        for direction in &self.directions {
            drop(direction.socket.shutdown(std::net::Shutdown::Both));
        }
    }
}

/// Takes the line away; the cable goes straight to the bridge again.
pub(crate) fn take_away(machine: &Running) -> Result<()> {
    let Running { port, directory, .. } = machine;
    let taps = directory.display();
    machine
        .lab
        .enclosure
        .script(&format!(
            "ip link set {port} master lab
            ip link del n{port}
            ip link del f{port}
            ip link del b{port}
            rm -f {taps}/near-tap {taps}/far-tap"
        ))
        .map(drop)
}

impl Direction {
    fn start(
        from: &Arc<UnixDatagram>,
        path: PathBuf,
        out: Arc<UnixDatagram>,
        to: PathBuf,
        line: Line,
    ) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (socket, flag) = (Arc::clone(from), Arc::clone(&ended));
        let thread = std::thread::spawn(move || carry(&socket, &out, &to, line, &flag));
        Self { ended, socket: Arc::clone(from), path, thread: Some(thread) }
    }
}

/// Takes frames and sends each when its time has come, until `ended`.
fn carry(from: &UnixDatagram, out: &UnixDatagram, to: &Path, line: Line, ended: &AtomicBool) {
    let mut schedule = Schedule::new(line, Instant::now());
    let mut buffer = [0; FRAME];
    while !ended.load(Ordering::Relaxed) {
        let now = Instant::now();
        while let Some(frame) = schedule.due(now) {
            // A machine that is off takes nothing.
            drop(out.send_to(&frame, to));
        }
        let wait = schedule
            .next()
            .map(|at| at.saturating_duration_since(Instant::now()));
        // A time-out of zero would mean none at all.
        drop(from.set_read_timeout(wait.map(|wait| wait.max(Duration::from_micros(50)))));
        if let Ok(length) = from.recv(&mut buffer)
            && let Some(frame) = buffer.get(..length)
        {
            schedule.take(frame, Instant::now());
        }
    }
}

/// Frames on their way, and when each arrives. Time is passed in.
#[derive(Debug)]
struct Schedule {
    line: Line,
    /// Arrival, order, frame; the earliest first.
    frames: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    taken: u64,
    /// When the line is free for the next frame.
    free: Instant,
    /// No frame overtakes another.
    last: Instant,
    random: u64,
}

impl Schedule {
    fn new(line: Line, now: Instant) -> Self {
        let random = 0x9E37_79B9_7F4A_7C15;
        Self { line, frames: BinaryHeap::new(), taken: 0, free: now, last: now, random }
    }

    fn take(&mut self, frame: &[u8], now: Instant) {
        let lost = self.random_below(1000) < u64::from(self.line.loss_per_mille);
        if lost || frame.is_empty() || self.frames.len() >= QUEUE {
            return;
        }
        self.taken += 1;
        let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        if let Some(rate) = self.line.rate {
            let micros = length.saturating_mul(1_000_000) / rate.max(1);
            self.free = self.free.max(now) + Duration::from_micros(micros);
        } else {
            self.free = now;
        }
        let jitter = u64::try_from(self.line.jitter.as_micros()).unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(self.random_below(jitter.saturating_add(1)));
        let arrival = (self.free + self.line.latency + jitter).max(self.last);
        self.last = arrival;
        self.frames
            .push(Reverse((arrival, self.taken, frame.to_vec())));
    }

    fn next(&self) -> Option<Instant> {
        self.frames.peek().map(|Reverse((at, _, _))| *at)
    }

    fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        self.frames.pop().map(|Reverse((_, _, frame))| frame)
    }

    /// Xorshift: good enough to lose frames by, and the same in every run.
    fn random_below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound.max(1)
    }
}

fn bound(path: &Path) -> Result<UnixDatagram> {
    drop(std::fs::remove_file(path));
    UnixDatagram::bind(path).doing("make", path)
}

#[test]
fn a_frame_arrives_after_its_latency_and_no_frame_overtakes_another() {
    let start = Instant::now();
    let line =
        Line { jitter: Duration::from_millis(50), ..Line::latency(Duration::from_millis(20)) };
    let mut schedule = Schedule::new(line, start);
    for byte in 0..100 {
        schedule.take(&[byte], start);
    }

    assert_eq!(schedule.due(start + Duration::from_millis(19)), None);
    let arrived: Vec<u8> = std::iter::from_fn(|| schedule.due(start + Duration::from_millis(70)))
        .flatten()
        .collect();

    assert_eq!(arrived, (0..100).collect::<Vec<u8>>());
}

#[test]
fn a_tenth_is_lost_when_a_tenth_is_to_be_lost() {
    let start = Instant::now();
    let line = Line { loss_per_mille: 100, ..Line::latency(Duration::ZERO) };
    let mut schedule = Schedule::new(line, start);

    let arrived = (0..10_000)
        .filter(|_| {
            schedule.take(b"frame", start);
            schedule.due(start).is_some()
        })
        .count();

    assert!((8_800..9_200).contains(&arrived), "{arrived}");
}

#[test]
fn a_line_of_1000_bytes_a_second_takes_a_second_for_1000_bytes_and_holds_no_more_than_its_queue() {
    let start = Instant::now();
    let line = Line { rate: Some(1000), ..Line::latency(Duration::ZERO) };
    let mut schedule = Schedule::new(line, start);
    for _ in 0..5000 {
        schedule.take(&[0; 100], start);
    }

    let in_time = std::iter::from_fn(|| schedule.due(start + Duration::from_secs(1))).count();

    assert_eq!(in_time, 10);
    assert_eq!(schedule.frames.len(), QUEUE - 10);
}
