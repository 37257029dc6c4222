//! Machines with a kernel of their own: qemu's plain emulation, on the same bridge.
//!
//! For what one shared kernel cannot show: SELinux and AppArmor that enforce, `UDisks2` with real disks, bonds and
//! VLANs, a clock. Slow and large: about 13 s to sshd and 1 GB, so only where needed. Programs run in them by SSH,
//! with a key that is made for the machine. Sources: qemu(1), `initramfs-tools(7)`, systemd.network(5).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Doing as _, Error, Result};
use crate::machine::Machine;
use crate::needs::missing_programs;
use crate::program::{Program, is_installed};
use crate::range::PREFIX;
use crate::running::Running;

/// Whose kernel a machine runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kernel {
    /// The host's.
    Shared,
    /// Debian's, in an emulated computer.
    Own {
        /// Added to the kernel's command line.
        command_line: String,
        /// When its clock starts, UTC, as `2031-01-01T00:00:00`; the host's time without it.
        clock: Option<String>,
    },
}

/// Whether the files on an emulated computer's disk carry labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Labels {
    None,
    SeLinux,
}

/// How many disks an emulated computer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Disks {
    /// The system's.
    One,
    /// An empty one beside it.
    Two,
}

/// Labels all files; `-m` because the host's kernel does not know of labels.
const LABEL: &str = "setfiles -m -F /etc/selinux/default/contexts/files/file_contexts /";

/// Memory of an emulated computer, in MiB: systemd and SELinux's tools need half of it.
const MEMORY: &str = "1024";

/// Size of its disk, which takes from the host only what is written.
const DISK: &str = "4G";

/// Bytes of the second, which too takes only what is written.
const SECOND_DISK: u64 = 1 << 30;

/// Before the kernel's package is installed: an initrd with just what finds the disk, because emulation takes its
/// time to unpack a large one.
const SMALL_INITRD: &str = "mkdir -p /etc/initramfs-tools/conf.d /etc/initramfs-tools/hooks
echo MODULES=list > /etc/initramfs-tools/conf.d/lab
cat > /etc/initramfs-tools/hooks/lab <<'END'
#!/bin/sh
[ \"$1\" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
force_load virtio_pci
force_load virtio_blk
force_load ext4
END
chmod 755 /etc/initramfs-tools/hooks/lab
";

/// Tells the host on the second serial line that the system is up.
const READY_UNIT: &str = "[Unit]
Description=Tells the lab that this machine is up
After=multi-user.target ssh.service systemd-networkd.service
[Service]
Type=oneshot
ExecStart=sh -c 'echo READY > /dev/ttyS1'
[Install]
WantedBy=graphical.target
";

/// What starts at boot.
const ENABLE: &str = "cd /etc/systemd/system
mkdir -p graphical.target.wants multi-user.target.wants
ln -sf /etc/systemd/system/lab-ready.service graphical.target.wants/
ln -sf /lib/systemd/system/systemd-networkd.service multi-user.target.wants/
ln -sf /dev/null systemd-networkd-wait-online.service
";

impl Machine {
    /// Has a kernel of its own.
    #[must_use]
    pub fn own_kernel(mut self) -> Self {
        if !matches!(self.kernel, Kernel::Own { .. }) {
            self.kernel = Kernel::Own { command_line: String::new(), clock: None };
            SMALL_INITRD.clone_into(&mut self.packages.first);
        }
        self.packages(&["udev", "kmod", "linux-image-cloud-amd64"])
            .file("/etc/systemd/system/lab-ready.service", 0o644, READY_UNIT)
            .script(ENABLE)
    }

    /// Has a kernel of its own whose clock starts at this time (UTC, `2031-01-01T00:00:00`).
    #[must_use]
    pub fn clock(self, starts: &str) -> Self {
        let mut machine = self.own_kernel();
        if let Kernel::Own { clock, .. } = &mut machine.kernel {
            *clock = Some(starts.to_owned());
        }
        machine
    }

    /// Has a kernel of its own and a second, empty disk, `/dev/vdb`: for what is done to disks.
    #[must_use]
    pub fn second_disk(self) -> Self {
        let mut machine = self.own_kernel();
        machine.disks = Disks::Two;
        machine
    }

    /// Has a kernel of its own where AppArmor enforces.
    #[must_use]
    pub fn apparmor(self) -> Self {
        self.own_kernel()
            .package("apparmor")
            .kernel_options("lsm=lockdown,yama,integrity,apparmor,bpf")
    }

    /// Has a kernel of its own where SELinux enforces Debian's default policy.
    #[must_use]
    pub fn selinux(self) -> Self {
        let mut machine = self.own_kernel();
        machine.labels = Labels::SeLinux;
        machine
            .packages(&["selinux-policy-default", "policycoreutils", "selinux-utils"])
            .file("/etc/selinux/config", 0o644, "SELINUX=enforcing\nSELINUXTYPE=default\n")
            .kernel_options("lsm=lockdown,yama,selinux selinux=1 enforcing=1")
    }

    fn kernel_options(mut self, options: &str) -> Self {
        if let Kernel::Own { command_line, .. } = &mut self.kernel {
            command_line.push(' ');
            command_line.push_str(options);
        }
        self
    }
}

/// How an emulated computer is started, beside what the plan has.
#[derive(Debug, Clone)]
pub(crate) struct Computer {
    pub(crate) command_line: String,
    pub(crate) clock: Option<String>,
    pub(crate) port: String,
    /// The last byte of its hardware address.
    pub(crate) last: u8,
}

/// The command line of qemu for a computer whose files are in `written`, its console and second serial line in
/// `directory`.
pub(crate) fn qemu(
    program: Program,
    computer: &Computer,
    root: &Path,
    directory: &Path,
    written: &Path,
) -> Program {
    let clock = computer.clock.as_deref().unwrap_or("utc");
    let second = second_disk(written);
    let second = second
        .exists()
        .then(|| format!("if=virtio,format=raw,cache=unsafe,file={}", second.display()));
    let command_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0 loglevel=4";
    program
        .args(["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max", "-m", MEMORY])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .arg("-chardev")
        .arg(format!("file,id=console,append=on,path={}", directory.join("console").display()))
        .arg("-chardev")
        .arg(format!("socket,id=ready,path={}", directory.join("ready").display()))
        .args(["-serial", "chardev:console", "-serial", "chardev:ready"])
        .arg("-drive")
        .arg(format!("if=virtio,format=raw,cache=unsafe,file={}", written.join("disk").display()))
        .args(second.iter().flat_map(|drive| ["-drive", drive]))
        .arg("-netdev")
        .arg(format!("tap,id=lab,ifname={},script=no,downscript=no", computer.port))
        .arg("-device")
        .arg(format!("virtio-net-pci,netdev=lab,romfile=,mac=52:54:00:1a:b0:{:02x}", computer.last))
        .args(["-device", "virtio-rng-pci", "-rtc", &format!("base={clock},clock=vm")])
        .arg("-kernel")
        .arg(root.join("vmlinuz"))
        .arg("-initrd")
        .arg(root.join("initrd.img"))
        .args(["-append", &format!("{command_line}{}", computer.command_line)])
}

/// The file that is the second disk of a computer that has one.
fn second_disk(written: &Path) -> PathBuf {
    written.join("second-disk")
}

/// The program that runs another in the machine at `address`: its arguments are quoted for the shell there.
pub(crate) fn by_ssh(address: Ipv4Addr, key: &Path) -> Program {
    Program::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
        .args(["-o", "ConnectTimeout=10", "-i"])
        .arg(key)
        .arg(format!("root@{address}"))
        .quoting_for_a_shell()
}

/// Gives a prepared machine a cable, a network configuration, a key for root, and a disk.
pub(crate) fn finish(machine: &Running, labels: Labels, disks: Disks) -> Result<()> {
    let missing: Vec<&str> = ["qemu-system-x86_64", "mkfs.ext4", "ssh", "ssh-keygen"]
        .into_iter()
        .filter(|name| !is_installed(name))
        .collect();
    missing_programs(&missing)?;
    let Running { address, port, root, written, .. } = machine;
    let network = format!(
        "[Match]\nName=eth0\n[Network]\nAddress={address}/{PREFIX}\nDefaultRouteOnDevice=yes\n"
    );
    machine.write("/etc/systemd/network/lab.network", 0o644, network)?;
    let key = machine.directory.join("key");
    Program::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .output()?;
    let public = key.with_extension("pub");
    let line = std::fs::read_to_string(&public).doing("read", &public)?;
    machine.write("/root/.ssh/authorized_keys", 0o600, line)?;
    machine.set_up("chmod 700 /root/.ssh")?;
    if labels == Labels::SeLinux {
        machine.set_up(LABEL)?;
    }
    if disks == Disks::Two {
        let second = second_disk(written);
        let empty = std::fs::File::create_new(&second).doing("make", &second)?;
        empty.set_len(SECOND_DISK).doing("lengthen", &second)?;
    }
    let (root, disk) = (root.display(), written.join("disk"));
    let disk = disk.display();
    machine
        .lab
        .enclosure
        .script(&format!(
            "ip tuntap add dev {port} mode tap
            ip link set {port} master lab up
            truncate -s {DISK} {disk}
            mkfs.ext4 -q -F -E lazy_itable_init=1,nodiscard -O ^has_journal -d {root} {disk}
            test -e {root}/vmlinuz && test -e {root}/initrd.img"
        ))
        .map(drop)
}

/// What cannot be done to a disk that an emulated computer has.
pub(crate) fn refuse_off(machine: &Running) -> Error {
    Error::Off { machine: machine.name.clone() }
}
