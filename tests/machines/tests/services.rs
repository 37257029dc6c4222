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

/// Sends what stands in hexadecimal to an address, and prints the answers of a second, one a line.
const SEND: &str = r"
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
sender.settimeout(1)
sender.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 427))
try:
    while True:
        print(sender.recv(65535).hex())
except TimeoutError:
    pass
except socket.timeout:
    pass
";

/// A string of RFC 2608: its length in two bytes, then itself.
fn slp_string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A message of RFC 2608, section 8, as hexadecimal: version 2, language `en`, XID 0x1234.
fn slp_message(function: u8, body: &[u8]) -> String {
    let length = u8::try_from(16 + body.len()).unwrap();
    let mut message = vec![2, function, 0, 0, length, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 2, b'e', b'n'];
    message.extend_from_slice(body);
    hex(&message)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A service request without previous responders, in the default scope: section 8.1.
fn slp_request(kind: &str, predicate: &str) -> String {
    let strings = ["", kind, "DEFAULT", predicate, ""];
    slp_message(1, &strings.map(slp_string).concat())
}

#[test]
fn slp_agents_answer_by_multicast_and_a_directory_takes_registrations() {
    let lab = Lab::start().unwrap();
    let ssh = "service:remote-shell:ssh://one.lab";
    let _agent = lab
        .machine(
            Machine::debian12()
                .named("one")
                .slp_daemon(&[(ssh, "(os=Debian),(version=12)")]),
        )
        .unwrap();
    let directory = lab
        .machine(Machine::debian13().named("two").slp_directory())
        .unwrap();
    let client = lab
        .machine(Machine::debian12().named("client").package("python3"))
        .unwrap();
    let ask = |to: &str, message: &str| client.exec(&["python3", "-c", SEND, to, message]).unwrap();
    let everybody = "239.255.255.253";

    // "service:remote-shell" is the abstract type of it: RFC 2609, section 2.1.
    let found = ask(everybody, &slp_request("service:remote-shell", "(&(os=deb*)(version>=11))"));
    assert!(found.starts_with("0202"), "a service reply: {found:?}");
    assert!(found.contains(&hex(ssh.as_bytes())) && found.contains("1234"), "{found}");
    assert_eq!(ask(everybody, &slp_request("service:remote-shell", "(version>=13)")), "");

    let agents = ask(everybody, &slp_request("service:directory-agent", ""));
    let url = format!("service:directory-agent://{}", directory.address());
    assert!(agents.starts_with("0208") && agents.contains(&hex(url.as_bytes())), "{agents}");

    // A registration: URL entry, type, scope, attributes, no blocks (section 8.3).
    let printer = slp_string("service:printer://client.lab");
    let body = [
        &[0, 0, 60][..],
        &printer,
        &[0],
        &slp_string("service:printer"),
        &slp_string("DEFAULT"),
        &slp_string(""),
        &[0],
    ];
    let to = directory.address().to_string();
    let acknowledged = ask(&to, &slp_message(3, &body.concat()));
    assert!(acknowledged.starts_with("0205") && acknowledged.ends_with("0000\n"), "{acknowledged}");
    let found = ask(&to, &slp_request("service:printer", ""));
    assert!(found.contains(&hex(b"service:printer://client.lab")), "{found}");
}
