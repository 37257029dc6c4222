//! Two machines: they reach each other, until a cable is pulled or one hangs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Instant;

use machines::{Lab, Machine, Running};

/// Whether `from` gets an answer of sshd at `to` within a second.
fn answers(from: &Running, to: &Running) -> bool {
    let script = format!("timeout 1 bash -c 'head -c 4 < /dev/tcp/{}/22'", to.address());
    from.try_exec(&["sh", "-c", &script]).unwrap().stdout == "SSH-"
}

#[test]
fn a_pulled_cable_is_silence_and_heals() {
    let lab = Lab::start().unwrap();
    let one = lab.machine(Machine::debian12().named("one")).unwrap();
    let two = lab.machine(Machine::debian13().named("two")).unwrap();
    assert!(answers(&one, &two));

    two.cut().unwrap();
    assert!(!answers(&one, &two));

    two.heal().unwrap();
    assert!(answers(&one, &two));
}

#[test]
fn a_frozen_machine_accepts_but_says_nothing_until_it_is_thawed() {
    let lab = Lab::start().unwrap();
    let one = lab.machine(Machine::debian12()).unwrap();
    let two = lab.machine(Machine::debian12()).unwrap();
    assert_eq!((one.name(), two.name()), ("debian12", "debian12-2"));

    two.freeze().unwrap();
    assert!(!answers(&one, &two));

    two.thaw().unwrap();
    assert!(answers(&one, &two));
}

#[test]
fn two_machines_have_different_host_keys_and_machine_ids() {
    let lab = Lab::start().unwrap();
    let one = lab.machine(Machine::debian12()).unwrap();
    let two = lab.machine(Machine::debian12()).unwrap();

    for path in ["/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id"] {
        assert_ne!(one.exec(&["cat", path]).unwrap(), two.exec(&["cat", path]).unwrap(), "{path}");
    }
}

#[test]
fn one_name_is_for_one_machine() {
    let lab = Lab::start().unwrap();
    let _one = lab.machine_off(Machine::debian12().named("web")).unwrap();

    let error = lab
        .machine_off(Machine::debian12().named("web"))
        .unwrap_err();

    assert_eq!(error.to_string(), "there is a machine web in this lab");
}

#[test]
fn ten_machines_are_up_within_fifteen_seconds_with_sixty_megabytes_each_at_most() {
    let lab = Lab::start().unwrap();
    let start = Instant::now();

    let machines: Vec<Running> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| lab.machine(Machine::debian12()).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });

    let up = start.elapsed();
    let memory: Vec<u64> = machines
        .iter()
        .map(|machine| machine.memory().unwrap() >> 10)
        .collect();
    eprintln!("ten machines up after {up:?}, KiB each: {memory:?}");
    assert!(up.as_secs_f64() <= 15.0, "{up:?}");
    assert!(memory.iter().all(|kib| *kib <= 60 << 10), "{memory:?}");
    let down = Instant::now();
    drop(machines);
    drop(lab);
    let down = down.elapsed();
    eprintln!("torn down in {down:?}");
    assert!(down.as_secs_f64() <= 2.0, "{down:?}");
}
