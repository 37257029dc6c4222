//! Tests of the configuration: what is honoured, what is not, and that it is what `ssh -G` says.

use super::*;

fn home_with(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    std::fs::write(home.path().join(".ssh/config"), config).unwrap();
    home
}

fn of(config: &str, host: &str) -> Settings {
    let home = home_with(config);
    settings(home.path(), &HostSpec::parse(host).unwrap()).unwrap()
}

#[test]
fn the_first_value_counts_and_identity_files_add_up() {
    let home = home_with(
        "User early\nHost web*\n HostName 10.0.0.7\n Port 2222\n User late\n IdentityFile ~/.ssh/id_web\n\
         Host *\n Port 22\n IdentityFile %d/.ssh/id_all\n ProxyJump ada@jump:2200,inner\n",
    );
    let settings = settings(home.path(), &HostSpec::parse("web1").unwrap()).unwrap();

    assert_eq!(settings.host_name.unwrap().to_string(), "10.0.0.7");
    assert_eq!(settings.user.unwrap().as_str(), "early");
    assert_eq!(settings.port.unwrap().number(), 2222);
    let names: Vec<_> = settings
        .identity_files
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["id_web", "id_all"]);
    let jumps: Vec<_> = settings.jumps.iter().map(ToString::to_string).collect();
    assert_eq!(jumps, ["ada@jump:2200", "inner"]);
    assert_eq!(settings.warnings, Vec::<String>::new());
}

/// T21: none of these may run anything, and each is told.
#[test]
fn what_could_run_a_program_is_left_out_and_told() {
    for line in [
        "ProxyCommand touch /tmp/x",
        "LocalCommand touch /tmp/x",
        "PermitLocalCommand yes",
        "KnownHostsCommand /bin/true",
        "Match exec \"touch /tmp/x\"",
        "Include /etc/ssh/ssh_config",
        "Include ../outside",
        "IdentityFile /etc/passwd",
        "IdentityFile ~/.ssh/../secret",
        "PKCS11Provider /tmp/x.so",
        "SecurityKeyProvider /tmp/x.so",
        "UserKnownHostsFile /dev/null",
        "StrictHostKeyChecking no",
        "HostKeyAlgorithms +ssh-rsa",
        "HostName -oProxyCommand=x",
        "User -l",
        "Port 0",
        "ProxyJump $(id)",
    ] {
        let settings = of(&format!("{line}\n"), "web1");

        assert_eq!(settings.warnings.len(), 1, "{line}: {:?}", settings.warnings);
        assert!(settings.warnings[0].starts_with("~/.ssh/config, line 1: "), "{line}");
        assert_eq!(Settings { warnings: Vec::new(), ..settings }, Settings::default(), "{line}");
    }
}

#[test]
fn what_stands_under_match_counts_for_nobody() {
    let settings = of("Match all\n User eve\n Port 1\nHost *\n User ada\n", "web1");

    assert_eq!(settings.user.unwrap().as_str(), "ada");
    assert_eq!(settings.port, None);
}

#[test]
fn files_inside_of_the_folder_are_included_where_they_stand() {
    let home = home_with("Host web1\n Include conf.d/*.conf\n Port 3\nHost web2\n Include one\n");
    let folder = home.path().join(".ssh");
    std::fs::create_dir(folder.join("conf.d")).unwrap();
    std::fs::write(folder.join("conf.d/a.conf"), "Port 1\nHost other\n User eve\n").unwrap();
    std::fs::write(folder.join("conf.d/b.conf"), "User ada\n").unwrap();
    std::fs::write(folder.join("one"), "Port 2\nInclude one\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("conf.d/c.conf")).unwrap();

    let of = |host| settings(home.path(), &HostSpec::parse(host).unwrap()).unwrap();
    // One of the files leads out of the folder: none of the pattern's is read.
    assert_eq!(of("web1").port.unwrap().number(), 3);
    std::fs::remove_file(folder.join("conf.d/c.conf")).unwrap();
    assert_eq!(of("web1").port.unwrap().number(), 1);
    assert_eq!(of("web1").user.unwrap().as_str(), "ada");
    assert_eq!(of("web2").port.unwrap().number(), 2);
    assert_eq!(of("other").user, None);
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home_with("User eve\n");
    let file = home.path().join(".ssh/config");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();

    let refused = settings(home.path(), &HostSpec::parse("web1").unwrap());

    assert!(matches!(refused, Err(ConfigError::Writable(_))), "{refused:?}");
}

/// What `ssh -G` makes of the same file.
#[test]
fn ssh_reads_the_same_out_of_it() {
    let config = "Host=web1 web2\n  HostName %h.example.org\nHost !web2 web*\n  User ada\n  Port=2222\n\
                  Host *\n  User \"ben\"\n  ProxyJump jump1,ben@jump2:23\n";
    let home = home_with(config);
    let file = home.path().join(".ssh/config");
    for host in ["web1", "web2", "web3", "other"] {
        #[expect(clippy::disallowed_methods, reason = "the oracle is the program ssh")]
        let mut ssh = std::process::Command::new("ssh");
        let Ok(output) = ssh.args(["-G", "-F"]).arg(&file).arg(host).output() else { return };
        let said = String::from_utf8(output.stdout).unwrap();
        let value = |name: &str| {
            let mut lines = said.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(keyword, _)| *keyword == name)
                .map(|(_, value)| value.to_owned())
        };
        let ours = settings(home.path(), &HostSpec::parse(host).unwrap()).unwrap();

        let name = ours
            .host_name
            .map_or_else(|| host.to_owned(), |name| name.to_string());
        assert_eq!(Some(name), value("hostname"), "{host}");
        assert_eq!(ours.user.map(|user| user.to_string()), value("user"), "{host}");
        let port = ours.port.map_or(22, Port::number).to_string();
        assert_eq!(Some(port), value("port"), "{host}");
        let jumps: Vec<_> = ours.jumps.iter().map(ToString::to_string).collect();
        assert_eq!(Some(jumps.join(",")), value("proxyjump"), "{host}");
    }
}
