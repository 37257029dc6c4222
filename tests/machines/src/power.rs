//! Power: boots a machine, notices when it is up, starts it again when it reboots, and switches it off.
//!
//! One thread for each machine runs `systemd-nspawn` and hears of its life by the notification socket
//! (`sd_notify(3)`): nspawn tells the leader's number, then READY when the system inside says it is up. With
//! `--keep-unit` nspawn ends with 133 when the system inside reboots. Nothing here polls.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::cgroup::{ENTER_AND_EXEC, Groups};
use crate::enclosure::inside;
use crate::error::{Doing as _, Error, Result};
use crate::process::{Identity, children, numbers};
use crate::program::{Program, tail};
use crate::virtual_machine::{Computer, qemu};

/// How long a boot may take on a machine with ten times the usual load.
const BOOT: Duration = Duration::from_secs(90);

/// The same, and for an orderly end, of an emulated computer: 15 s of a quiet host are minutes on a busy one.
const EMULATED_BOOT: Duration = Duration::from_mins(6);

/// How long an orderly end may take; longer than the stop time-out of an ordinary unit would be a fault.
const SHUT_DOWN: Duration = Duration::from_secs(100);

/// Exit code of `systemd-nspawn --keep-unit` when the system inside reboots.
const REBOOT: &str = "133";

/// Most of the console that goes into an error, in bytes.
const CONSOLE_IN_ERRORS: usize = 3000;

/// Everything that decides how a machine is started.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// First process of the enclosure.
    pub(crate) enclosure: Pid,
    /// Host name.
    pub(crate) name: String,
    /// Name that no other machine on this host has.
    pub(crate) unique: String,
    /// Root directory, inside the enclosure.
    pub(crate) root: PathBuf,
    /// The machine's files on the host: console, leader, socket.
    pub(crate) directory: PathBuf,
    /// What it runs on.
    pub(crate) hardware: Hardware,
}

/// What a machine runs on.
#[derive(Debug, Clone)]
pub(crate) enum Hardware {
    /// The host's kernel; with more arguments for nspawn.
    Shared(Vec<String>),
    /// An emulated computer, its files in this directory.
    Emulated(Computer, PathBuf),
}

/// Where in its life a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Off,
    Booting,
    Up,
}

/// What its owner wants of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    On,
    Off,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Off as soon as it has been killed, so that a machine that was just booting or rebooting ends too.
    wanted: Wanted,
    /// Finished boots since the description was made.
    boots: u32,
    /// The process that entered the enclosure to become nspawn's parent.
    supervisor: Option<Identity>,
    leader: Option<Identity>,
}

/// A machine's switch.
#[derive(Debug)]
pub(crate) struct Power {
    plan: Plan,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until `holds`, or says no after `limit`.
    fn wait(&self, limit: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| !holds(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        holds(&state)
    }
}

impl Power {
    /// A machine that is off.
    pub(crate) fn new(plan: Plan) -> Self {
        let state = State {
            phase: Phase::Off,
            wanted: Wanted::Off,
            boots: 0,
            supervisor: None,
            leader: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        Self { plan, shared, thread: Mutex::new(None) }
    }

    /// Boots it and waits until it is up.
    pub(crate) fn on(&self) -> Result<()> {
        if self.shared.state().phase != Phase::Off {
            return Ok(());
        }
        self.join();
        let before = self.shared.state().boots;
        self.shared.change(|state| {
            state.phase = Phase::Booting;
            state.wanted = Wanted::On;
        });
        let (plan, shared) = (self.plan.clone(), Arc::clone(&self.shared));
        let thread = std::thread::spawn(move || {
            if let Err(error) = attend(&plan, &shared) {
                eprintln!("{}: {error}", plan.name);
            }
            shared.change(|state| {
                state.phase = Phase::Off;
                state.leader = None;
                state.supervisor = None;
            });
            drop(fs::remove_file(plan.directory.join("leader")));
        });
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        self.wait_for_boot_after(before)
    }

    /// How often it has booted.
    pub(crate) fn boots(&self) -> u32 {
        self.shared.state().boots
    }

    /// Waits for a boot that ends after `before` boots.
    pub(crate) fn wait_for_boot_after(&self, before: u32) -> Result<()> {
        let limit = match self.plan.hardware {
            Hardware::Shared(_) => BOOT,
            Hardware::Emulated(..) => EMULATED_BOOT,
        };
        let ended = self.shared.wait(limit, |state| {
            state.phase == Phase::Off || (state.boots > before && state.phase == Phase::Up)
        });
        if ended && self.shared.state().phase == Phase::Up {
            return Ok(());
        }
        Err(self.too_slow("did not boot", limit))
    }

    /// Waits until it has switched itself off.
    pub(crate) fn wait_for_off(&self) -> Result<()> {
        let limit = match self.plan.hardware {
            Hardware::Shared(_) => SHUT_DOWN,
            Hardware::Emulated(..) => EMULATED_BOOT,
        };
        if self.shared.wait(limit, |state| state.phase == Phase::Off) {
            self.join();
            return Ok(());
        }
        Err(self.too_slow("did not shut down", limit))
    }

    /// Ends it at once, as a power cut does, and waits until it has.
    pub(crate) fn cut(&self) {
        self.kill();
        self.join();
    }

    /// Ends it at once and does not wait.
    pub(crate) fn kill(&self) {
        let (supervisor, leader) = {
            let mut state = self.shared.state();
            state.wanted = Wanted::Off;
            (state.supervisor, state.leader)
        };
        let nspawn = supervisor
            .map(|entered| children(entered.pid()))
            .unwrap_or_default();
        match leader {
            Some(leader) => leader.signal(Signal::KILL),
            // It is still starting: its nspawn goes, and takes with it whatever it has started.
            None => nspawn
                .into_iter()
                .filter_map(Identity::of)
                .for_each(|it| it.signal(Signal::KILL)),
        }
    }

    /// Its PID 1, as the host numbers it.
    pub(crate) fn leader(&self) -> Result<Identity> {
        self.shared
            .state()
            .leader
            .ok_or_else(|| Error::Off { machine: self.plan.name.clone() })
    }

    /// What its console showed since it was made.
    pub(crate) fn console(&self) -> String {
        fs::read_to_string(self.plan.directory.join("console")).unwrap_or_default()
    }

    fn too_slow(&self, what: &'static str, limit: Duration) -> Error {
        Error::TooSlow {
            machine: self.plan.name.clone(),
            what,
            seconds: limit.as_secs(),
            console: tail(&self.console(), CONSOLE_IN_ERRORS),
        }
    }

    fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

/// Runs nspawn until the machine is off for good.
fn attend(plan: &Plan, shared: &Shared) -> Result<()> {
    loop {
        let how = boot_once(plan, shared)?;
        if how != REBOOT || shared.state().wanted == Wanted::Off {
            return Ok(());
        }
        shared.change(|state| {
            state.phase = Phase::Booting;
            state.leader = None;
        });
    }
}

/// One boot, from start to end; returns nspawn's exit code.
fn boot_once(plan: &Plan, shared: &Shared) -> Result<String> {
    let socket_path = plan.directory.join("notify");
    drop(fs::remove_file(&socket_path));
    let socket = UnixDatagram::bind(&socket_path).doing("make", &socket_path)?;
    let groups = Groups::make(&plan.unique)?;
    let ready = ReadyLine::listen(plan, &socket_path)?;
    let mut nspawn = started(plan, &groups, &socket_path)
        .start_logging_to(log(&plan.directory.join("console"))?)?;
    let entered = i32::try_from(nspawn.id())
        .ok()
        .and_then(Pid::from_raw)
        .unwrap_or(Pid::INIT);
    shared.change(|state| state.supervisor = Identity::of(entered));
    let told = socket_path.clone();
    let waiter = std::thread::spawn(move || {
        let code = nspawn
            .wait()
            .ok()
            .and_then(|status| status.code())
            .unwrap_or(-1);
        let sent = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(format!("EXITED={code}").as_bytes(), told));
        drop(sent);
    });
    let code = follow(plan, shared, &socket, entered)?;
    drop(waiter.join());
    drop(ready);
    Ok(code)
}

/// Hears the notifications of one boot until its end.
fn follow(plan: &Plan, shared: &Shared, socket: &UnixDatagram, entered: Pid) -> Result<String> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).doing("read", &plan.directory)?;
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        for line in text.lines() {
            if let Some(code) = line.strip_prefix("EXITED=") {
                return Ok(code.to_owned());
            }
            if line.starts_with("X_NSPAWN_LEADER_PID=") || line == EMULATED {
                let leader = match plan.hardware {
                    Hardware::Shared(_) => find_leader(entered),
                    Hardware::Emulated(..) => {
                        children(entered).first().copied().and_then(Identity::of)
                    }
                };
                if let Some(leader) = leader {
                    let path = plan.directory.join("leader");
                    let number = leader.pid().as_raw_nonzero().to_string();
                    fs::write(&path, number).doing("write", &path)?;
                }
                shared.change(|state| state.leader = leader);
                if shared.state().wanted == Wanted::Off
                    && let Some(leader) = leader
                {
                    leader.signal(Signal::KILL);
                }
            }
            if line == "READY=1" {
                shared.change(|state| {
                    state.phase = Phase::Up;
                    state.boots += 1;
                });
            }
        }
    }
}

/// nsenter's child is nspawn; of its children the leader is number 1 in a namespace of its own.
fn find_leader(entered: Pid) -> Option<Identity> {
    let nspawn = children(entered);
    let of_nspawn = nspawn.into_iter().flat_map(children);
    of_nspawn
        .filter(|pid| numbers(*pid).last() == Some(&1))
        .find_map(Identity::of)
}

/// Hears an emulated computer on its second serial line, and passes it on as a notification.
struct ReadyLine {
    path: PathBuf,
}

/// The notification that an emulated computer's process is there.
const EMULATED: &str = "EMULATED";

impl ReadyLine {
    fn listen(plan: &Plan, notify: &Path) -> Result<Self> {
        let path = plan.directory.join("ready");
        drop(fs::remove_file(&path));
        if let Hardware::Emulated(..) = plan.hardware {
            let listener = UnixListener::bind(&path).doing("make", &path)?;
            let notify = notify.to_path_buf();
            std::thread::spawn(move || pass_on(&listener, &notify));
        }
        Ok(Self { path })
    }
}

impl Drop for ReadyLine {
    fn drop(&mut self) {
        // Ends the thread if qemu never came.
        drop(UnixStream::connect(&self.path));
        drop(fs::remove_file(&self.path));
    }
}

fn pass_on(listener: &UnixListener, notify: &Path) {
    let (Ok((stream, _)), Ok(socket)) = (listener.accept(), UnixDatagram::unbound()) else {
        return;
    };
    drop(socket.send_to(EMULATED.as_bytes(), notify));
    for line in BufReader::new(stream)
        .lines()
        .map_while(std::io::Result::ok)
    {
        if line.trim() == "READY" {
            drop(socket.send_to(b"READY=1", notify));
        }
    }
}

fn started(plan: &Plan, groups: &Groups, notify: &Path) -> Program {
    let program = inside(plan.enclosure)
        .args(["setsid", "sh", "-e", "-c", ENTER_AND_EXEC, "sh"])
        .without_environment()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LAB_GROUPS", groups.variable());
    match &plan.hardware {
        Hardware::Shared(extra) => nspawn(program, plan, extra, notify),
        Hardware::Emulated(computer, written) => {
            qemu(program, computer, &plan.root, &plan.directory, written)
        }
    }
}

/// Source: `systemd-nspawn(1)`.
fn nspawn(program: Program, plan: &Plan, extra: &[String], notify: &Path) -> Program {
    program
        .args(["systemd-nspawn", "--quiet"])
        .args(["--boot", "--keep-unit", "--register=no", "--settings=no", "--notify-ready=yes"])
        .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"])
        .arg(format!("--directory={}", plan.root.display()))
        .arg(format!("--machine={}", plan.unique))
        .arg(format!("--hostname={}", plan.name))
        .arg(format!("--network-namespace-path=/run/netns/{}", plan.name))
        // Over the machine's own network, as root has it on a computer; nspawn gives it only with a network that it
        // made itself. Units with `PrivateNetwork=` and firewalls need it.
        .arg("--capability=CAP_NET_ADMIN")
        .args(extra)
        .env("NOTIFY_SOCKET", notify)
        // Releases from trixie on refuse to boot on the old tree.
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
}

fn log(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .doing("open", path)
}
