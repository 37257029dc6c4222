//! Variants: each odd machine is odd in the way that was asked for, as OpenSSH's own client sees it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Lab, Machine, ONE_TIME_CODES, Program, SshLogin, Sudo};

const PASSWORD: &str = "open sesame";

fn with_ada() -> Machine {
    Machine::debian12().user("ada", PASSWORD)
}

/// A key pair in a new directory: the directory, the private file's path, the public line.
fn key_pair() -> (tempfile::TempDir, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key").display().to_string();
    Program::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", &path])
        .output()
        .unwrap();
    let line = std::fs::read_to_string(format!("{path}.pub"))
        .unwrap()
        .trim()
        .to_owned();
    (directory, path, line)
}

#[test]
fn a_password_opens_a_real_session_with_a_runtime_directory() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada()).unwrap();

    let right = machine
        .ssh("ada", &[PASSWORD], "id -un; echo $XDG_RUNTIME_DIR")
        .unwrap();
    let wrong = machine.ssh("ada", &["no"], "true").unwrap();

    assert_eq!(right.stdout, "ada\n/run/user/1000\n", "{}", right.stderr);
    assert_eq!(wrong.code, 255);
    assert!(
        wrong
            .stderr
            .contains("Permission denied (publickey,password)"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn root_is_refused_until_it_is_permitted() {
    let lab = Lab::start().unwrap();
    let refused = lab
        .machine(Machine::debian12().root_password(PASSWORD))
        .unwrap();
    let permitted = lab
        .machine(
            Machine::debian12()
                .root_password(PASSWORD)
                .permit_root_login(),
        )
        .unwrap();

    assert_eq!(refused.ssh("root", &[PASSWORD], "true").unwrap().code, 255);
    assert_eq!(permitted.ssh("root", &[PASSWORD], "id -u").unwrap().stdout, "0\n");
}

#[test]
fn keyboard_interactive_asks_one_question_and_two_questions_asks_two() {
    let lab = Lab::start().unwrap();
    let one = lab
        .machine(with_ada().ssh_login(SshLogin::KeyboardInteractive))
        .unwrap();
    let two = lab
        .machine(with_ada().ssh_login(SshLogin::TwoQuestions))
        .unwrap();

    let by_password =
        one.ssh_with(&["-o", "PreferredAuthentications=password"], "ada", &[PASSWORD], "true");
    assert_eq!(by_password.unwrap().code, 255);
    assert_eq!(one.ssh("ada", &[PASSWORD], "echo in").unwrap().stdout, "in\n");
    let in_two = two
        .ssh("ada", &[PASSWORD, ONE_TIME_CODES[0]], "echo in")
        .unwrap();
    assert_eq!(in_two.stdout, "in\n", "{}", in_two.stderr);
    assert_eq!(
        two.ssh("ada", &[PASSWORD, ONE_TIME_CODES[0]], "echo in")
            .unwrap()
            .code,
        255
    );
    assert_eq!(
        two.ssh("ada", &[PASSWORD, ONE_TIME_CODES[1]], "echo in")
            .unwrap()
            .stdout,
        "in\n"
    );
}

#[test]
fn a_key_only_machine_takes_the_key_and_no_password() {
    let (_directory, key, line) = key_pair();
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(with_ada().authorized_key(&line).ssh_login(SshLogin::Key))
        .unwrap();

    assert_eq!(
        machine
            .ssh_with(&["-i", &key], "ada", &[], "echo in")
            .unwrap()
            .stdout,
        "in\n"
    );
    let refused = machine.ssh("ada", &[PASSWORD], "true").unwrap();
    assert!(refused.stderr.contains("Permission denied (publickey)"), "{}", refused.stderr);
}

#[test]
fn a_certificate_machine_takes_the_authoritys_certificate_and_no_bare_key() {
    let (_directory, authority, line) = key_pair();
    let (_second, key, _) = key_pair();
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().ssh_certificates_of(&line)).unwrap();
    assert_eq!(
        machine
            .ssh_with(&["-i", &key], "ada", &[], "true")
            .unwrap()
            .code,
        255
    );

    Program::new("ssh-keygen")
        .args([
            "-q",
            "-s",
            &authority,
            "-I",
            "ada",
            "-n",
            "ada",
            "-V",
            "+1h",
            &format!("{key}.pub"),
        ])
        .output()
        .unwrap();

    assert_eq!(
        machine
            .ssh_with(&["-i", &key], "ada", &[], "echo in")
            .unwrap()
            .stdout,
        "in\n"
    );
}

#[test]
fn sshd_listens_on_the_other_port_alone() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().ssh_port(2222)).unwrap();

    assert!(
        machine
            .ssh("ada", &[PASSWORD], "true")
            .unwrap()
            .stderr
            .contains("Connection refused")
    );
    assert_eq!(
        machine
            .ssh_with(&["-p", "2222"], "ada", &[PASSWORD], "echo in")
            .unwrap()
            .stdout,
        "in\n"
    );
}

#[test]
fn an_old_server_is_refused_until_its_algorithms_are_allowed() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().old_ssh_algorithms()).unwrap();
    let old = [
        "-o",
        "HostKeyAlgorithms=+ssh-rsa",
        "-o",
        "KexAlgorithms=+diffie-hellman-group14-sha1",
        "-o",
        "Ciphers=+aes128-cbc",
        "-o",
        "MACs=+hmac-sha1",
    ];

    assert_eq!(machine.ssh("ada", &[PASSWORD], "true").unwrap().code, 255);
    assert!(
        machine
            .journal()
            .unwrap()
            .contains("no matching key exchange method")
    );
    let allowed = machine
        .ssh_with(&old, "ada", &[PASSWORD], "echo in")
        .unwrap();
    assert_eq!(allowed.stdout, "in\n", "{}", allowed.stderr);
}

#[test]
fn dropbear_answers_in_the_place_of_openssh() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().dropbear()).unwrap();

    let answer = machine
        .ssh("ada", &[PASSWORD], "cat /proc/$PPID/comm; ls /usr/lib/openssh")
        .unwrap();

    assert!(answer.stdout.starts_with("dropbear\n"), "{answer:?}");
    assert!(answer.stdout.contains("sftp-server"), "{answer:?}");
}

#[test]
fn changed_host_keys_are_noticed_by_openssh() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada()).unwrap();
    assert_eq!(machine.ssh("ada", &[PASSWORD], "true").unwrap().code, 0);

    machine.change_host_keys().unwrap();

    let refused = machine.ssh("ada", &[PASSWORD], "true").unwrap();
    assert!(
        refused
            .stderr
            .contains("REMOTE HOST IDENTIFICATION HAS CHANGED"),
        "{}",
        refused.stderr
    );
}

#[test]
fn without_dbus_a_session_has_no_runtime_directory_and_the_machine_runs() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().without_dbus()).unwrap();

    let session = machine
        .ssh("ada", &[PASSWORD], "echo [$XDG_RUNTIME_DIR]")
        .unwrap();

    assert_eq!(session.stdout, "[]\n", "{}", session.stderr);
    assert_ne!(
        machine
            .try_exec(&["test", "-e", "/run/dbus/system_bus_socket"])
            .unwrap()
            .code,
        0
    );
    assert_eq!(machine.exec(&["systemctl", "is-system-running"]).unwrap(), "running\n");
}

#[test]
fn there_is_no_python_and_no_sudo_unless_asked_for_and_su_takes_roots_password() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(with_ada().without_sudo().root_password("root's own"))
        .unwrap();

    for name in ["python3", "sudo"] {
        let found = machine
            .try_exec(&["sh", "-c", &format!("command -v {name}")])
            .unwrap();
        assert_ne!(found.code, 0, "{name}");
    }
    let su = machine.exec_as("ada", "echo \"root's own\" | su -c 'id -u'");
    assert_eq!(su.unwrap(), "0\n");
}

#[test]
fn a_read_only_root_refuses_to_be_written_and_var_does_not() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().read_only_root()).unwrap();

    assert!(
        machine
            .exec(&["touch", "/usr/x"])
            .unwrap_err()
            .to_string()
            .contains("Read-only file system")
    );
    machine.exec(&["touch", "/var/lib/x"]).unwrap();
    assert_eq!(machine.ssh("ada", &[PASSWORD], "echo in").unwrap().stdout, "in\n");
}

#[test]
fn a_held_package_lock_is_named_by_apt_and_given_back_on_request() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(Machine::debian12().package_lock_held())
        .unwrap();

    let refused = machine
        .try_exec(&["apt-get", "-y", "purge", "sudo"])
        .unwrap();
    assert!(refused.stderr.contains("held by process"), "{}", refused.stderr);
    assert!(refused.stderr.contains("unattended-upgr"), "{}", refused.stderr);

    machine
        .exec(&["systemctl", "stop", "lab-package-lock"])
        .unwrap();
    machine
        .exec(&["env", "SUDO_FORCE_REMOVE=yes", "apt-get", "-y", "purge", "sudo"])
        .unwrap();
}

#[test]
fn an_expired_password_is_changed_in_the_login_dialogue() {
    let lab = Lab::start().unwrap();
    let machine = lab
        .machine(
            with_ada()
                .password_expired()
                .ssh_login(SshLogin::KeyboardInteractive),
        )
        .unwrap();
    let new = "another Long one 7";

    let answers = [PASSWORD, PASSWORD, new, new];
    let changed = machine.ssh("ada", &answers, "echo in").unwrap();

    assert_eq!(changed.stdout, "in\n", "{}", changed.stderr);
    assert_eq!(machine.ssh("ada", &[new], "echo in").unwrap().stdout, "in\n");
}

#[test]
fn sudo_by_ssh_asks_for_the_password_where_it_was_asked_for() {
    let lab = Lab::start().unwrap();
    let machine = lab.machine(with_ada().sudo(Sudo::WithPassword)).unwrap();

    assert_ne!(
        machine
            .ssh("ada", &[PASSWORD], "sudo -n true")
            .unwrap()
            .code,
        0
    );
    let asked = format!("echo '{PASSWORD}' | sudo -S -p '' id -u");
    assert_eq!(machine.ssh("ada", &[PASSWORD], &asked).unwrap().stdout, "0\n");
}
