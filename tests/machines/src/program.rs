//! Starting programs: `ip`, `nsenter`, `mmdebstrap`, `systemd-nspawn` and what tests run in a machine.
//!
//! The only place of this crate that starts a program. It never uses a shell unless the caller names one,
//! and never puts a secret into an argument: those go by [`Program::input`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};

/// One program to be run, with its arguments.
#[derive(Debug)]
pub struct Program {
    command: Command,
    line: String,
    input: Option<Vec<u8>>,
    quoting: Quoting,
}

/// Whether arguments reach the program as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    None,
    /// A shell at the other end takes the words apart again.
    Shell,
}

/// What a program that ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; 128 + number if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Most of a program's output that goes into an error, in bytes: enough for apt's own explanation.
const OUTPUT_IN_ERRORS: usize = 4000;

impl Program {
    /// `name` is looked up in `PATH`.
    #[expect(clippy::disallowed_methods, reason = "the lab's one place that starts programs")]
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let line = name.as_ref().to_string_lossy().into_owned();
        Self { command: Command::new(name), line, input: None, quoting: Quoting::None }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.line.push(' ');
        self.line.push_str(&argument.as_ref().to_string_lossy());
        match self.quoting {
            Quoting::None => self.command.arg(argument),
            Quoting::Shell => {
                let word = argument.as_ref().to_string_lossy().replace('\'', r"'\''");
                self.command.arg(format!("'{word}'"))
            }
        };
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Quotes all arguments that follow, because a shell at the other end takes them apart again, as that of
    /// sshd does.
    #[must_use]
    pub(crate) fn quoting_for_a_shell(mut self) -> Self {
        self.quoting = Quoting::Shell;
        self
    }

    /// Sets a variable of the program's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives the program no environment but what [`Self::env`] adds.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// What the program reads on its standard input; nothing without it.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be started; how it ended is in [`Finished`].
    pub fn finish(mut self) -> Result<Finished> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = self
            .command
            .spawn()
            .map_err(|source| started(&self.line, source))?;
        let writer = child
            .stdin
            .take()
            .zip(self.input.take())
            .map(|(mut stdin, bytes)| {
                // A thread, because a program may write before it has read everything. A program that ends
                // without reading is judged by its exit code.
                std::thread::spawn(move || drop(stdin.write_all(&bytes)))
            });
        let output = child
            .wait_with_output()
            .map_err(|source| started(&self.line, source))?;
        if let Some(writer) = writer {
            drop(writer.join());
        }
        Ok(Finished {
            code: exit_code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it to its end and returns its standard output.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if it ends with anything but 0.
    pub fn output(self) -> Result<String> {
        let line = self.line.clone();
        let finished = self.finish()?;
        if finished.code == 0 {
            return Ok(finished.stdout);
        }
        let said = format!("{}{}", finished.stdout, finished.stderr);
        Err(Error::Program {
            program: shortened(&line),
            status: format!("exit code {}", finished.code),
            output: tail(said.trim_end(), OUTPUT_IN_ERRORS),
        })
    }

    /// Runs it on the caller's own terminal and returns its exit code.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be started.
    pub fn on_this_terminal(mut self) -> Result<i32> {
        let status = self
            .command
            .status()
            .map_err(|source| started(&self.line, source))?;
        Ok(exit_code(status))
    }

    /// Starts it and leaves it running: no input, output to `log`.
    pub(crate) fn start_logging_to(mut self, log: File) -> Result<Child> {
        let second = log
            .try_clone()
            .map_err(|source| started(&self.line, source))?;
        self.command.stdin(Stdio::null()).stdout(log).stderr(second);
        self.command
            .spawn()
            .map_err(|source| started(&self.line, source))
    }

    /// Starts it with a pipe to its input and one from its output.
    pub(crate) fn start_piped(mut self) -> Result<Child> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        self.command
            .spawn()
            .map_err(|source| started(&self.line, source))
    }
}

/// Starts a program in a process session of its own, and returns the first line that it writes; what it says of
/// errors goes to `log`. It goes on when the caller ends.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be started.
pub fn start_in_background(program: &Path, arguments: &[&str], log: File) -> Result<String> {
    let mut starter = Program::new("setsid").arg(program).args(arguments);
    starter
        .command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = starter
        .command
        .spawn()
        .map_err(|error| started(&starter.line, error))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(|error| started(&starter.line, error))?;
    }
    Ok(line)
}

/// Whether `name` is a program on `PATH` or in the directories of root's programs.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let root = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(OsString::from);
    std::env::split_paths(&path)
        .map(OsString::from)
        .chain(root)
        .any(|directory| {
            let mut file = std::path::PathBuf::from(directory);
            file.push(name);
            file.is_file()
        })
}

/// The last `limit` bytes of `text`, whole characters.
pub(crate) fn tail(text: &str, limit: usize) -> String {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default().to_owned()
}

/// A shell script has many lines; the first says which it is.
fn shortened(line: &str) -> String {
    line.lines().next().unwrap_or_default().to_owned()
}

fn started(line: &str, source: std::io::Error) -> Error {
    Error::Io { doing: format!("run {}", shortened(line)), source }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
