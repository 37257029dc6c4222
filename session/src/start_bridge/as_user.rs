//! The child's way from being the user to being the bridge.
//!
//! The bridge is a program in the user's name with nothing of root's: a clean environment, one end of a socket pair as
//! its input and output, and at most two more descriptors, a pipe with the password and a file with PAM's texts.
//! Caller: the child of `start_bridge`, which has given up everything that is not the user's: nothing here runs as root
//! but for root's own login.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::{env, fs, io};

use nix::unistd::execve;
use protocol::secret::Secret;
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::chdir;
use rustix::stdio;

use super::{LOGIN_MESSAGES_FD, PASSWORD_FD, Plan};
use crate::become_user::{Account, Privilege, during};

/// Becomes the bridge of `plan`; returns only if that fails.
pub(super) fn become_bridge(plan: &Plan<'_>, socket: impl AsFd) -> io::Result<Infallible> {
    let mut texts: Vec<&str> = plan
        .messages
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    let no_home;
    if let Err(error) = chdir(plan.account.home()) {
        no_home =
            format!("Home directory {} cannot be used: {error}", plan.account.home().display());
        texts.push(&no_home);
        chdir("/")?;
    }
    stdio::dup2_stdin(&socket)?;
    stdio::dup2_stdout(&socket)?;
    let password = plan.password.as_ref().map(pipe_with_password).transpose()?;
    let messages = if texts.is_empty() { None } else { Some(file_with_texts(&texts)?) };
    let fds = [(PASSWORD_FD, &password), (LOGIN_MESSAGES_FD, &messages)];
    let fds = fds
        .iter()
        .filter_map(|(name, fd)| Some((*name, fd.as_ref()?.as_raw_fd().to_string())));
    let environment = environment(plan.account, &plan.pam_environment, plan.privilege, fds);
    let c_string = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
    let program = c_string(plan.program.path.as_os_str())?;
    let arguments: io::Result<Vec<_>> = plan
        .program
        .arguments
        .iter()
        .map(|argument| c_string(argument))
        .collect();
    execve(&program, &arguments?, &environment)
        .map_err(|error| during(plan.program.path.display(), error))
}

/// A pipe that holds the password and has no writer.
fn pipe_with_password(password: &Secret) -> io::Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    let written = rustix::io::write(&writer, password.expose())?;
    if written != password.len() {
        return Err(io::Error::other("the password does not fit into a pipe"));
    }
    rustix::io::ioctl_fionbio(&reader, false)?;
    Ok(reader)
}

fn file_with_texts(texts: &[&str]) -> io::Result<OwnedFd> {
    let file = memfd_create("login-messages", MemfdFlags::empty())?;
    let mut writer = fs::File::from(file);
    for text in texts {
        io::Write::write_all(&mut writer, format!("{}\n", text.trim_end()).as_bytes())?;
    }
    seek(&writer, SeekFrom::Start(0))?;
    Ok(writer.into())
}

/// The bridge's whole environment: who it is, what PAM's modules want, and `fds`.
fn environment(
    account: &Account,
    pam: &[CString],
    privilege: Privilege,
    fds: impl Iterator<Item = (&'static str, String)>,
) -> Vec<CString> {
    let path = if account.is_root() {
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    } else {
        "/usr/local/bin:/usr/bin:/bin"
    };
    // Of settings with one name the last one counts.
    let mut settings = BTreeMap::from([("PATH".into(), path.into())]);
    if privilege == Privilege::PlainUser {
        let own = ["LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
        settings.extend(
            own.iter()
                .filter_map(|name| Some((name.into(), env::var_os(name)?))),
        );
    }
    let wanted = pam
        .iter()
        .filter_map(|setting| setting.to_str().ok()?.split_once('='));
    let allowed = wanted.filter(|(name, _)| pam_may_set(name));
    settings.extend(allowed.map(|(name, value)| (name.into(), value.into())));
    let name = account.name();
    settings.extend([
        ("HOME".into(), account.home().into()),
        ("SHELL".into(), account.shell().into()),
        ("USER".into(), name.into()),
        ("LOGNAME".into(), name.into()),
    ]);
    settings.extend(fds.map(|(name, fd)| (name.into(), fd.into())));
    let joined = settings
        .into_iter()
        .map(|(mut setting, value): (OsString, OsString)| {
            setting.push("=");
            setting.push(value);
            CString::new(setting.into_vec())
        });
    joined.filter_map(Result::ok).collect()
}

/// Whether a PAM module may set this variable: a user may have made it (`pam_env`), and programs of root's may
/// believe it, as in CVE-2024-6126.
fn pam_may_set(name: &str) -> bool {
    let refused_start = ["LD_", "GLIBC_", "SSH_", "PILOTHOUSE_"];
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !refused_start.iter().any(|start| name.starts_with(start))
        && !name.ends_with("_PID")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pam_may_not_set_what_root_or_the_loader_believes() {
        for name in ["LANG", "XDG_RUNTIME_DIR", "KRB5CCNAME", "PATH", "MAIL"] {
            assert!(pam_may_set(name), "{name}");
        }
        for name in [
            "LD_PRELOAD",
            "GLIBC_TUNABLES",
            "SSH_AGENT_PID",
            "SSH_AUTH_SOCK",
            "DBUS_SESSION_BUS_PID",
            "_PID",
            "PILOTHOUSE_PASSWORD_FD",
            "BASH_FUNC_ls%%",
            "",
            "A B",
        ] {
            assert!(!pam_may_set(name), "{name}");
        }
    }
}
