//! What the command asks of the process that keeps its machines, one JSON object a line each way.

use machines::{Machine, Running};
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Boot one more.
    Up(Box<Machine>),
    /// Remove one.
    Down(String),
    /// Remove all, and end.
    DownAll,
    /// Do something to one.
    Fault(Fault),
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is up.
    Up {
        /// Its name.
        name: String,
        /// Its address.
        address: String,
    },
    /// Done; how many machines it was done to.
    Done(usize),
    /// Not done.
    Failed {
        /// In a sentence.
        message: String,
        /// Exit code for the command.
        code: u8,
    },
}

/// What can be done to a machine.
#[derive(Debug, Clone, clap::Subcommand, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// Pull a machine's network cable: silence, no reset
    Cut {
        /// The machine
        name: String,
    },
    /// Put a machine's network cable back, and take a bad line away
    Heal {
        /// The machine
        name: String,
    },
    /// Make a machine's line a bad one, in each direction
    Delay {
        /// The machine
        name: String,
        /// Milliseconds that each frame takes
        #[arg(long, default_value_t = 0, value_name = "MS")]
        latency: u64,
        /// Up to so many milliseconds more
        #[arg(long, default_value_t = 0, value_name = "MS")]
        jitter: u64,
        /// Frames of a hundred that are lost
        #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
        loss: f64,
        /// Bytes a second
        #[arg(long, value_name = "BYTES")]
        rate: Option<u64>,
    },
    /// Reboot a machine in order and wait until it is up
    Reboot {
        /// The machine
        name: String,
    },
    /// Shut a machine down in order; `lab start` boots it again
    Stop {
        /// The machine
        name: String,
    },
    /// Boot a machine that is off
    Start {
        /// The machine
        name: String,
    },
    /// Kill every process of a name with SIGKILL, or without a name the machine's power
    Kill {
        /// The machine
        name: String,
        /// The process's name
        process: Option<String>,
    },
    /// Stop every process in a machine, as one that hangs
    Freeze {
        /// The machine
        name: String,
    },
    /// Let a frozen machine go on
    Thaw {
        /// The machine
        name: String,
    },
    /// Fill a machine's small disk to the last byte
    FillDisk {
        /// The machine
        name: String,
        /// Give the space back instead
        #[arg(long)]
        empty: bool,
    },
    /// Silently drop what arrives at a machine and matches, in the words of nft: "tcp dport 22"
    Drop {
        /// The machine
        name: String,
        /// What matches; nothing is dropped any more without it
        matching: Vec<String>,
    },
    /// Set the clock of a machine with its own kernel
    SetClock {
        /// The machine
        name: String,
        /// In the words of date: "2031-01-01 00:00"
        to: String,
    },
    /// Give a machine other SSH host keys
    ChangeHostKeys {
        /// The machine
        name: String,
    },
}

impl Fault {
    /// The machine it is done to.
    pub(crate) fn machine(&self) -> &str {
        match self {
            Self::Cut { name }
            | Self::Heal { name }
            | Self::Delay { name, .. }
            | Self::Reboot { name }
            | Self::Stop { name }
            | Self::Start { name }
            | Self::Kill { name, .. }
            | Self::Freeze { name }
            | Self::Thaw { name }
            | Self::FillDisk { name, .. }
            | Self::Drop { name, .. }
            | Self::SetClock { name, .. }
            | Self::ChangeHostKeys { name } => name,
        }
    }

    /// Does it.
    pub(crate) fn on(&self, machine: &Running) -> machines::Result<()> {
        match self {
            Self::Cut { .. } => machine.cut(),
            Self::Heal { .. } => machine.undelay().and_then(|()| machine.heal()),
            Self::Delay { latency, jitter, loss, rate, .. } => {
                machine.delay(line(*latency, *jitter, *loss, *rate)?)
            }
            Self::Reboot { .. } => machine.reboot(),
            Self::Stop { .. } => machine.stop(),
            Self::Start { .. } => machine.start(),
            Self::Kill { process: None, .. } => machine.kill_power(),
            Self::Kill { process: Some(process), .. } => {
                machine.kill(process, machines::Signal::KILL).map(drop)
            }
            Self::Freeze { .. } => machine.freeze(),
            Self::Thaw { .. } => machine.thaw(),
            Self::FillDisk { empty: false, .. } => machine.fill_disk(),
            Self::FillDisk { empty: true, .. } => machine.empty_disk(),
            Self::Drop { matching, .. } if matching.is_empty() => machine.drop_nothing(),
            Self::Drop { matching, .. } => machine.drop_what_matches(&matching.join(" ")),
            Self::SetClock { to, .. } => machine.set_clock(to),
            Self::ChangeHostKeys { .. } => machine.change_host_keys(),
        }
    }
}

fn line(
    latency: u64,
    jitter: u64,
    loss: f64,
    rate: Option<u64>,
) -> machines::Result<machines::Line> {
    use std::time::Duration;
    if !(0.0..=100.0).contains(&loss) {
        return Err(machines::Error::Refused(format!("--loss {loss}: say 0 to 100 percent")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000, checked"
    )]
    let loss_per_mille = (loss * 10.0).round() as u16;
    Ok(machines::Line {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(jitter),
        loss_per_mille,
        rate,
    })
}
