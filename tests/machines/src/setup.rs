//! From a description to a directory that boots: the script that root runs in a machine before its first boot.
//!
//! Called by [`crate::Lab::machine`]. The script goes to a shell's standard input, never into an argument,
//! because it holds passwords.

use std::net::Ipv4Addr;

use crate::error::{Error, Result};
use crate::machine::{Machine, Sudo, User};

/// Keys of its own for every machine: of the two kinds that take no time to make.
const HOST_KEYS: &str = "if command -v ssh-keygen >/dev/null; then
    for kind in ed25519 ecdsa; do
        ssh-keygen -q -t $kind -N '' -f /etc/ssh/ssh_host_${kind}_key
    done
fi
";

/// The whole script.
///
/// # Errors
///
/// [`Error::Refused`] for a name that could be taken for something else, or a password with a line end.
pub(crate) fn script(machine: &Machine, name: &str, address: Ipv4Addr) -> Result<String> {
    let mut lines = vec![
        format!("export LAB_NAME={name} LAB_ADDRESS={address}"),
        "set -e\numask 022\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root".to_owned(),
        format!("echo {name} > /etc/hostname"),
        format!(
            "printf '%s\\n' '127.0.0.1 localhost' '::1 localhost ip6-localhost' '{address} {name}' \
             > /etc/hosts"
        ),
        HOST_KEYS.to_owned(),
    ];
    if !machine.sshd.is_empty() {
        lines.push("mkdir -p /etc/ssh/sshd_config.d".to_owned());
    }
    for line in &machine.sshd {
        let line = quoted(line)?;
        lines.push(format!("printf '%s\\n' {line} >> /etc/ssh/sshd_config.d/lab.conf"));
    }
    for user in &machine.users {
        lines.extend(for_user(user)?);
    }
    if let Some(password) = &machine.root_password {
        lines.push(password_line("root", password)?);
    }
    lines.extend(
        machine
            .scripts
            .iter()
            .map(|commands| format!("(\n{commands}\n)")),
    );
    Ok(lines.join("\n") + "\n")
}

fn for_user(user: &User) -> Result<Vec<String>> {
    let name = unix_name(&user.name)?;
    let shell = quoted(&user.shell)?;
    let mut lines = vec![format!("useradd --create-home --shell {shell} {name}")];
    if let Some(password) = &user.password {
        lines.push(password_line(name, password)?);
    }
    for group in &user.groups {
        let group = unix_name(group)?;
        lines.push(format!("groupadd --force {group}"));
        lines.push(format!("usermod --append --groups {group} {name}"));
    }
    match user.sudo {
        Sudo::WithPassword => lines.push(format!("usermod --append --groups sudo {name}")),
        Sudo::WithoutPassword => {
            let file = format!("/etc/sudoers.d/lab-{name}");
            lines.push(format!("echo '{name} ALL=(ALL:ALL) NOPASSWD: ALL' > {file}"));
            lines.push(format!("chmod 440 {file}"));
        }
        Sudo::Never => {}
    }
    if !user.authorized_keys.is_empty() {
        let directory = format!("/home/{name}/.ssh");
        lines.push(format!("install -d -m 700 -o {name} -g {name} {directory}"));
        for line in &user.authorized_keys {
            let line = quoted(line)?;
            lines.push(format!("printf '%s\\n' {line} >> {directory}/authorized_keys"));
        }
        lines.push(format!("chown {name}: {directory}/authorized_keys"));
        lines.push(format!("chmod 600 {directory}/authorized_keys"));
    }
    Ok(lines)
}

fn password_line(name: &str, password: &str) -> Result<String> {
    Ok(format!("printf '%s\\n' {} | chpasswd", quoted(&format!("{name}:{password}"))?))
}

/// A name that is nothing but a name.
fn unix_name(name: &str) -> Result<&str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(allowed) {
        return Err(Error::Refused(format!("{name:?} is no name of a user or group")));
    }
    Ok(name)
}

/// One word for the shell.
pub(crate) fn quoted(text: &str) -> Result<String> {
    if text.contains(['\n', '\0']) {
        return Err(Error::Refused(format!("{text:?} has a line end in it")));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

#[test]
fn a_password_with_quotes_stays_one_word() {
    assert_eq!(quoted("it's $HOME").unwrap(), r"'it'\''s $HOME'");
    assert!(quoted("a\nb").is_err());
}

#[test]
fn names_that_could_be_options_or_paths_are_refused() {
    for name in ["", "-r", "a/b", "a b", "A"] {
        assert!(unix_name(name).is_err(), "{name}");
    }
}
