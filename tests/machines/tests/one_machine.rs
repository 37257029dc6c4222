//! One machine: it boots, is what was asked for, and survives what is done to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::time::Instant;

use machines::{Lab, Machine, Signal, Sudo};

fn banner(address: std::net::Ipv4Addr) -> String {
    let stream = TcpStream::connect((address, 22)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_bookworm_machine_is_running_and_its_sshd_answers_the_host() {
    let lab = Lab::start().unwrap();

    let machine = lab.machine(Machine::debian12()).unwrap();

    assert!(banner(machine.address()).starts_with("SSH-2.0-OpenSSH_9.2"));
    assert_eq!(machine.exec(&["systemctl", "is-system-running"]).unwrap(), "running\n");
    assert_eq!(machine.exec(&["hostname"]).unwrap(), "debian12\n");
    assert!(machine.journal().unwrap().contains("Startup finished"));
}

#[test]
fn the_first_machine_of_a_cached_image_takes_at_most_three_seconds() {
    drop(Lab::start().unwrap().machine(Machine::debian12()).unwrap());

    let start = Instant::now();
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    let up = start.elapsed();
    drop(machine);
    let end = Instant::now();
    drop(lab);

    assert!(up.as_secs_f64() <= 3.0, "{up:?}");
    eprintln!("up after {up:?}, lab torn down in {:?}", end.elapsed());
}

#[test]
fn bullseye_and_trixie_boot_too() {
    let lab = Lab::start().unwrap();

    let old = lab.machine(Machine::debian11()).unwrap();
    let new = lab.machine(Machine::debian13()).unwrap();

    assert!(banner(old.address()).starts_with("SSH-2.0-OpenSSH_8.4"));
    assert!(banner(new.address()).starts_with("SSH-2.0-OpenSSH_10"));
    assert_eq!(old.exec(&["systemctl", "is-system-running"]).unwrap(), "running\n");
    assert_eq!(new.exec(&["systemctl", "is-system-running"]).unwrap(), "running\n");
}

#[test]
fn users_have_the_sudo_rights_that_were_asked_for() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(
            Machine::debian12()
                .user("ada", "it's a secret")
                .sudo(Sudo::WithPassword)
                .groups(&["crew"])
                .user("ben", "x")
                .sudo(Sudo::WithoutPassword)
                .user("cy", "y"),
        )
        .unwrap();

    let ada = machine
        .exec_as("ada", "echo \"it's a secret\" | sudo -S -p '' id -u")
        .unwrap();
    let ben = machine.exec_as("ben", "sudo -n id -u").unwrap();

    assert_eq!(ada, "0\n");
    assert_eq!(ben, "0\n");
    assert!(machine.exec_as("ada", "sudo -k -n id -u").is_err());
    assert!(
        machine
            .exec_as("cy", "echo y | sudo -S -p '' id -u")
            .is_err()
    );
    assert!(machine.exec_as("ada", "id -Gn").unwrap().contains("crew"));
}

#[test]
fn root_changes_the_network_of_its_machine() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();

    machine
        .exec(&["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"])
        .unwrap();

    machine.exec(&["ip", "link", "show", "lan1"]).unwrap();
}

#[test]
fn what_a_machine_wrote_is_there_after_a_reboot_and_a_power_cut() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    machine.write("/srv/kept", 0o640, "one").unwrap();

    machine.reboot().unwrap();
    machine.kill_power().unwrap();
    assert!(machine.exec(&["true"]).is_err());
    machine.write("/srv/while-off", 0o600, "two").unwrap();
    machine.start().unwrap();

    assert_eq!(
        machine
            .exec(&["cat", "/srv/kept", "/srv/while-off"])
            .unwrap(),
        "onetwo"
    );
    assert_eq!(machine.exec(&["stat", "-c", "%a", "/srv/kept"]).unwrap(), "640\n");
    let boots = machine
        .exec(&["journalctl", "--list-boots", "--quiet", "--no-pager"])
        .unwrap();
    assert_eq!(boots.lines().count(), 3, "{boots}");
}

#[test]
fn an_orderly_stop_ends_and_a_stopped_machine_starts_again() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();

    machine.stop().unwrap();
    assert!(machine.journal().unwrap().contains("Startup finished"));
    machine.start().unwrap();

    assert!(banner(machine.address()).starts_with("SSH-2.0"));
}

#[test]
fn killing_sshd_by_name_leaves_a_port_that_refuses_or_a_service_that_was_restarted() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    let before = machine
        .exec(&["systemctl", "show", "-P", "MainPID", "ssh"])
        .unwrap();

    let killed = machine.kill("sshd", Signal::KILL).unwrap();

    assert_eq!(killed, 1);
    let gone = format!("while [ -d /proc/{} ]; do :; done", before.trim());
    machine.exec(&["sh", "-c", &gone]).unwrap();
    assert!(machine.kill("no-such-thing", Signal::KILL).is_err());
}

#[test]
fn an_aarch64_machine_boots_under_emulation_and_lets_a_user_in() {
    let lab = Lab::start().unwrap();

    let machine = lab
        .machine(Machine::debian12().aarch64().user("ada", "secret"))
        .unwrap();

    assert_eq!(machine.exec(&["uname", "-m"]).unwrap(), "aarch64\n");
    assert_eq!(machine.exec(&["dpkg", "--print-architecture"]).unwrap(), "arm64\n");
    assert_eq!(machine.ssh("ada", &["secret"], "uname -m").unwrap().stdout, "aarch64\n");
}
