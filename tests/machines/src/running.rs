//! A machine that was made: run programs in it, copy files into it, break it, switch it off.
//!
//! Returned by [`crate::Lab::machine`]. Dropped, the machine is gone with all it wrote; dropped while a test
//! fails, it first prints its journal and console.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal};

use crate::enclosure::Attendant;
use crate::error::{Doing as _, Error, Result};
use crate::lab::Inside;
use crate::leaving::Leaving;
use crate::machine::Disk;
use crate::power::Power;
use crate::process::{Identity, in_namespace_of, missing_capabilities};
use crate::program::{Finished, Program, tail};
use crate::relay::{Line, Relay, take_away};
use crate::uplink::variables;
use crate::virtual_machine::{Kernel, by_ssh, refuse_off};

/// Lines of the journal that a failed test prints.
const JOURNAL_LINES: &str = "400";

/// Bytes of the console that a failed test prints.
const CONSOLE_BYTES: usize = 8000;

/// Shell lines that write standard input to a file, in a folder that everybody may enter: path, mode.
const WRITE_FILE: &str = r#"umask 022; mkdir -p "${1%/*}"; umask 077; cat > "$1.lab" && chmod "$2" "$1.lab" && mv "$1.lab" "$1""#;

/// Shell lines that signal all processes of a name: name, signal.
const KILL: &str = r#"for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null)" = "$1" ] && kill -s "$2" "${process#/proc/}" && echo 1
done; true"#;

/// A machine of a lab.
#[derive(Debug)]
pub struct Running {
    pub(crate) lab: Arc<Inside>,
    pub(crate) power: Arc<Power>,
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// Its root directory, inside the enclosure.
    pub(crate) root: PathBuf,
    /// What it wrote, on the host.
    pub(crate) written: PathBuf,
    /// Its console and leader, on the host.
    pub(crate) directory: PathBuf,
    /// The bridge's end of its cable.
    pub(crate) port: String,
    pub(crate) disk: Disk,
    pub(crate) kernel: Kernel,
    /// The bad line that its cable leads over, if it does.
    pub(crate) relay: Mutex<Option<Relay>>,
    /// Carries its connections to the world outside the lab, if it has any.
    pub(crate) uplink: Option<Attendant>,
}

impl Running {
    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, which this host and the lab's other machines reach.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its root directory, as the host can open it, whether it is on or off. Absolute symbolic links in it
    /// lead to the host's files: prefer [`Self::exec`] and [`Self::copy_in`].
    pub fn root(&self) -> PathBuf {
        self.lab.enclosure.path(&self.root)
    }

    /// Runs a program in it as root and returns its standard output.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] with both outputs if it ends with anything but 0; [`Error::Off`].
    pub fn exec(&self, command: &[&str]) -> Result<String> {
        self.program()?.args(command).output()
    }

    /// Runs a program in it as root, whatever its end.
    ///
    /// # Errors
    ///
    /// [`Error::Off`], or if it cannot be started.
    pub fn try_exec(&self, command: &[&str]) -> Result<Finished> {
        self.program()?.args(command).finish()
    }

    /// Runs shell commands in it as this user, in their home directory, and returns the standard output. No
    /// login session is opened for it; log in by SSH where one is needed.
    ///
    /// # Errors
    ///
    /// As [`Self::exec`].
    pub fn exec_as(&self, user: &str, commands: &str) -> Result<String> {
        self.exec(&["runuser", "-u", user, "--", "sh", "-c", &format!("cd; {commands}")])
    }

    /// A program that is going to run in it as root: add its name and arguments.
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn program(&self) -> Result<Program> {
        let leader = self.power.leader()?;
        let program = match self.kernel {
            Kernel::Shared => inside_machine(leader.pid()),
            Kernel::Own { .. } => by_ssh(self.address, &self.directory.join("key")),
        };
        let variables = if self.uplink.is_some() { variables() } else { Vec::new() };
        Ok(variables
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value)))
    }

    /// Copies one of the host's files into it; root owns the copy.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or not be written in the machine.
    pub fn copy_in(&self, host_path: impl AsRef<Path>, path: &str, mode: u32) -> Result<()> {
        let host_path = host_path.as_ref();
        self.write(path, mode, std::fs::read(host_path).doing("read", host_path)?)
    }

    /// Writes a file of root's in it, whether it is on or off.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let program = match self.program() {
            Ok(program) => program,
            Err(_) if self.has_own_disk() => return Err(refuse_off(self)),
            Err(_) => self.lab.enclosure.program().arg("chroot").arg(&self.root),
        };
        let mode = format!("{mode:o}");
        program
            .args(["sh", "-c", WRITE_FILE, "sh", path, &mode])
            .input(bytes)
            .output()
            .map(drop)
    }

    /// Its whole journal, oldest entry first.
    ///
    /// # Errors
    ///
    /// If journalctl cannot read it.
    pub fn journal(&self) -> Result<String> {
        self.journal_with(&[])
    }

    fn journal_with(&self, arguments: &[&str]) -> Result<String> {
        let arguments = ["--no-pager", "--quiet", "--output=short-precise"]
            .iter()
            .chain(arguments);
        match self.program() {
            Ok(program) => program.arg("journalctl").args(arguments).output(),
            Err(_) if self.has_own_disk() => Err(refuse_off(self)),
            Err(_) => Program::new("journalctl")
                .arg(format!("--directory={}", self.root().join("var/log/journal").display()))
                .args(arguments)
                .output(),
        }
    }

    /// What its console showed.
    pub fn console(&self) -> String {
        self.power.console()
    }

    /// Lets it reboot in order and waits until it is up again.
    ///
    /// # Errors
    ///
    /// [`Error::TooSlow`] with the console.
    pub fn reboot(&self) -> Result<()> {
        let before = self.power.boots();
        self.end_in_order("reboot")?;
        self.power.wait_for_boot_after(before)
    }

    /// Lets it shut down in order and waits until it is off. What it wrote stays for [`Self::start`].
    ///
    /// # Errors
    ///
    /// [`Error::TooSlow`] with the console.
    pub fn stop(&self) -> Result<()> {
        self.end_in_order("poweroff")?;
        self.power.wait_for_off()
    }

    /// By SSH, the connection may end before the answer.
    fn end_in_order(&self, how: &str) -> Result<()> {
        let told = self.program()?.args(["systemctl", "--no-block", how]);
        match self.kernel {
            Kernel::Shared => told.output().map(drop),
            Kernel::Own { .. } => told.finish().map(drop),
        }
    }

    /// Ends it at once, as a power cut does. What it wrote stays for [`Self::start`].
    ///
    /// # Errors
    ///
    /// [`Error::Off`] if it is off.
    pub fn kill_power(&self) -> Result<()> {
        self.power.leader()?;
        self.power.cut();
        Ok(())
    }

    /// Boots it after [`Self::stop`] or [`Self::kill_power`].
    ///
    /// # Errors
    ///
    /// [`Error::TooSlow`] with the console.
    pub fn start(&self) -> Result<()> {
        self.power.on()
    }

    /// Pulls its network cable: silence, no reset. Connections go on after [`Self::heal`].
    ///
    /// # Errors
    ///
    /// If the link cannot be set.
    pub fn cut(&self) -> Result<()> {
        self.lab
            .enclosure
            .script(&format!("ip link set {} down", self.port))
            .map(drop)
    }

    /// Puts the network cable back.
    ///
    /// # Errors
    ///
    /// If the link cannot be set.
    pub fn heal(&self) -> Result<()> {
        self.lab
            .enclosure
            .script(&format!("ip link set {} up", self.port))
            .map(drop)
    }

    /// Makes its cable a bad line, in both directions; a second call changes the line.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without socat.
    pub fn delay(&self, line: Line) -> Result<()> {
        self.undelay()?;
        let relay = Relay::lay(self, line)?;
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(relay);
        Ok(())
    }

    /// Makes its cable a good one again.
    ///
    /// # Errors
    ///
    /// If the links cannot be set.
    pub fn undelay(&self) -> Result<()> {
        let relay = self
            .relay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match relay {
            Some(relay) => {
                drop(relay);
                take_away(self)
            }
            None => Ok(()),
        }
    }

    /// Sends a signal to every process of this name in it, and returns how many there were. The kernel knows
    /// the first 15 bytes of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Off`]; [`Error::Refused`] if there is no such process.
    pub fn kill(&self, name: &str, signal: Signal) -> Result<usize> {
        let leader = self.power.leader()?;
        if let Kernel::Own { .. } = self.kernel {
            return self.kill_by_ssh(name, signal);
        }
        let processes = in_namespace_of(leader.pid());
        let named: Vec<_> = processes.iter().filter(|(_, its)| its == name).collect();
        if named.is_empty() {
            return Err(Error::Refused(format!("no process {name} in {}", self.name)));
        }
        for (process, _) in &named {
            process.signal(signal);
        }
        Ok(named.len())
    }

    fn kill_by_ssh(&self, name: &str, signal: Signal) -> Result<usize> {
        let number = signal.as_raw().to_string();
        let killed = self
            .exec(&["sh", "-c", KILL, "sh", name, &number])?
            .lines()
            .count();
        if killed == 0 {
            return Err(Error::Refused(format!("no process {name} in {}", self.name)));
        }
        Ok(killed)
    }

    /// Whether its root directory on the host is no longer what it runs on.
    fn has_own_disk(&self) -> bool {
        matches!(self.kernel, Kernel::Own { .. }) && self.written.join("disk").exists()
    }

    /// Its processes on the host: those in it, or the one that emulates it.
    fn processes(&self) -> Result<Vec<Identity>> {
        let leader = self.power.leader()?;
        Ok(match self.kernel {
            Kernel::Shared => in_namespace_of(leader.pid())
                .into_iter()
                .map(|(process, _)| process)
                .collect(),
            Kernel::Own { .. } => vec![leader],
        })
    }

    /// Stops every process in it, the first one included, as a machine that hangs.
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets every process of it go on.
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    /// Memory of all its processes in bytes, shared pages divided among those that share them (PSS).
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn memory(&self) -> Result<u64> {
        Ok(self.processes()?.into_iter().map(Identity::memory).sum())
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        for process in self.processes()? {
            process.signal(signal);
        }
        Ok(())
    }

    /// The lines that a failed test needs: console and journal.
    pub fn last_words(&self) -> String {
        let journal = self
            .journal_with(&["--lines", JOURNAL_LINES])
            .unwrap_or_else(|error| format!("no journal: {error}\n"));
        let console = tail(&self.console(), CONSOLE_BYTES);
        let name = &self.name;
        format!(
            "--- console of {name}\n{console}\n--- journal of {name}\n{journal}--- end of {name}\n"
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.last_words());
        }
        self.power.kill();
        drop(self.uplink.take());
        let relay = self
            .relay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Self { port, name, root, .. } = &*self;
        let line = if relay.is_some() { RELAY_LINKS } else { "" };
        let script = format!(
            "port={port}\n{line}ip link del $port\nip netns del {name}\numount {}\n",
            root.display()
        );
        drop(relay);
        self.lab.let_go(Leaving {
            power: Arc::clone(&self.power),
            enclosure: self.lab.enclosure.first_process().pid(),
            script,
            trees: [self.written.clone(), self.directory.clone()],
            name: self.name.clone(),
            names: self.lab.names(),
        });
    }
}

/// Takes away what a bad line is made of.
const RELAY_LINKS: &str = "for link in n f b; do ip link del $link$port; done\n";

/// A program that is going to run as root in the machine whose PID 1 is `leader`, with the capabilities that
/// root has there and no more: the clock, for one, is the host's.
pub(crate) fn inside_machine(leader: Pid) -> Program {
    Program::new("nsenter")
        .arg(format!("--target={}", leader.as_raw_nonzero()))
        .args(["--all", "--", "setpriv"])
        .arg(format!("--bounding-set={}", missing_capabilities(leader)))
        .arg("--")
        .without_environment()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
}
