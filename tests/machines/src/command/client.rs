//! The side of the command that a person talks to.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum as _;
use machines::{
    Architecture, Cache, Error, Listed, Pruned, Release, Result, build_base, find, run_directory,
    start_in_background, sweep_ended,
};

use super::arguments::{Down, Logs, Up};
use super::request::{Fault, Reply, Request};

/// Speaks to the keeper of one set of machines.
#[derive(Debug)]
pub(crate) struct Client {
    /// The set's name.
    pub(crate) set: String,
}

impl Client {
    /// Where the keeper answers.
    pub(crate) fn socket_path(&self) -> Result<PathBuf> {
        self.file("keeper")
    }

    /// What the keeper said of errors.
    pub(crate) fn log_path(&self) -> Result<PathBuf> {
        self.file("log")
    }

    fn file(&self, kind: &str) -> Result<PathBuf> {
        Ok(run_directory()?.join(format!("{}.{kind}", self.set)))
    }

    /// `lab up`
    pub(crate) fn up(&self, up: &Up) -> Result<String> {
        machines::check()?;
        let request = Request::Up(Box::new(up.machine()?));
        let (name, address) = match self.ask_or_start(&request)? {
            Reply::Up { name, address } => (name, address),
            other @ (Reply::Done(_) | Reply::Failed { .. }) => return Err(unexpected(&other)),
        };
        if up.json {
            return Ok(format!("{}\n", serde_json::json!({ "name": name, "address": address })));
        }
        Ok(format!("{name} {address}\n"))
    }

    /// `lab down`
    pub(crate) fn down(&self, down: &Down) -> Result<String> {
        machines::check()?;
        match &down.name {
            Some(name) => {
                self.done(&Request::Down(name.clone()))?;
                Ok(String::new())
            }
            None => self.down_all(),
        }
    }

    fn down_all(&self) -> Result<String> {
        let kept = match self.ask(&Request::DownAll)? {
            Some(Reply::Done(count)) => count,
            Some(other) => return Err(unexpected(&other)),
            None => {
                // What a keeper that was killed could not take with it.
                drop(std::fs::remove_file(self.socket_path()?));
                drop(std::fs::remove_file(self.log_path()?));
                0
            }
        };
        let swept = sweep_ended()?.len();
        let mut text = match (kept, swept) {
            (0, 0) => "nothing to remove\n".to_owned(),
            (kept, swept) => format!("removed {kept} machines and what {swept} ended labs left\n"),
        };
        for machine in machines::list()?
            .iter()
            .filter(|machine| machine.owner.is_some())
        {
            let owner = machine.owner.unwrap_or_default();
            let _infallible =
                writeln!(text, "left {}/{}: process {owner} uses it", machine.lab, machine.name);
        }
        Ok(text)
    }

    /// `lab cut`, `lab reboot` and so on.
    pub(crate) fn fault(&self, fault: Fault) -> Result<String> {
        machines::check()?;
        self.done(&Request::Fault(fault))?;
        Ok(String::new())
    }

    fn done(&self, request: &Request) -> Result<()> {
        let name = match request {
            Request::Down(name) => name.clone(),
            Request::Fault(fault) => fault.machine().to_owned(),
            Request::Up(_) | Request::DownAll => String::new(),
        };
        match self.ask(request)? {
            Some(Reply::Done(_)) => Ok(()),
            Some(other) => Err(unexpected(&other)),
            None => Err(Error::NoSuchMachine { name }),
        }
    }

    /// Asks the keeper; none if there is no keeper, or one that was just ending.
    fn ask(&self, request: &Request) -> Result<Option<Reply>> {
        let path = self.socket_path()?;
        let Ok(mut stream) = UnixStream::connect(&path) else {
            return Ok(None);
        };
        let mut text = serde_json::to_string(request)
            .map_err(|error| Error::Refused(format!("cannot ask the keeper: {error}")))?;
        text.push('\n');
        let mut line = String::new();
        let exchanged = stream
            .write_all(text.as_bytes())
            .and_then(|()| BufReader::new(&stream).read_line(&mut line));
        // A keeper that ends because of this request closes when all its machines are gone.
        drop(stream.read_to_end(&mut Vec::new()));
        match exchanged {
            Ok(length) if length > 0 => {}
            Ok(_) | Err(_) => return Ok(None),
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Failed { message, code }) => Err(Error::Reported { message, code }),
            Ok(reply) => Ok(Some(reply)),
            Err(error) => Err(Error::Refused(format!("the keeper answered {line:?}: {error}"))),
        }
    }

    /// Asks the keeper, after starting one if there is none. Two commands at once start one keeper.
    fn ask_or_start(&self, request: &Request) -> Result<Reply> {
        // Twice: a keeper whose last machine just went may be ending while it is asked.
        for _ in 0..2 {
            let lock_path = run_directory()?.join("start.lock");
            let lock =
                File::create(&lock_path).map_err(|error| failed_io("open", &lock_path, error))?;
            lock.lock()
                .map_err(|error| failed_io("lock", &lock_path, error))?;
            if UnixStream::connect(self.socket_path()?).is_err() {
                self.start_keeper()?;
            }
            drop(lock);
            if let Some(reply) = self.ask(request)? {
                return Ok(reply);
            }
        }
        Err(Error::Refused(format!("the keeper ended: see {}", self.log_path()?.display())))
    }

    fn start_keeper(&self) -> Result<()> {
        let path = self.log_path()?;
        let log = File::create(&path).map_err(|source| failed_io("open", &path, source))?;
        let own = Path::new("/proc/self/exe");
        let own = own
            .read_link()
            .map_err(|source| failed_io("find", own, source))?;
        let line = start_in_background(&own, &["keep", "--set", &self.set], log)?;
        if line == "ready\n" {
            return Ok(());
        }
        let said = std::fs::read_to_string(&path).unwrap_or_default();
        Err(Error::Refused(said.trim_start_matches("lab: ").trim_end().to_owned()))
    }
}

/// An error with what was being done.
pub(crate) fn failed_io(verb: &str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing: format!("{verb} {}", path.display()), source }
}

/// `lab images`
pub(crate) fn images(releases: &[Release], aarch64: bool) -> Result<String> {
    let architecture = if aarch64 { Architecture::Aarch64 } else { Architecture::Host };
    let all = if releases.is_empty() { Release::value_variants() } else { releases };
    let mut text = String::new();
    for release in all {
        let path = build_base(*release, architecture)?;
        let _infallible = writeln!(text, "{} {}", release.name(), path.display());
    }
    Ok(text)
}

/// `lab prune`
pub(crate) fn prune(days: u64) -> Result<String> {
    machines::check()?;
    let unused_for = Duration::from_hours(days * 24);
    let pruned = Cache::of_this_computer().prune(unused_for, SystemTime::now())?;
    let mut text = String::new();
    for Pruned { kind, recipe, bytes } in &pruned {
        let _infallible = writeln!(text, "{kind} {} MiB: {recipe}", bytes >> 20);
    }
    Ok(text)
}

/// `lab list`
pub(crate) fn list(json: bool) -> Result<String> {
    let found = machines::list()?;
    if json {
        let text = serde_json::to_string_pretty(&found).unwrap_or_default();
        return Ok(format!("{text}\n"));
    }
    let mut text = String::new();
    for Listed { lab, name, address, leader, owner, .. } in &found {
        let address = address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let state = match (owner, leader) {
            (None, _) => "left over",
            (Some(_), None) => "off",
            (Some(_), Some(_)) => "on",
        };
        let _infallible = writeln!(text, "{lab}/{name} {address} {state}");
    }
    Ok(text)
}

/// `lab shell`; its exit code is the command's.
pub(crate) fn shell(name: &str, command: &[String]) -> Result<u8> {
    machines::check()?;
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let program = find(name)?.program()?.env("TERM", terminal);
    let program = if command.is_empty() {
        program.args(["sh", "-c", "cd; exec bash -l"])
    } else {
        program.args(command)
    };
    Ok(u8::try_from(program.on_this_terminal()?).unwrap_or(1))
}

/// `lab logs`
pub(crate) fn logs(logs: &Logs) -> Result<u8> {
    machines::check()?;
    let machine = find(&logs.name)?;
    if logs.console {
        let mut stdout = std::io::stdout();
        drop(stdout.write_all(machine.console().as_bytes()));
        return Ok(0);
    }
    let follow = logs.follow.then_some("--follow");
    let program = machine
        .program()?
        .args(["journalctl", "--no-pager"])
        .args(follow);
    Ok(u8::try_from(program.on_this_terminal()?).unwrap_or(1))
}

fn unexpected(reply: &Reply) -> Error {
    Error::Refused(format!("the keeper gave an answer that does not fit: {reply:?}"))
}
