//! Machines with a kernel of their own: what the shared kernel cannot show.

use machines::{Lab, Machine, Signal};

#[test]
fn a_machine_with_its_own_kernel_has_its_own_clock_and_takes_part_in_the_lab() {
    let lab = Lab::start().unwrap();
    let near = lab
        .machine(Machine::debian12().named("near").user("ada", "secret"))
        .unwrap();
    let start = std::time::Instant::now();
    let own = lab
        .machine(
            Machine::debian12()
                .named("own")
                .user("ada", "secret")
                .clock("2031-02-03T04:05:06"),
        )
        .unwrap();
    eprintln!("own kernel up after {:?}, {} MiB", start.elapsed(), own.memory().unwrap() >> 20);

    assert!(
        own.exec(&["date", "-u", "+%Y-%m"])
            .unwrap()
            .starts_with("2031-02")
    );
    assert_ne!(own.exec(&["uname", "-r"]).unwrap(), near.exec(&["uname", "-r"]).unwrap());
    assert_eq!(
        own.exec(&["sh", "-c", "echo \"it's $1\"", "sh", "a b"])
            .unwrap(),
        "it's a b\n"
    );
    assert_eq!(own.ssh("ada", &["secret"], "id -un").unwrap().stdout, "ada\n");
    let banner = format!("timeout 5 bash -c 'head -c 4 < /dev/tcp/{}/22'", own.address());
    assert_eq!(near.exec(&["sh", "-c", &banner]).unwrap(), "SSH-");

    own.set_clock("2020-01-01 00:00").unwrap();
    assert!(
        own.exec(&["date", "-u", "+%Y"])
            .unwrap()
            .starts_with("2020")
    );
    assert_eq!(own.kill("systemd-network", Signal::KILL).unwrap(), 1);
    own.exec(&["ip", "link", "add", "bond0", "type", "bond"])
        .unwrap();
    own.exec(&["ip", "link", "add", "link", "eth0", "name", "eth0.7", "type", "vlan", "id", "7"])
        .unwrap();

    own.write("/srv/kept", 0o644, "one").unwrap();
    own.reboot().unwrap();
    assert_eq!(own.exec(&["cat", "/srv/kept"]).unwrap(), "one");
    own.stop().unwrap();
    assert!(own.exec(&["true"]).is_err());
}

#[test]
fn apparmor_enforces_a_profile_in_a_machine_with_its_own_kernel() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12().apparmor()).unwrap();
    machine.exec(&["tac", "/etc/hostname"]).unwrap();

    let profile = "/usr/bin/tac { /usr/bin/tac mr, /lib/** mr, /usr/lib/** mr, /etc/ld.so.cache r, /etc/fstab r, }";
    machine
        .write("/etc/apparmor.d/lab", 0o644, profile)
        .unwrap();
    machine
        .exec(&["apparmor_parser", "-r", "/etc/apparmor.d/lab"])
        .unwrap();

    let refused = machine.try_exec(&["tac", "/etc/hostname"]).unwrap();
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
}

#[test]
fn selinux_enforces_in_a_machine_with_its_own_kernel() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12().selinux()).unwrap();

    assert_eq!(machine.exec(&["getenforce"]).unwrap(), "Enforcing\n");
    let sshd =
        machine.exec(&["sh", "-c", "cat /proc/$(systemctl show -P MainPID ssh)/attr/current"]);
    assert!(sshd.unwrap().contains(":sshd_t:"));
}

#[test]
fn udisks_makes_volumes_and_locked_partitions_on_a_disk_in_a_machine_with_its_own_kernel() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(Machine::debian12().second_disk().packages(&[
            "udisks2",
            "udisks2-lvm2",
            "libblockdev-crypto2",
            "libblockdev-fs2",
            "e2fsprogs",
            "cryptsetup",
            "lvm2",
        ]))
        .unwrap();
    let call = |path: &str, interface: &str, method: &str, arguments: &[&str]| {
        let (service, path) =
            ("org.freedesktop.UDisks2", format!("/org/freedesktop/UDisks2/{path}"));
        let interface = format!("{service}.{interface}");
        let head = ["busctl", "call", "--timeout=120", service, &path, &interface, method];
        machine.exec(&[&head[..], arguments].concat()).unwrap()
    };
    let disk = "/org/freedesktop/UDisks2/block_devices/vdb";

    call("Manager", "Manager", "EnableModule", &["sb", "lvm2", "true"]);
    call("Manager", "Manager.LVM2", "VolumeGroupCreate", &["saoa{sv}", "pool", "1", disk, "0"]);
    let made = call(
        "lvm/pool",
        "VolumeGroup",
        "CreatePlainVolume",
        &["sta{sv}", "data", "268435456", "0"],
    );
    assert!(made.contains("/org/freedesktop/UDisks2/lvm/pool/data"), "{made}");
    let volumes = machine.exec(&["lvs", "--noheadings", "-o", "vg_name,lv_name"]);
    assert_eq!(volumes.unwrap().split_whitespace().collect::<Vec<_>>(), ["pool", "data"]);

    let locked = &["sa{sv}", "ext4", "1", "encrypt.passphrase", "s", "open sesame"];
    call("block_devices/dm_2d0", "Block", "Format", locked);
    let kind = machine.exec(&["lsblk", "--noheadings", "--raw", "-o", "TYPE,FSTYPE", "/dev/vdb"]);
    let kind = kind.unwrap();
    assert!(kind.contains("lvm crypto_LUKS") && kind.contains("crypt ext4"), "{kind}");
}
