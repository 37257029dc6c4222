//! Machines of another architecture than the host's, under qemu's user emulation.
//!
//! The kernel starts `qemu-aarch64-static` for each program (`binfmt_misc`, with the interpreter held open, so that
//! it need not be in the machine). That is a setting of the host's kernel; it is made when first needed and stays.
//! Source: update-binfmts(8).

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::machine::Machine;
use crate::needs::missing_programs;
use crate::program::{Program, is_installed};

/// What a machine's programs are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// The host's own.
    Host,
    /// 64-bit ARM, `arm64` in Debian's words.
    Aarch64,
}

/// Where the kernel lists what starts what.
const REGISTER: &str = "/proc/sys/fs/binfmt_misc";

impl Architecture {
    /// More arguments for mmdebstrap.
    pub(crate) fn bootstrap_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[],
            Self::Aarch64 => &["--architectures=arm64"],
        }
    }

    /// Part of the name of what is made for it.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Host => "",
            Self::Aarch64 => "-arm64",
        }
    }

    /// Makes the host's kernel able to run it.
    pub(crate) fn enable(self) -> Result<()> {
        match self {
            Self::Host => Ok(()),
            Self::Aarch64 => enable("qemu-aarch64"),
        }
    }
}

fn enable(name: &str) -> Result<()> {
    let register = Path::new(REGISTER);
    if register.join(name).exists() {
        return Ok(());
    }
    let needed = ["update-binfmts", "qemu-aarch64-static", "arch-test"];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|name| !is_installed(name))
        .collect();
    missing_programs(&missing)?;
    if !register.join("status").exists() {
        Program::new("mount")
            .args(["-t", "binfmt_misc", "binfmt_misc", REGISTER])
            .output()?;
    }
    Program::new("update-binfmts")
        .args(["--enable", name])
        .output()
        .map(drop)
}

impl Machine {
    /// Is a 64-bit ARM machine. Slow, and `degraded`: some units cannot work under this emulation.
    #[must_use]
    pub fn aarch64(mut self) -> Self {
        self.architecture = Architecture::Aarch64;
        self
    }
}
