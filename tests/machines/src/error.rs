//! What can go wrong in the lab, each with what to do about it.
//!
//! One enum for the whole crate: a test prints it and fails; the command prints it and takes its exit code
//! from [`Error::exit_code`].

use std::path::Path;

/// A failed step of the lab.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is not root.
    #[error("test machines need root: run the command as root (sudo -E {command})")]
    NotRoot {
        /// The command line that was run.
        command: String,
    },
    /// Programs that the lab starts are not installed.
    #[error("not installed: {programs}; as root: apt-get install {packages}")]
    Missing {
        /// The programs that were not found, separated by commas.
        programs: String,
        /// Everything the lab needs, for one apt-get command line.
        packages: String,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The command line.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A file, directory or process could not be used.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, with the path.
        doing: String,
        /// The answer of the system.
        source: std::io::Error,
    },
    /// A name, number or combination that the lab does not take.
    #[error("{0}")]
    Refused(String),
    /// No such lab or machine.
    #[error("no machine {name}; `lab list` shows those that are up")]
    NoSuchMachine {
        /// The name that was asked for.
        name: String,
    },
    /// A machine did not get as far as it should in time.
    #[error("{machine} {what} within {seconds} s; the end of its console:\n{console}")]
    TooSlow {
        /// The machine's name.
        machine: String,
        /// What did not happen: "did not boot".
        what: &'static str,
        /// The limit.
        seconds: u64,
        /// The end of its console.
        console: String,
    },
    /// What the process that keeps machines for the command said.
    #[error("{message}")]
    Reported {
        /// Its sentence.
        message: String,
        /// Its exit code.
        code: u8,
    },
    /// The machine is switched off.
    #[error("{machine} is off")]
    Off {
        /// The machine's name.
        machine: String,
    },
}

/// Short for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Exit code of the command: 2 wrong use, 3 not able to work here, 4 no such machine, 1 all else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::NotRoot { .. } | Self::Missing { .. } => 3,
            Self::NoSuchMachine { .. } => 4,
            Self::Reported { code, .. } => *code,
            Self::Program { .. } | Self::Io { .. } | Self::TooSlow { .. } | Self::Off { .. } => 1,
        }
    }
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    /// `cannot read /etc/x: …`
    fn doing(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { doing: format!("{verb} {}", path.display()), source })
    }
}
