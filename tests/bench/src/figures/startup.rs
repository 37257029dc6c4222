//! From nothing to the first word.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, milliseconds};
use crate::http;
use crate::program::{Running, finish, program};
use crate::subject::{Kind, Subject};
use crate::wire::LONG;

/// A bridge that has said `init`.
pub(crate) struct Greeted {
    bridge: Running,
    _link: UnixStream,
}

impl Greeted {
    /// Starts it and reads its first frame.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let (mut ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone()?)));
        command.stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        let bridge = Running::start(command)?;
        ours.set_read_timeout(Some(LONG))?;
        let mut said = [0; 4096];
        let count = ours.read(&mut said)?;
        let said = String::from_utf8_lossy(said.get(..count).unwrap_or_default()).into_owned();
        ensure!(said.contains("\"init\""), "the bridge says {said:?}");
        Ok(Self { bridge, _link: ours })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.bridge.id()
    }
}

/// From `exec` to its `init`.
pub(crate) fn bridge(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    let command = match subject.kind {
        Kind::Pilothouse => program(&bench.bridge, [""; 0]),
        Kind::Floor => program(&bench.own, ["floor-bridge"]),
        Kind::Cockpit => program("cockpit-bridge", [""; 0]),
    };
    let start = Instant::now();
    let greeted = Greeted::start(command)?;
    let time = milliseconds(start);
    drop(greeted);
    Ok(Some(time))
}

/// The whole server, with its certificate made already.
pub(crate) fn server(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    match subject.kind {
        Kind::Floor => Ok(None),
        Kind::Cockpit => {
            finish("systemctl", &["stop", "cockpit.service"])?;
            subject.forget_visitor();
            let start = Instant::now();
            answer(subject)?;
            Ok(Some(milliseconds(start)))
        }
        Kind::Pilothouse => {
            let state = bench.scratch.join("start");
            // A port that nobody has, given back for the server to take.
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let mut command = program(&bench.pilothouse, ["run", "--listen"]);
            command
                .arg(address.to_string())
                .arg("--state-dir")
                .arg(&state);
            let mut other = Subject::new(
                subject.name.as_str(),
                Kind::Pilothouse,
                subject.account.clone(),
                address,
                subject.processes.clone(),
            );
            if !state.exists() {
                let _first = Running::silently(clone(&command))?;
                answer_within(&mut other)?;
            }
            let start = Instant::now();
            let _running = Running::silently(command)?;
            answer_within(&mut other)?;
            Ok(Some(milliseconds(start)))
        }
    }
}

fn clone(command: &Command) -> Command {
    program(command.get_program(), command.get_args())
}

fn answer(subject: &Subject) -> Result<()> {
    let visitor = subject.stranger();
    let mut wire = visitor.connect()?;
    http::get(&mut wire, &visitor.host, "/ping", "").map(drop)
}

/// Tries until the server listens.
fn answer_within(subject: &mut Subject) -> Result<()> {
    let start = Instant::now();
    loop {
        match answer(subject) {
            Ok(()) => return Ok(()),
            Err(error) if start.elapsed() > LONG => return Err(error).context("no answer"),
            Err(_not_yet) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}
