//! Faults: a bad line, a full disk; and wrong use of the library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use machines::{Lab, Line, Machine, Running};

/// How long a machine's sshd takes to greet: a TCP handshake and one answer, so two ways there and back.
fn greeting(machine: &Running) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect((machine.address(), 22)).unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"SSH-");
    start.elapsed()
}

#[test]
fn a_slow_line_is_as_slow_as_was_asked_and_a_good_one_afterwards() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    greeting(&machine);

    machine
        .delay(Line::latency(Duration::from_millis(100)))
        .unwrap();
    // The second time the addresses are known: no ARP.
    greeting(&machine);
    let slow = greeting(&machine);
    machine.undelay().unwrap();
    greeting(&machine);
    let good = greeting(&machine);

    assert!((300..1500).contains(&slow.as_millis()), "{slow:?}");
    assert!(good.as_millis() < 300, "{good:?}");
}

#[test]
fn a_lossy_line_still_carries_a_megabyte_and_a_narrow_one_takes_its_time() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(
            Machine::debian12()
                .file(
                    "/etc/systemd/system/zeros.socket",
                    0o644,
                    "[Socket]\nListenStream=99\nAccept=yes\n",
                )
                .file(
                    "/etc/systemd/system/zeros@.service",
                    0o644,
                    "[Service]\nExecStart=head -c 1000000 /dev/zero\nStandardOutput=socket\n",
                ),
        )
        .unwrap();
    machine
        .exec(&["systemctl", "start", "zeros.socket"])
        .unwrap();
    let fetch = || {
        let start = Instant::now();
        let mut bytes = Vec::new();
        TcpStream::connect((machine.address(), 99))
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes.len(), 1_000_000);
        start.elapsed()
    };

    machine
        .delay(Line { loss_per_mille: 10, ..Line::latency(Duration::ZERO) })
        .unwrap();
    fetch();
    machine
        .delay(Line { rate: Some(1_000_000), ..Line::latency(Duration::ZERO) })
        .unwrap();
    let narrow = fetch();

    assert!((900..5000).contains(&narrow.as_millis()), "{narrow:?}");
}

#[test]
fn a_full_disk_refuses_to_be_written_and_recovers() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12().small_disk(64)).unwrap();

    machine.fill_disk().unwrap();
    let refused = machine
        .try_exec(&["cp", "/etc/os-release", "/var/lib/file"])
        .unwrap();
    assert!(refused.stderr.contains("No space left on device"), "{refused:?}");

    machine.empty_disk().unwrap();
    machine
        .exec(&["cp", "/etc/os-release", "/var/lib/file"])
        .unwrap();
}

#[test]
fn the_hosts_own_disk_is_never_filled() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine_off(Machine::debian12()).unwrap();

    assert!(
        machine
            .fill_disk()
            .unwrap_err()
            .to_string()
            .contains("small disk")
    );
}

#[test]
fn rights_without_a_user_and_odd_names_are_refused_before_anything_is_made() {
    let lab = Lab::start().unwrap();

    let nobody = lab
        .machine(Machine::debian12().groups(&["crew"]))
        .unwrap_err();
    let odd = lab
        .machine(Machine::debian12().named("../etc"))
        .unwrap_err();

    assert!(nobody.to_string().contains("follow a user"), "{nobody}");
    assert!(odd.to_string().contains("no machine name"), "{odd}");
}

#[test]
fn what_matches_is_dropped_in_silence_and_the_rest_is_not() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    let address = std::net::SocketAddr::from((machine.address(), 22));
    let closed = std::net::SocketAddr::from((machine.address(), 23));
    let connect =
        |to| TcpStream::connect_timeout(to, Duration::from_millis(500)).map_err(|it| it.kind());

    machine.drop_what_matches("tcp dport 22").unwrap();
    assert_eq!(connect(&address).unwrap_err(), std::io::ErrorKind::TimedOut);
    assert_eq!(connect(&closed).unwrap_err(), std::io::ErrorKind::ConnectionRefused);

    machine.drop_nothing().unwrap();
    connect(&address).unwrap();
}

#[test]
fn the_hosts_own_clock_is_never_set() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();

    assert!(
        machine
            .set_clock("+1 hour")
            .unwrap_err()
            .to_string()
            .contains("its own kernel")
    );
}

#[test]
fn what_a_test_runs_in_a_machine_has_the_capabilities_of_its_services_and_no_more() {
    let lab = Lab::start().unwrap();
    for machine in [Machine::debian11(), Machine::debian12(), Machine::debian13()] {
        let machine = lab.machine(machine).unwrap();
        let line = |path: &str, name: &str| {
            machine
                .exec(&["grep", "-h", name, path])
                .unwrap()
                .split_whitespace()
                .last()
                .unwrap()
                .to_owned()
        };

        assert_eq!(line("/proc/self/status", "CapEff"), line("/proc/1/status", "CapEff"));
        assert_eq!(line("/proc/self/status", "CapBnd"), line("/proc/1/status", "CapBnd"));
        // Bit 25 is CAP_SYS_TIME.
        let effective = u64::from_str_radix(&line("/proc/self/status", "CapEff"), 16).unwrap();
        assert_eq!(effective & (1 << 25), 0);
    }
}

/// Run by the next test alone, in a process of its own.
#[test]
#[ignore = "fails on purpose: it is the subject of the next test"]
fn subject_that_fails_with_a_machine() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12().named("subject")).unwrap();
    machine
        .exec(&["systemd-cat", "echo", "the last thing it said"])
        .unwrap();
    machine.exec(&["journalctl", "--sync"]).unwrap();
    panic!("on purpose");
}

#[test]
fn a_test_that_fails_shows_the_console_and_the_journal_of_its_machines() {
    let failed = machines::Program::new(std::env::current_exe().unwrap())
        .args(["--exact", "subject_that_fails_with_a_machine", "--ignored", "--nocapture"])
        .finish()
        .unwrap();

    assert_ne!(failed.code, 0);
    for words in [
        "--- console of subject",
        "Reached target",
        "--- journal of subject",
        "the last thing it said",
    ] {
        assert!(failed.stderr.contains(words), "{words}: {}", failed.stderr);
    }
}
