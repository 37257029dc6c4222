//! Machines with packages: from the release, from its backports, and on a fresh machine from where the host has
//! them.

use machines::{Lab, Machine};

#[test]
fn a_machine_has_the_packages_that_were_asked_for_and_those_alone() {
    let lab = Lab::start().unwrap();

    let with = lab
        .machine(Machine::debian12().packages(&["polkitd", "jq"]))
        .unwrap();
    let without = lab
        .machine(Machine::debian12().without_packages(&["sudo"]))
        .unwrap();

    assert_eq!(with.exec(&["jq", "-n", "1+1"]).unwrap(), "2\n");
    assert!(
        with.exec(&["pkaction"])
            .unwrap()
            .contains("org.freedesktop.login1.reboot")
    );
    assert_ne!(
        without
            .try_exec(&["sh", "-c", "command -v sudo || command -v jq"])
            .unwrap()
            .code,
        0
    );
}

#[test]
fn cockpit_337_comes_from_the_backports_of_bookworm() {
    let lab = Lab::start().unwrap();

    let machine = lab
        .machine(Machine::debian12().packages(&["polkitd"]).backports(&[
            "cockpit-ws",
            "cockpit-bridge",
            "cockpit-system",
        ]))
        .unwrap();

    let version = machine
        .exec(&["dpkg-query", "-Wf", "${Version}", "cockpit-bridge"])
        .unwrap();
    assert!(version.contains("~bpo12"), "{version}");
    machine
        .exec(&["systemctl", "start", "cockpit.socket"])
        .unwrap();
    std::net::TcpStream::connect((machine.address(), 9090)).unwrap();
}

#[test]
fn a_fresh_machine_installs_a_package_as_the_host_would() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian13().uplink()).unwrap();

    machine.exec(&["apt-get", "-qq", "update"]).unwrap();
    machine
        .exec(&["apt-get", "-qq", "-y", "install", "--no-install-recommends", "make"])
        .unwrap();

    assert!(
        machine
            .exec(&["make", "--version"])
            .unwrap()
            .starts_with("GNU Make")
    );
}

#[test]
fn a_machine_without_an_uplink_reaches_the_lab_and_nothing_else() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12()).unwrap();
    let connect = |address: &str| {
        let script = format!("timeout 2 bash -c '< /dev/tcp/{address}'");
        machine.try_exec(&["sh", "-c", &script]).unwrap().code
    };

    let listener = std::net::TcpListener::bind((lab.host_address(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();

    assert_eq!(connect(&format!("{}/{port}", lab.host_address())), 0);
    assert_ne!(connect("192.0.2.1/80"), 0);
}
