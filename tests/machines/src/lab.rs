//! The lab: a bridge, its machines, and what they leave in the file system.
//!
//! A lab has a number. It names the directory `/run/pilothouse-lab/NUMBER` with the lock that its owner holds,
//! the host's end of its cable (`labNUMBER`), its address range and its control groups. The lock is the kernel's
//! (`flock(2)`), so it is given back when the owner ends in any way; [`crate::sweep`] then removes the files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::{Cache, remove_tree};
use crate::enclosure::Enclosure;
use crate::error::{Doing as _, Error, Result};
use crate::image::Image;
use crate::leaving::{Exit, Leaving, Names};
use crate::machine::{Content, Disk, Machine, Network, RootDirectory};
use crate::power::{Hardware, Plan, Power};
use crate::program::Program;
use crate::range::{PREFIX, Range};
use crate::running::Running;
use crate::virtual_machine::{self, Computer, Kernel};
use crate::{needs, setup, sweep, uplink};

/// Labs that there may be on one host at once: one address byte.
const LABS: u8 = 250;

/// The last address of a range that a machine gets; `.1` is the host's.
const LAST_ADDRESS: u8 = 254;

/// A lab of its own for one test, or for the `lab` command. Machines keep it alive.
#[derive(Debug, Clone)]
pub struct Lab {
    inside: Arc<Inside>,
}

/// What a lab's machines share.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) enclosure: Enclosure,
    number: u8,
    range: Range,
    cache: Cache,
    /// `/run/pilothouse-lab/NUMBER`.
    directory: PathBuf,
    /// Where its machines write.
    written: PathBuf,
    names: Names,
    /// The last byte of the next machine's address.
    next: Mutex<u8>,
    exit: Exit,
    /// Held as long as the lab lives. The last field: given back when all else is gone.
    _lock: File,
}

impl Lab {
    /// Removes what ended labs left, then makes a new one without machines.
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], [`Error::Missing`], or what the system refused.
    pub fn start() -> Result<Self> {
        needs::check()?;
        needs::raise_limits()?;
        let cache = Cache::of_this_computer();
        let _alone = sweep::lock_all()?;
        sweep::ended_labs(&cache)?;
        let (number, directory, lock) = new_directory()?;
        let range = Range::free(number)?;
        let written = cache.directory(&format!("live/{number}"))?;
        let enclosure = Enclosure::open()?;
        let first = enclosure.first_process();
        sweep::note_owner(&directory, first)?;
        let inside = Inside {
            enclosure,
            number,
            range,
            cache,
            directory,
            written,
            names: Names::default(),
            next: Mutex::new(2),
            exit: Exit::default(),
            _lock: lock,
        };
        inside.make_bridge()?;
        Ok(Self { inside: Arc::new(inside) })
    }

    /// Its number, unique on this host.
    pub fn number(&self) -> u8 {
        self.inside.number
    }

    /// The host's address in it.
    pub fn host_address(&self) -> Ipv4Addr {
        self.inside.range.host()
    }

    /// Makes a machine, boots it, and waits until it is up. May be called from several threads at once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a description that cannot be; what mmdebstrap or apt say while an image is made;
    /// [`Error::TooSlow`] with the console.
    pub fn machine(&self, machine: Machine) -> Result<Running> {
        let running = self.machine_off(machine)?;
        running.start()?;
        Ok(running)
    }

    /// Makes a machine that is off.
    ///
    /// # Errors
    ///
    /// As [`Self::machine`].
    pub fn machine_off(&self, machine: Machine) -> Result<Running> {
        if let Some(mistake) = machine.mistake {
            return Err(Error::Refused(mistake));
        }
        let image = Image::get(
            &self.inside.cache,
            machine.release,
            machine.architecture,
            &machine.packages,
        )?;
        let (name, last) = self.inside.take(&machine)?;
        let mut running = self.inside.running(&self.inside, &machine, name, last);
        running.prepare(&machine, &image)?;
        Ok(running)
    }
}

impl Inside {
    fn make_bridge(&self) -> Result<()> {
        let cable = self.cable();
        self.enclosure.script(
            "mkdir -p /run/systemd/nspawn /run/netns
            mount -t tmpfs tmpfs /run/systemd/nspawn
            mount -t tmpfs tmpfs /run/netns
            ip link set lo up
            ip link add lab type bridge mcast_snooping 0
            ip link set lab up",
        )?;
        let first = self
            .enclosure
            .first_process()
            .pid()
            .as_raw_nonzero()
            .to_string();
        Program::new("ip")
            .args(["link", "add", &cable, "type", "veth", "peer", "name", "host", "netns", &first])
            .output()?;
        self.enclosure.script("ip link set host master lab up")?;
        let address = format!("{}/{PREFIX}", self.range.host());
        Program::new("ip")
            .args(["address", "add", &address, "dev", &cable])
            .output()?;
        Program::new("ip")
            .args(["link", "set", &cable, "up"])
            .output()
            .map(drop)
    }

    /// The host's end of the cable to the bridge.
    fn cable(&self) -> String {
        format!("lab{}", self.number)
    }

    /// A name and the last byte of an address that no other machine of the lab has.
    fn take(&self, machine: &Machine) -> Result<(String, u8)> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if *next > LAST_ADDRESS {
            return Err(Error::Refused(format!("lab {} has no address left", self.number)));
        }
        let name = match &machine.name {
            Some(name) => checked_name(name)?.to_owned(),
            None => free_name(machine.release.name(), &lock(&self.names)),
        };
        if lock(&self.names).contains(&name) {
            // Perhaps it is just leaving.
            self.exit.wait();
        }
        if !lock(&self.names).insert(name.clone()) {
            return Err(Error::Refused(format!("there is a machine {name} in this lab")));
        }
        let last = *next;
        *next += 1;
        Ok((name, last))
    }

    /// Names of machines that are here.
    pub(crate) fn names(&self) -> Names {
        Arc::clone(&self.names)
    }

    /// Lets a machine that has been killed go.
    pub(crate) fn let_go(&self, leaving: Leaving) {
        self.exit.let_go(leaving);
    }

    fn running(&self, lab: &Arc<Self>, machine: &Machine, name: String, last: u8) -> Running {
        let directory = self.directory.join("machines").join(&name);
        let root = directory.join("root");
        let written = self.written.join(&name);
        let port = format!("p{last}");
        let extra = match machine.root {
            RootDirectory::Writable => Vec::new(),
            RootDirectory::ReadOnly => {
                let var = written.join("var");
                vec!["--read-only".to_owned(), format!("--overlay=+/var:{}:/var", var.display())]
            }
        };
        let hardware = match &machine.kernel {
            Kernel::Shared => Hardware::Shared(extra),
            Kernel::Own { command_line, clock } => {
                let (command_line, clock) = (command_line.clone(), clock.clone());
                let computer = Computer { command_line, clock, port: port.clone(), last };
                Hardware::Emulated(computer, written.clone())
            }
        };
        let plan = Plan {
            enclosure: self.enclosure.first_process().pid(),
            name: name.clone(),
            unique: format!("{}{name}", sweep::group_prefix(self.number)),
            root: root.clone(),
            directory: directory.clone(),
            hardware,
        };
        Running {
            lab: Arc::clone(lab),
            power: Arc::new(Power::new(plan)),
            address: self.range.address(last),
            written,
            port,
            kernel: machine.kernel.clone(),
            name,
            root,
            directory,
            disk: machine.disk,
            relay: Mutex::new(None),
            uplink: None,
        }
    }
}

/// Reads the script for a machine that is not booted; programs in it find `/proc` and `/dev` as they expect.
const SET_UP: &str =
    r#"mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; exec chroot "$1" sh -s"#;

impl Running {
    /// Mounts its root, connects it, writes its files and sets it up.
    fn prepare(&mut self, machine: &Machine, image: &Image) -> Result<()> {
        for path in [&self.root, &self.written] {
            fs::create_dir_all(path).doing("make", path)?;
        }
        self.lab
            .enclosure
            .script(&self.mount_script(machine.disk, image))?;
        for file in &machine.files {
            let bytes = match &file.content {
                Content::Text(text) => text.clone().into_bytes(),
                Content::CopyOf(path) => fs::read(path).doing("read", path)?,
            };
            self.write(&file.path, file.mode, bytes)?;
        }
        let script = setup::script(machine, &self.name, self.address)?;
        self.set_up(&script)?;
        let note = self.directory.join("address");
        fs::write(&note, self.address.to_string()).doing("write", &note)?;
        match (&machine.kernel, machine.network) {
            (Kernel::Own { .. }, Network::Lab) => {
                virtual_machine::finish(self, machine.labels, machine.disks)
            }
            (Kernel::Own { .. }, Network::LabAndUplink) => Err(Error::Refused(
                "a machine with its own kernel has no uplink; give it packages instead".into(),
            )),
            (Kernel::Shared, Network::Lab) => self.connect(),
            (Kernel::Shared, Network::LabAndUplink) => {
                self.connect()?;
                self.uplink = Some(uplink::connect(self)?);
                Ok(())
            }
        }
    }

    /// Runs a shell script in a machine that is not booted.
    pub(crate) fn set_up(&self, script: &str) -> Result<()> {
        self.lab
            .enclosure
            .program()
            .args(["unshare", "--mount", "sh", "-e", "-c", SET_UP, "sh"])
            .arg(&self.root)
            .input(script)
            .output()
            .map(drop)
    }

    fn mount_script(&self, disk: Disk, image: &Image) -> String {
        let (root, written) = (self.root.display(), self.written.display());
        let tmpfs = match disk {
            Disk::Large => String::new(),
            Disk::Small(mib) => format!("mount -t tmpfs -o size={mib}m,mode=755 tmpfs {written}\n"),
        };
        let lower = image.lowerdir();
        format!(
            "{tmpfs}mkdir -p {written}/upper {written}/work {written}/var
            chmod 755 {written}/upper
            mount -t overlay overlay -o lowerdir={lower},upperdir={written}/upper,workdir={written}/work,volatile {root}"
        )
    }

    /// Makes its network namespace and its cable to the bridge. The route without a gateway is for multicast,
    /// which needs one to be sent at all.
    fn connect(&self) -> Result<()> {
        let Self { name, port, address, .. } = self;
        let script = format!(
            "ip netns add {name}
            ip link add {port} type veth peer name eth0 netns {name}
            ip link set {port} master lab up
            ip -n {name} -batch - <<'END'
link set lo up
link set eth0 up
address add {address}/{PREFIX} brd + dev eth0
route add default dev eth0
END
"
        );
        self.lab.enclosure.script(&script).map(drop)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.exit.wait_for_the_last_time();
        drop(
            Program::new("ip")
                .args(["link", "del", &self.cable()])
                .finish(),
        );
        // The enclosure ends with its field; its files go first, and its directory with the lock in it last.
        drop(remove_tree(&self.written));
        drop(remove_tree(&self.directory));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first number whose lock nobody holds, with its new directory and the lock.
fn new_directory() -> Result<(u8, PathBuf, File)> {
    let all = sweep::run_directory()?;
    for number in 1..=LABS {
        let directory = all.join(number.to_string());
        if directory.exists() {
            continue;
        }
        fs::create_dir(&directory).doing("make", &directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))
            .doing("set", &directory)?;
        let path = directory.join("lock");
        let lock = File::create(&path).doing("make", &path)?;
        lock.lock().doing("lock", &path)?;
        return Ok((number, directory, lock));
    }
    Err(Error::Refused(format!("{LABS} labs are up on this host: `lab down --all`")))
}

fn free_name(stem: &str, names: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.to_owned())
        .chain(numbered)
        .find(|name| !names.contains(name))
        .unwrap_or_default()
}

/// A host name: also the name of files, a network namespace and a control group.
fn checked_name(name: &str) -> Result<&str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || name.len() > 40 || ends || !name.chars().all(allowed) {
        return Err(Error::Refused(format!(
            "{name:?} is no machine name: up to 40 of a-z, 0-9 and -, not - at an end"
        )));
    }
    Ok(name)
}

#[test]
fn a_machine_name_is_a_host_name() {
    for name in ["", "-a", "a-", "A", "a.b", "a/b", "../x", "a b"] {
        assert!(checked_name(name).is_err(), "{name}");
    }
    assert_eq!(checked_name("web-1").unwrap(), "web-1");
}

#[test]
fn machines_without_a_name_are_counted() {
    let names = BTreeSet::from(["debian12".to_owned(), "debian12-2".to_owned()]);

    assert_eq!(free_name("debian12", &names), "debian12-3");
    assert_eq!(free_name("debian13", &names), "debian13");
}
