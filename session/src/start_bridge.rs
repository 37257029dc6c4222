//! The user's bridge: whether the account may have one, its environment, its socket, its end.
//!
//! Caller: `lib`, once PAM's session is open. The bridge is a program in the user's name with nothing of root's: a
//! clean environment, one end of a socket pair as its input and output, and at most two more descriptors, a pipe
//! with the password and a file with PAM's texts. After the start nothing is read from the user's side.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use protocol::secret::Secret;
use rustix::fs::{Access, MemfdFlags, SeekFrom, access, memfd_create, seek};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, chdir, kill_process, wait};
use rustix::stdio;

use crate::become_user::{Account, Privilege, during, execute, fork_as_user, next_signal};
use crate::messages::{BridgeEnd, Message};

/// Environment variable with the number of the descriptor from which the bridge reads the password to its end.
pub const PASSWORD_FD: &str = "PILOTHOUSE_PASSWORD_FD";

/// Environment variable with the number of a descriptor of a file with PAM's texts, UTF-8, one or more lines each.
pub const LOGIN_MESSAGES_FD: &str = "PILOTHOUSE_LOGIN_MESSAGES_FD";

/// The program that becomes the user's bridge.
#[derive(Clone, Debug)]
pub struct BridgeProgram {
    /// Absolute path; the user must be able to execute it.
    pub path: PathBuf,
    /// All arguments, the first of which is the name it is called by.
    pub arguments: Vec<OsString>,
}

/// What a bridge is started with.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a BridgeProgram,
    pub(crate) account: &'a Account,
    pub(crate) privilege: Privilege,
    pub(crate) pam_environment: Vec<CString>,
    pub(crate) messages: Vec<Message>,
    pub(crate) password: Option<Secret>,
}

/// Whether the account's shell lets its owner do anything: it can be executed and is a login shell of this machine.
pub(crate) fn shell_is_supported(shell: &Path) -> bool {
    let refuses = ["nologin", "false"]
        .iter()
        .any(|name| shell.file_name() == Some(OsStr::new(name)));
    let executable = fs::metadata(shell).is_ok_and(|file| file.is_file())
        && access(shell, Access::EXEC_OK).is_ok();
    // shells(5)
    let listed = fs::read("/etc/shells").map_or(true, |list| {
        list.split(|byte| *byte == b'\n')
            .any(|line| line.trim_ascii() == shell.as_os_str().as_bytes())
    });
    executable && listed && !refuses
}

/// Starts the bridge. Returns its process and the server's end of its socket.
pub(crate) fn start_bridge(plan: &Plan<'_>) -> io::Result<(Pid, OwnedFd)> {
    let (for_bridge, for_server) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let pid =
        fork_as_user(plan.account, plan.privilege, || become_bridge(plan, for_bridge.as_fd()))?;
    Ok((pid, for_server))
}

/// The child's way from being the user to being the bridge.
fn become_bridge(plan: &Plan<'_>, socket: impl AsFd) -> io::Result<Infallible> {
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
    Err(during(plan.program.path.display(), execute(&program, &arguments?, &environment)))
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

/// Waits until the bridge has ended, and then for the jobs that it left behind. Told to stop, it ends the bridge,
/// the second time by force, and leaves the jobs.
pub(crate) fn wait_for_end(bridge: Pid) -> BridgeEnd {
    let mut ended = None;
    let mut order_to_end = None;
    loop {
        while let Ok(Some((child, status))) = wait(WaitOptions::NOHANG) {
            if child == bridge {
                ended = Some(status);
            }
        }
        if let Some(status) = ended
            && (order_to_end.is_some() || !has_jobs())
        {
            let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
            return match number(status.terminating_signal()) {
                Some(signal) => BridgeEnd::Killed(signal),
                None => BridgeEnd::Exited(number(status.exit_status()).unwrap_or_default()),
            };
        }
        if next_signal() != Signal::CHILD.as_raw() {
            let order = if order_to_end.is_none() { Signal::TERM } else { Signal::KILL };
            order_to_end = Some(order);
            if ended.is_none() {
                // Our child, and not reaped: its process id is its own. It may just have ended.
                let _ = kill_process(bridge, order);
            }
        }
    }
}

/// Whether a child that came to this subreaper is a `pilothouse job`. Other programs that detached themselves are
/// the user's and logind's business.
fn has_jobs() -> bool {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    children.split_ascii_whitespace().any(|child| {
        fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).nth(1) == Some(b"job"))
    })
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

    #[test]
    fn a_shell_must_be_a_program_and_listed() {
        assert!(shell_is_supported(Path::new("/bin/sh")));
        for shell in ["/usr/sbin/nologin", "/bin/false", "/etc/passwd", "/no/such", "", "/bin/cat"]
        {
            assert!(!shell_is_supported(Path::new(shell)), "{shell}");
        }
    }
}
