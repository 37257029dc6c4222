//! Services and repositories: each works for a client that is another program than ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Lab, Machine, Running};

fn hello(machine: &Running) -> String {
    machine.try_exec(&["lab-hello"]).unwrap().stdout
}

#[test]
fn apt_installs_upgrades_and_removes_from_the_signed_repository_of_another_machine() {
    let lab = Lab::start().unwrap();
    let server = lab
        .machine(Machine::debian12().named("packages").apt_repository(&[]))
        .unwrap();
    let key = server.exec(&["cat", "/srv/apt/lab.asc"]).unwrap();
    let client = lab
        .machine(Machine::debian13().uses_apt_repository_of(server.address(), &key))
        .unwrap();

    client.exec(&["apt-get", "-qq", "update"]).unwrap();
    client
        .exec(&["apt-get", "-qq", "install", "lab-hello=1.0"])
        .unwrap();
    assert_eq!(hello(&client), "hello 1.0\n");
    client.exec(&["apt-get", "-qq", "-y", "upgrade"]).unwrap();
    assert_eq!(hello(&client), "hello 2.0\n");
    client
        .exec(&["apt-get", "-qq", "-y", "remove", "lab-hello"])
        .unwrap();
    assert_eq!(hello(&client), "");
}

#[test]
fn apt_refuses_a_repository_whose_key_is_another() {
    let lab = Lab::start().unwrap();
    let server = lab
        .machine(Machine::debian12().named("one").apt_repository(&[]))
        .unwrap();
    let other = lab
        .machine(Machine::debian12().named("two").apt_repository(&[]))
        .unwrap();
    let key = other.exec(&["cat", "/srv/apt/lab.asc"]).unwrap();
    let client = lab
        .machine(Machine::debian12().uses_apt_repository_of(server.address(), &key))
        .unwrap();

    let refused = client.try_exec(&["apt-get", "update"]).unwrap();

    assert_eq!(refused.code, 100);
    assert!(refused.stderr.contains("NO_PUBKEY"), "{}", refused.stderr);
}

#[test]
fn dnf_and_zypper_install_and_remove_from_a_signed_repository() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(Machine::debian12().rpm_repository()).unwrap();

    machine
        .exec(&["dnf", "-q", "-y", "install", "lab-hello-1.0"])
        .unwrap();
    assert_eq!(hello(&machine), "hello 1.0\n");
    machine.exec(&["dnf", "-q", "-y", "upgrade"]).unwrap();
    assert_eq!(hello(&machine), "hello 2.0\n");
    machine
        .exec(&["dnf", "-q", "-y", "remove", "lab-hello"])
        .unwrap();
    assert_eq!(hello(&machine), "");

    let zypper = ["zypper", "--non-interactive", "--gpg-auto-import-keys"];
    machine
        .exec(&[&zypper[..], &["install", "lab-hello"]].concat())
        .unwrap();
    assert_eq!(hello(&machine), "hello 2.0\n");
    machine
        .exec(&[&zypper[..], &["remove", "lab-hello"]].concat())
        .unwrap();
    assert_eq!(hello(&machine), "");
}

#[test]
fn a_client_gets_a_ticket_from_the_kerberos_realm() {
    let lab = Lab::start().unwrap();
    let kdc = lab
        .machine(
            Machine::debian12()
                .named("kdc")
                .kerberos_realm("LAB.TEST", "secret 1"),
        )
        .unwrap();
    let configuration = kdc.exec(&["cat", "/etc/krb5.conf"]).unwrap();
    let client = lab
        .machine(Machine::debian13().package("krb5-user").file(
            "/etc/krb5.conf",
            0o644,
            &configuration,
        ))
        .unwrap();

    client
        .exec(&["sh", "-c", "echo 'secret 1' | kinit admin/admin"])
        .unwrap();

    assert!(
        client
            .exec(&["klist"])
            .unwrap()
            .contains("krbtgt/LAB.TEST@LAB.TEST")
    );
    assert!(
        client
            .exec(&["sh", "-c", "echo wrong | kinit admin/admin"])
            .is_err()
    );
}

#[test]
fn a_machine_joins_the_domain_of_the_samba_controller_and_a_user_of_it_logs_in() {
    let lab = Lab::start().unwrap();
    let password = "Long enough 1";
    let controller = lab
        .machine(
            Machine::debian12()
                .named("dc1")
                .samba_domain("AD.LAB.TEST", password),
        )
        .unwrap();
    controller
        .exec(&["samba-tool", "user", "create", "wanda", "Long enough 2"])
        .unwrap();
    let member = lab
        .machine(
            Machine::debian12()
                .named("member")
                .packages(&["realmd", "adcli", "sssd", "sssd-tools", "libnss-sss", "libpam-sss", "krb5-user"])
                .packages(&["polkitd", "packagekit"])
                .name_server(controller.address())
                .script("sed -i \"s/$LAB_ADDRESS .*/$LAB_ADDRESS member.ad.lab.test member/\" /etc/hosts")
                .script("pam-auth-update --enable mkhomedir"),
        )
        .unwrap();

    // A directory that has just started answers only in part, as realmd sees it.
    let discover = "until realm discover ad.lab.test | grep -q 'server-software: active-directory'; do sleep 0.2; done";
    member
        .exec(&["timeout", "60", "sh", "-c", discover])
        .unwrap();
    member
        .exec(&["sh", "-c", &format!("echo '{password}' | realm join ad.lab.test")])
        .unwrap();

    let session = member
        .ssh("wanda@ad.lab.test", &["Long enough 2"], "id -un; pwd")
        .unwrap();
    assert_eq!(
        session.stdout, "wanda@ad.lab.test\n/home/wanda@ad.lab.test\n",
        "{}",
        session.stderr
    );
}

#[test]
fn avahi_in_two_machines_finds_the_service_of_the_other() {
    let lab = Lab::start().unwrap();
    let avahi = ["avahi-daemon", "avahi-utils"];
    let one = lab
        .machine(Machine::debian12().named("one").packages(&avahi))
        .unwrap();
    let two = lab
        .machine(Machine::debian13().named("two").packages(&avahi))
        .unwrap();

    one.exec(&["systemd-run", "avahi-publish", "-s", "pilot", "_lab._tcp", "9090"])
        .unwrap();

    let mut found = String::new();
    while !found.contains("one.local") {
        found = two
            .exec(&["avahi-browse", "--terminate", "--resolve", "--parsable", "_lab._tcp"])
            .unwrap();
    }
    assert!(found.contains(&one.address().to_string()), "{found}");
}
