//! What can be said to `lab`, and what it means as a description of a machine.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use machines::{Error, Machine, Release, Result, SshLogin, Sudo};

use super::request::Fault;

/// Booted Debian machines on this host, for trying things out.
///
/// Machines share a network that nothing else is on; this host reaches them by their address. They are kept up by
/// a process in the background until `lab down`. All of it needs root.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The set of machines that is meant: each has a network and a process in the background of its own
    #[arg(long, global = true, default_value = "default", value_name = "NAME", value_parser = set_name)]
    pub(crate) set: String,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The name becomes part of file names.
fn set_name(name: &str) -> std::result::Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err("letters, digits and dashes".to_owned())
}

const EXAMPLES: &str = "Examples:
  lab up debian12 --user ada=secret --sudo password
  lab up debian13 --name web --package polkitd
  lab shell web
  lab delay web --latency 200 --loss 1
  lab down --all

Exit codes: 0 done, 1 failed, 2 wrong use, 3 not possible on this host or as this user, 4 no such machine.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Boot a machine and print its name and address
    Up(Box<Up>),
    /// Remove a machine with all it wrote
    Down(Down),
    /// Show all machines, those of running tests too
    List {
        /// As JSON: an array of objects with lab, name, address, leader, owner
        #[arg(long)]
        json: bool,
    },
    /// Open a shell as root in a machine, or run a command there
    Shell {
        /// The machine; LAB/NAME if several labs have the name
        name: String,
        /// The command and its arguments; a login shell without it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Print a machine's journal, or its console
    Logs(Logs),
    /// Make the base images that are not there yet, and print where each is
    Images {
        /// The releases; all without any
        releases: Vec<Release>,
        /// For 64-bit ARM
        #[arg(long)]
        aarch64: bool,
    },
    /// Remove images that no machine was made of for some days; they are made anew when they are needed
    Prune {
        /// The days
        #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: u64,
    },
    #[command(flatten)]
    Fault(Fault),
    /// The process in the background
    #[command(hide = true)]
    Keep,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The machine
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) name: Option<String>,
    /// All machines of the set, and what labs left whose owner has ended
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The machine; LAB/NAME if several labs have the name
    pub(crate) name: String,
    /// What the console showed instead of the journal
    #[arg(long)]
    pub(crate) console: bool,
    /// Go on as lines come in
    #[arg(long, short, conflicts_with = "console")]
    pub(crate) follow: bool,
}

/// What the users may do by sudo.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SudoFlag {
    /// Anything, after typing their password
    Password,
    /// Anything, without a question
    WithoutPassword,
    /// Nothing
    Never,
    /// sudo is not installed: su alone
    Absent,
}

/// A change of a description that a flag without a value asks for.
type Change = fn(Machine) -> Machine;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Up {
    /// The release
    pub(crate) release: Release,
    /// Host name; the release's name without it
    #[arg(long)]
    name: Option<String>,
    /// A user and a password that protects nothing: ada=secret
    #[arg(long, value_name = "NAME=PASSWORD")]
    user: Vec<String>,
    /// A group that all users are in
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// What the users may do by sudo
    #[arg(long, default_value = "never")]
    sudo: SudoFlag,
    /// A line for the users' `authorized_keys`
    #[arg(long, value_name = "LINE")]
    authorized_key: Vec<String>,
    /// Root's password
    #[arg(long, value_name = "PASSWORD")]
    root_password: Option<String>,
    /// Let root log in by SSH
    #[arg(long)]
    permit_root_login: bool,
    /// How sshd lets users in
    #[arg(long, default_value = "password")]
    ssh: SshLogin,
    /// Let in by certificates of this authority alone (a line as in a .pub file)
    #[arg(long, value_name = "LINE")]
    ssh_certificates_of: Option<String>,
    /// The port of sshd
    #[arg(long, default_value_t = 22)]
    port: u16,
    /// Let sshd speak only what servers of 2010 spoke
    #[arg(long)]
    old_ssh_algorithms: bool,
    /// dropbear in the place of OpenSSH's server
    #[arg(long)]
    dropbear: bool,
    /// No D-Bus and no logind
    #[arg(long)]
    no_dbus: bool,
    /// With Python, which is absent otherwise
    #[arg(long)]
    python: bool,
    /// A root directory that cannot be written
    #[arg(long)]
    read_only: bool,
    /// A disk of so many MiB, which can be filled
    #[arg(long, value_name = "MIB")]
    small_disk: Option<u32>,
    /// Another program holds dpkg's lock
    #[arg(long)]
    package_lock_held: bool,
    /// The users' passwords have expired
    #[arg(long)]
    password_expired: bool,
    /// One more package
    #[arg(long, value_name = "NAME")]
    package: Vec<String>,
    /// One more package, from the backports
    #[arg(long, value_name = "NAME")]
    backport: Vec<String>,
    /// A 64-bit ARM machine, emulated program by program
    #[arg(long, conflicts_with_all = ["own_kernel", "apparmor", "selinux", "clock"])]
    aarch64: bool,
    /// A kernel of its own, emulated: slow, but with its own clock, disks and security modules
    #[arg(long)]
    own_kernel: bool,
    /// A kernel of its own and a second, empty disk
    #[arg(long)]
    second_disk: bool,
    /// A kernel of its own where AppArmor enforces
    #[arg(long, conflicts_with = "selinux")]
    apparmor: bool,
    /// A kernel of its own where SELinux enforces
    #[arg(long)]
    selinux: bool,
    /// A kernel of its own whose clock starts at this time, UTC
    #[arg(long, value_name = "2031-01-01T00:00:00")]
    clock: Option<String>,
    /// A signed apt repository, served at port 80 to the other machines, with these packages of this host
    #[arg(long, value_name = "FILE.deb", num_args = 0..)]
    apt_repository: Option<Vec<PathBuf>>,
    /// dnf and zypper, with a signed repository
    #[arg(long)]
    rpm_repository: bool,
    /// Be the Samba domain controller of this domain, with this password of Administrator
    #[arg(long, value_name = "REALM=PASSWORD")]
    samba_domain: Option<String>,
    /// Be the Kerberos key distribution centre of this realm, with this password of admin/admin
    #[arg(long, value_name = "REALM=PASSWORD")]
    kerberos_realm: Option<String>,
    /// Advertise a service by SLP, with its attributes: service:ssh://10.0.0.2=(os=Debian),lab
    #[arg(long, value_name = "URL[=ATTRIBUTES]")]
    slp_service: Vec<String>,
    /// Be a directory agent of SLP, where others register
    #[arg(long, conflicts_with = "slp_service")]
    slp_directory: bool,
    /// The name server it asks
    #[arg(long, value_name = "ADDRESS")]
    name_server: Option<Ipv4Addr>,
    /// Also connect it to what this host reaches, set up as this host is
    #[arg(long)]
    uplink: bool,
    /// As JSON: an object with name and address
    #[arg(long)]
    pub(crate) json: bool,
}

impl Up {
    /// The description that the flags make.
    pub(crate) fn machine(&self) -> Result<Machine> {
        let mut machine = Machine::new(self.release);
        for pair in &self.user {
            machine = self.with_user(machine, pair)?;
        }
        machine = machine.ssh_login(self.ssh);
        for name in &self.package {
            machine = machine.package(name);
        }
        for name in &self.backport {
            machine = machine.backports(&[name]);
        }
        let name = self.name.as_deref();
        let port = (self.port != 22).then_some(self.port);
        machine = some(machine, name, Machine::named);
        machine = some(machine, self.root_password.as_deref(), Machine::root_password);
        machine = some(machine, self.ssh_certificates_of.as_deref(), Machine::ssh_certificates_of);
        machine = some(machine, port, Machine::ssh_port);
        machine = some(machine, self.small_disk, Machine::small_disk);
        machine = some(machine, self.clock.as_deref(), Machine::clock);
        machine = some(machine, self.name_server, Machine::name_server);
        if let Some(packages) = &self.apt_repository {
            let paths: Vec<&Path> = packages.iter().map(PathBuf::as_path).collect();
            machine = machine.apt_repository(&paths);
        }
        if let Some(pair) = &self.samba_domain {
            let (realm, password) = split("--samba-domain", pair)?;
            machine = machine.samba_domain(realm, password);
        }
        if let Some(pair) = &self.kerberos_realm {
            let (realm, password) = split("--kerberos-realm", pair)?;
            machine = machine.kerberos_realm(realm, password);
        }
        if !self.slp_service.is_empty() {
            let pairs = self.slp_service.iter().map(String::as_str);
            let services = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            machine = machine.slp_daemon(&services.collect::<Vec<_>>());
        }
        let no_sudo = matches!(self.sudo, SudoFlag::Absent);
        let flags: [(bool, Change); 16] = [
            (no_sudo, Machine::without_sudo),
            (self.permit_root_login, Machine::permit_root_login),
            (self.old_ssh_algorithms, Machine::old_ssh_algorithms),
            (self.dropbear, Machine::dropbear),
            (self.no_dbus, Machine::without_dbus),
            (self.python, |machine| machine.package("python3")),
            (self.read_only, Machine::read_only_root),
            (self.package_lock_held, Machine::package_lock_held),
            (self.aarch64, Machine::aarch64),
            (self.apparmor, Machine::apparmor),
            (self.selinux, Machine::selinux),
            (self.own_kernel, Machine::own_kernel),
            (self.second_disk, Machine::second_disk),
            (self.slp_directory, Machine::slp_directory),
            (self.rpm_repository, Machine::rpm_repository),
            (self.uplink, Machine::uplink),
        ];
        let chosen = flags.into_iter().filter(|(given, _)| *given);
        Ok(chosen.fold(machine, |machine, (_, change)| change(machine)))
    }

    fn with_user(&self, machine: Machine, pair: &str) -> Result<Machine> {
        let (name, password) = split("--user", pair)?;
        let sudo = match self.sudo {
            SudoFlag::Password => Sudo::WithPassword,
            SudoFlag::WithoutPassword => Sudo::WithoutPassword,
            SudoFlag::Never | SudoFlag::Absent => Sudo::Never,
        };
        let groups: Vec<&str> = self.group.iter().map(String::as_str).collect();
        let mut machine = machine.user(name, password).sudo(sudo).groups(&groups);
        for line in &self.authorized_key {
            machine = machine.authorized_key(line);
        }
        if self.password_expired {
            machine = machine.password_expired();
        }
        Ok(machine)
    }
}

/// The two halves of `NAME=PASSWORD`.
fn split<'a>(flag: &str, pair: &'a str) -> Result<(&'a str, &'a str)> {
    pair.split_once('=')
        .ok_or_else(|| Error::Refused(format!("{flag} {pair}: say NAME=PASSWORD")))
}

/// Changes the machine if there is a value.
fn some<T>(machine: Machine, value: Option<T>, change: impl Fn(Machine, T) -> Machine) -> Machine {
    match value {
        Some(value) => change(machine, value),
        None => machine,
    }
}

#[test]
fn the_definition_of_all_flags_is_sound() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}
