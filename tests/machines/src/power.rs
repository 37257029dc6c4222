//! Power: boots a machine, notices when it is up, starts it again when it reboots, and switches it off.
//!
//! One thread for each machine runs `systemd-nspawn` and hears of its life by the notification socket
//! (`sd_notify(3)`): nspawn tells the leader's number, then READY when the system inside says it is up. With
//! `--keep-unit` nspawn ends with 133 when the system inside reboots. Nothing here polls.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::cgroup::{ENTER_AND_EXEC, Groups};
use crate::enclosure::inside;
use crate::error::{Doing as _, Error, Result};
use crate::process::{Identity, children, numbers};
use crate::program::tail;

/// How long a boot may take on a machine with ten times the usual load.
const BOOT: Duration = Duration::from_secs(90);

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
    /// More arguments for nspawn.
    pub(crate) extra: Vec<String>,
}

/// Where in its life a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Off,
    Booting,
    Up,
}

#[derive(Debug)]
struct State {
    phase: Phase,
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
        let state = State { phase: Phase::Off, boots: 0, supervisor: None, leader: None };
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
        self.shared.change(|state| state.phase = Phase::Booting);
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
        let ended = self.shared.wait(BOOT, |state| {
            state.phase == Phase::Off || (state.boots > before && state.phase == Phase::Up)
        });
        if ended && self.shared.state().phase == Phase::Up {
            return Ok(());
        }
        Err(self.too_slow("did not boot", BOOT))
    }

    /// Waits until it has switched itself off.
    pub(crate) fn wait_for_off(&self) -> Result<()> {
        if self
            .shared
            .wait(SHUT_DOWN, |state| state.phase == Phase::Off)
        {
            self.join();
            return Ok(());
        }
        Err(self.too_slow("did not shut down", SHUT_DOWN))
    }

    /// Ends it at once, as a power cut does, and waits until it has.
    pub(crate) fn cut(&self) {
        let (supervisor, leader) = {
            let state = self.shared.state();
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
        self.join();
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
        if how != REBOOT {
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
    let mut nspawn = nspawn(plan, &groups, &socket_path)
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
            if line.starts_with("X_NSPAWN_LEADER_PID=") {
                let leader = find_leader(entered);
                if let Some(leader) = leader {
                    let path = plan.directory.join("leader");
                    let number = leader.pid().as_raw_nonzero().to_string();
                    fs::write(&path, number).doing("write", &path)?;
                }
                shared.change(|state| state.leader = leader);
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

/// The command line of docs: `systemd-nspawn(1)`.
fn nspawn(plan: &Plan, groups: &Groups, notify: &Path) -> crate::program::Program {
    inside(plan.enclosure)
        .args(["setsid", "sh", "-e", "-c", ENTER_AND_EXEC, "sh", "systemd-nspawn", "--quiet"])
        .args(["--boot", "--keep-unit", "--register=no", "--settings=no", "--notify-ready=yes"])
        .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"])
        .arg(format!("--directory={}", plan.root.display()))
        .arg(format!("--machine={}", plan.unique))
        .arg(format!("--hostname={}", plan.name))
        .arg(format!("--network-namespace-path=/run/netns/{}", plan.name))
        .args(&plan.extra)
        .without_environment()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("NOTIFY_SOCKET", notify)
        .env("LAB_GROUPS", groups.variable())
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
