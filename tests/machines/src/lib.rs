//! Real machines for the tests: booted systems in their own namespaces.
//!
//! A test asks a [`Lab`] for a [`Machine`] by description and gets it [`Running`] a second later: a Debian with
//! systemd, sshd, sudo, PAM, a journal and an address. It is gone when the test ends, however it ends. Two
//! machines in ten lines:
//!
//! ```no_run
//! use machines::{Lab, Machine, Sudo};
//!
//! # fn test() -> machines::Result<()> {
//! let lab = Lab::start()?;
//! let office = lab.machine(Machine::debian12().named("office").user("ada", "secret").sudo(Sudo::WithPassword))?;
//! let web = lab.machine(Machine::debian13().named("web").packages(&["polkitd"]))?;
//!
//! web.copy_in("target/debug/pilothouse", "/usr/local/bin/pilothouse", 0o755)?;
//! let banner = office.exec(&["bash", "-c", &format!("head -1 < /dev/tcp/{}/22", web.address())])?;
//!
//! assert!(banner.starts_with("SSH-2.0-OpenSSH"));
//! # Ok(())
//! # }
//! ```
//!
//! The host reaches every port of a machine at [`Running::address`]: a browser or an HTTP client in the test
//! needs nothing else. Machines reach each other and the host, and nothing beyond, unless [`Machine::uplink`] is
//! asked for. Root is needed; as a plain user [`Lab::start`] says so. Each test should have a lab of its own.
//!
//! The program under test in a machine, seen from outside:
//!
//! ```no_run
//! # use machines::{Lab, Machine};
//! # fn test(built: &str) -> machines::Result<()> {
//! let lab = Lab::start()?;
//! let web = lab.machine(Machine::debian12().user("ada", "secret").copy_of(built, "/usr/bin/pilothouse", 0o755))?;
//! web.exec(&["systemd-run", "--unit=pilothouse", "/usr/bin/pilothouse", "run"])?;
//! let url = format!("https://{}:9090/", web.address());
//! # drop(url); Ok(())
//! # }
//! ```
//!
//! What there is: users, sudo, su, packages and backports ([`Machine`]); the odd machines of real fleets (sshd with
//! one or two questions, keys or certificates alone, another port, old algorithms, dropbear, no D-Bus, no sudo, a
//! read-only root, a small disk, a held package lock, expired passwords); services (signed repositories of deb and
//! rpm, a Samba domain, a Kerberos realm, SLP agents); faults ([`Running`]: cable, bad line, drop by match, kill,
//! freeze, full disk, reboot, power cut, other host keys); other computers ([`Machine::own_kernel`],
//! [`Machine::aarch64`]). [`Running::ssh`] logs in as a person does.
//!
//! What is made when: a base image (once per release, about 15 s, kept in the [`Cache`]), a layer for each set of
//! packages (once; so tests should share sets), a machine (half a second; with its own kernel 15 s and more).
//! The command `lab` is the same by hand, and shows the machines of running tests too.
//!
//! This crate never touches the host's network beyond one link per lab, never signals a process that it did not
//! start, and gives what runs in a machine no capability that root has not there: clock and kernel are the host's.

mod architecture;
mod cache;
mod cgroup;
mod enclosure;
mod error;
mod faults;
mod host_apt;
mod image;
mod lab;
mod leaving;
mod list;
mod machine;
mod needs;
mod power;
mod process;
mod program;
mod prune;
mod range;
mod relay;
mod release;
mod repositories;
mod running;
mod services;
mod setup;
mod ssh;
mod sweep;
mod uplink;
mod variants;
mod virtual_machine;

pub use architecture::Architecture;
pub use cache::Cache;
pub use error::{Error, Result};
pub use image::{Packages, build_base};
pub use lab::Lab;
pub use list::{Listed, find, list};
pub use machine::{Disk, Machine, Network, RootDirectory, Sudo};
pub use needs::{PACKAGES, check};
pub use process::Identity;
pub use program::{Finished, Program, start_in_background};
pub use prune::Pruned;
pub use relay::Line;
pub use release::Release;
pub use running::Running;
pub use rustix::process::Signal;
pub use sweep::{run_directory, sweep_ended};
pub use variants::{ONE_TIME_CODES, SshLogin};
pub use virtual_machine::Kernel;
