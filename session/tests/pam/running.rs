//! The bridge: what it is given, what it is not, and how it ends.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use rustix::process::{Pid, Signal, kill_process};
use session::messages::{BridgeEnd, Refusal, Reply, ReusePassword};

use crate::client::{Client, Setting, all_of, output_of, refused};
use crate::machine::{PASSWORD, PLAIN, add_user, service, shell};

crate::tests! {
    the_bridge_runs_as_the_user_with_the_users_groups,
    the_bridge_has_a_clean_environment,
    the_bridge_inherits_three_descriptors_and_what_it_is_told_of,
    the_bridge_has_the_limits_umask_and_signals_of_a_fresh_process,
    the_limits_and_umask_of_pam_reach_the_bridge,
    the_password_goes_through_a_pipe_only_if_it_is_to_be_kept,
    texts_of_the_session_modules_reach_the_bridge,
    an_account_without_a_login_shell_is_refused,
    a_missing_home_is_told_and_survived,
    a_bridge_that_cannot_be_executed_is_internal,
    the_session_is_open_while_the_bridge_runs,
    a_session_that_pam_refuses_is_told,
    jobs_keep_the_session_open_and_other_programs_do_not,
    a_helper_told_to_stop_ends_its_bridge_and_closes_the_session,
    a_bridge_that_ignores_the_end_is_killed_the_second_time,
    the_bridge_survives_the_server_and_loses_its_link,
    a_plain_user_logs_in_as_nobody_else,
    the_packaged_service_of_debian_logs_in,
    the_machines_own_login_service_logs_in,
}

const FORGET: ReusePassword = ReusePassword::Forget;
const EXITED: Reply = Reply::Ended { bridge: BridgeEnd::Exited(0) };

fn with(bridge: &str) -> Setting<'_> {
    Setting { bridge, ..Setting::default() }
}

/// A service that writes what happens to the session to `/run/log`.
fn logged() {
    service(
        "t",
        &format!(
            "{PLAIN}session required pam_exec.so type=open_session /run/note\nsession optional pam_exec.so type=close_session /run/note\n"
        ),
    );
    shell(
        "printf '#!/bin/sh\\necho $PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY $(id -u) >> /run/log\\n' > /run/note; chmod 755 /run/note",
    );
}

fn the_bridge_runs_as_the_user_with_the_users_groups() {
    shell("groupadd crew");
    add_user("ada", "--groups crew");
    service("t", &format!("auth optional pam_group.so\n{PLAIN}"));
    shell("echo 't;*;ada;Al0000-2400;games' >> /etc/security/group.conf");

    let (output, last) = output_of(
        &with(
            "id -un; id -gn; id -Gn; pwd; ps -o sid= -p $$; echo $$; grep -E '^(Uid|Gid|CapPrm|CapEff|CapAmb)' /proc/self/status",
        ),
        "ada",
        FORGET,
    );

    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(&lines[..2], ["ada", "ada"]);
    let mut groups: Vec<&str> = lines[2].split(' ').collect();
    groups.sort_unstable();
    assert_eq!(groups, ["ada", "crew", "games"]);
    assert_eq!(lines[3], "/home/ada");
    assert_eq!(lines[4].trim(), lines[5], "no process session of its own");
    let (uid, gid) = (shell("id -u ada").trim().to_owned(), shell("id -g ada").trim().to_owned());
    assert_eq!(lines[6], format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"));
    assert_eq!(lines[7], format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}"));
    for capabilities in &lines[8..] {
        assert!(capabilities.ends_with("\t0000000000000000"), "{capabilities}");
    }
    assert_eq!(last, EXITED);
}

fn the_bridge_has_a_clean_environment() {
    add_user("ada", "");
    service("t", &format!("{PLAIN}session required pam_env.so conffile=/etc/env.conf readenv=0\n"));
    let conf = [
        "LD_PRELOAD",
        "GLIBC_TUNABLES",
        "SSH_AGENT_PID",
        "SSH_AUTH_SOCK",
        "KEEPER_PID",
        "PILOTHOUSE_PASSWORD_FD",
        "HOME",
        "USER",
        "TRUST_ME",
    ]
    .map(|name| format!("{name} DEFAULT=x\n"))
    .concat();
    fs::write("/etc/env.conf", conf).unwrap();

    let setting = Setting {
        through: &["env", "SECRET_OF_ROOT=1", "LD_LIBRARY_PATH=/tmp"],
        ..with("exec cat /proc/self/environ")
    };
    let (output, _) = output_of(&setting, "ada", FORGET);

    let mut settings: Vec<&str> = output
        .split_terminator('\0')
        .filter(|s| !s.starts_with("PWD="))
        .collect();
    settings.sort_unstable();
    assert_eq!(
        settings,
        [
            "HOME=/home/ada",
            "LOGNAME=ada",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "SHELL=/bin/bash",
            "TRUST_ME=x",
            "USER=ada",
            "XDG_SESSION_CLASS=user",
            "XDG_SESSION_TYPE=web",
        ]
    );
}

fn the_bridge_inherits_three_descriptors_and_what_it_is_told_of() {
    add_user("ada", "");
    let descriptors = |reuse| {
        let mut client = Client::start(&with("exec cat"));
        client.log_in("ada", reuse);
        let (pid, _socket) = client.start_bridge();
        shell(&format!("find /proc/{pid}/fd -type l -printf '%f %l\\n' | sort"))
    };

    let bare = descriptors(FORGET);
    let kept = descriptors(ReusePassword::Keep);

    assert_eq!(bare.lines().count(), 3, "{bare}");
    assert!(bare.starts_with("0 socket:") && bare.contains("\n1 socket:"), "{bare}");
    assert_eq!(kept.lines().count(), 4, "{kept}");
    assert!(kept.lines().last().unwrap().contains(" pipe:"), "{kept}");
}

fn the_bridge_has_the_limits_umask_and_signals_of_a_fresh_process() {
    add_user("ada", "");
    let look = "ulimit -a; ulimit -c; ulimit -Hc; umask; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; cat /proc/self/coredump_filter";
    shell("true");
    let before = shell(&format!("ulimit -S -c unlimited; umask 022; {look}"));
    // These tests may have been started by nohup or in a background, which ignores signals for all that follow. Of
    // numbers 32 and 33, the C library's own, nobody can change that.
    let (start, ignored) = before.split_once("SigIgn:\t").unwrap();
    let (ignored, end) = ignored.split_at(16);
    let ignored = u64::from_str_radix(ignored, 16).unwrap() & 0b11 << 31;
    let before = format!("{start}SigIgn:\t{ignored:016x}{end}");

    // Whoever starts the helper may have ignored signals, and has its own umask.
    let setting = Setting {
        through: &[
            "sh",
            "-c",
            "ulimit -S -c unlimited; umask 077; trap '' HUP INT USR1; exec \"$@\"",
            "sh",
        ],
        ..with(look)
    };
    let (output, _) = output_of(&setting, "ada", FORGET);

    assert_eq!(output, before);
}

fn the_limits_and_umask_of_pam_reach_the_bridge() {
    add_user("ada", "");
    service(
        "t",
        &format!(
            "{PLAIN}session required pam_limits.so\nsession optional pam_umask.so umask=027 nousergroups\n"
        ),
    );
    shell(
        "printf 'ada soft nofile 333\\nada hard nofile 444\\nada soft core 77\\n' > /etc/security/limits.conf",
    );

    let (output, _) = output_of(&with("ulimit -Sn; ulimit -Hn; ulimit -Sc; umask"), "ada", FORGET);

    let core = output.lines().nth(2).unwrap();
    assert!(output.starts_with("333\n444\n"), "{output}");
    assert!(core == "154" || core == "77", "{output}"); // dash counts blocks of 512 bytes
    assert!(output.ends_with("0027\n"), "{output}");
}

fn the_password_goes_through_a_pipe_only_if_it_is_to_be_kept() {
    add_user("ada", "");

    let (kept, _) = output_of(&with("cat <&$PILOTHOUSE_PASSWORD_FD"), "ada", ReusePassword::Keep);
    let (forgotten, _) = output_of(&with("echo ${PILOTHOUSE_PASSWORD_FD-none}"), "ada", FORGET);

    assert_eq!(kept, PASSWORD);
    assert_eq!(forgotten, "none\n");
}

fn texts_of_the_session_modules_reach_the_bridge() {
    add_user("ada", "");
    service("t", &format!("{PLAIN}session optional pam_motd.so motd=/etc/hello\n"));
    fs::write("/etc/hello", "Welcome aboard.\nMind the step.\n").unwrap();

    let (output, _) = output_of(&with("cat <&$PILOTHOUSE_LOGIN_MESSAGES_FD"), "ada", FORGET);

    assert_eq!(output, "Welcome aboard.\nMind the step.\n");
}

fn an_account_without_a_login_shell_is_refused() {
    add_user("never", "--shell /usr/sbin/nologin");
    add_user("odd", "--shell /usr/bin/env");
    shell("echo /usr/sbin/nologin >> /etc/shells");

    for user in ["never", "odd"] {
        let mut client = Client::start(&Setting::default());
        client.log_in(user, FORGET);
        client.send(&session::messages::Request::StartBridge);

        assert_eq!(client.next(), Some(refused(Refusal::UnsupportedShell)), "{user}");
        assert!(client.wait().success());
    }
}

fn a_missing_home_is_told_and_survived() {
    add_user("ada", "");
    shell("rm -r /home/ada");

    let (output, _) =
        output_of(&with("pwd; echo $HOME; cat <&$PILOTHOUSE_LOGIN_MESSAGES_FD"), "ada", FORGET);

    assert!(
        output.starts_with("/\n/home/ada\nHome directory /home/ada cannot be used: "),
        "{output}"
    );
}

fn a_bridge_that_cannot_be_executed_is_internal() {
    add_user("ada", "");
    let close = "session required pam_exec.so type=close_session /usr/bin/touch /run/closed\n";
    service("t", &format!("{PLAIN}{close}"));
    let mut client = Client::start(&Setting::default());
    client.log_in("ada", FORGET);
    shell("mount --bind /dev/null /bin/sh");

    client.send(&session::messages::Request::StartBridge);

    assert_eq!(client.next(), Some(refused(Refusal::Internal)));
    assert!(fs::exists("/run/closed").unwrap());
}

fn the_session_is_open_while_the_bridge_runs() {
    add_user("ada", "");
    logged();
    let mut client = Client::start(&with("read line; cat /run/log"));
    client.log_in("ada", FORGET);
    let before = fs::exists("/run/log").unwrap();
    let (pid, mut socket) = client.start_bridge();
    let mother = shell(&format!("ps -o ppid= -p {pid}"));
    socket.write_all(b"go\n").unwrap();
    let meanwhile = all_of(socket);
    let last = client.next();
    let after = fs::read_to_string("/run/log").unwrap();

    assert!(!before, "opened before it was asked for");
    assert_eq!(mother.trim(), client.helper.id().to_string());
    assert_eq!(meanwhile, "open_session ada 2001:db8::7 web 0\n");
    assert_eq!(last, Some(EXITED));
    assert_eq!(after, format!("{meanwhile}close_session ada 2001:db8::7 web 0\n"));
}

fn a_session_that_pam_refuses_is_told() {
    add_user("ada", "");
    service("t", &format!("{PLAIN}session required pam_limits.so\n"));
    shell("echo 'ada hard maxlogins 0' > /etc/security/limits.conf");
    let mut client = Client::start(&Setting::default());
    client.log_in("ada", FORGET);

    client.send(&session::messages::Request::StartBridge);

    let reply = client.next().unwrap();
    assert!(matches!(reply, Reply::Refused { reason: Refusal::AccessDenied, .. }), "{reply:?}");
}

fn jobs_keep_the_session_open_and_other_programs_do_not() {
    add_user("ada", "");
    logged();
    shell(
        "mkfifo /run/go; chmod 666 /run/go; printf 'read line < /run/go\\n' > /home/ada/job; printf 'sleep 20\\n' > /home/ada/daemon",
    );
    // The shell that starts them ends when the job is one: both come to the helper.
    let bridge = "setsid sh job <&- >&- 2>&- & job=$!
        until tr '\\0' ' ' < /proc/$job/cmdline | grep -qx 'sh job '; do :; done
        setsid sh daemon <&- >&- 2>&- & echo $!";
    let mut client = Client::start(&with(bridge));
    client.log_in("ada", FORGET);
    let (_, socket) = client.start_bridge();
    let daemon = all_of(socket).trim().to_owned();
    let mut waiting = fs::read_to_string("/run/log").unwrap();
    // The helper has seen the bridge end when nothing of it is left but the two.
    let state = shell(&format!(
        "while ps -o args= --ppid {} | grep -q 'sh -c'; do :; done; ps -o stat= -p {0}",
        client.helper.id()
    ));
    waiting.push_str(&fs::read_to_string("/run/log").unwrap());

    fs::write("/run/go", "go\n").unwrap();
    let last = client.next();
    let alive = shell(&format!("ps -o stat= -p {daemon}; kill {daemon}"));

    assert!(state.starts_with('S'), "{state}");
    assert!(!waiting.contains("close_session"), "{waiting}");
    assert_eq!(last, Some(EXITED));
    assert!(!alive.starts_with('Z'), "{alive}");
    assert!(
        fs::read_to_string("/run/log")
            .unwrap()
            .contains("close_session")
    );
}

fn a_helper_told_to_stop_ends_its_bridge_and_closes_the_session() {
    add_user("ada", "");
    logged();
    let mut client = Client::start(&with("exec sleep 60"));
    client.log_in("ada", FORGET);
    let (_, _socket) = client.start_bridge();

    kill_process(Pid::from_child(&client.helper), Signal::TERM).unwrap();
    let last = client.next();

    assert_eq!(last, Some(Reply::Ended { bridge: BridgeEnd::Killed(15) }));
    assert!(
        fs::read_to_string("/run/log")
            .unwrap()
            .contains("close_session")
    );
    assert!(client.wait().success());
}

fn a_bridge_that_ignores_the_end_is_killed_the_second_time() {
    add_user("ada", "");
    let mut client =
        Client::start(&with("trap 'echo never' TERM; echo ready; while :; do sleep 0.1; done"));
    client.log_in("ada", FORGET);
    let (_, mut socket) = client.start_bridge();
    std::io::Read::read_exact(&mut socket, &mut [0; 6]).unwrap();

    kill_process(Pid::from_child(&client.helper), Signal::TERM).unwrap();
    std::io::Read::read_exact(&mut socket, &mut [0; 6]).unwrap();
    kill_process(Pid::from_child(&client.helper), Signal::TERM).unwrap();

    assert_eq!(client.next(), Some(Reply::Ended { bridge: BridgeEnd::Killed(9) }));
}

fn the_bridge_survives_the_server_and_loses_its_link() {
    add_user("ada", "");
    logged();
    let mut client =
        Client::start(&with("read line; echo \"$line\" > $HOME/said; cat > $HOME/rest; exit 3"));
    client.log_in("ada", FORGET);
    let (_, socket): (u32, UnixStream) = client.start_bridge();
    let mut helper = client.helper;
    drop(client.socket);

    (&socket).write_all(b"still here\n").unwrap();
    drop(socket);
    helper.wait().unwrap();

    assert_eq!(fs::read_to_string("/home/ada/said").unwrap(), "still here\n");
    assert!(
        fs::read_to_string("/run/log")
            .unwrap()
            .contains("close_session")
    );
}

fn a_plain_user_logs_in_as_nobody_else() {
    add_user("ada", "");
    add_user("bea", "");
    logged();
    let script = "exec setpriv --reuid ada --regid ada --init-groups env XDG_RUNTIME_DIR=/run/user/1 OTHER=1 /run/pam-tests \"$@\"";
    let through = ["sh", "-c", script];
    let setting = Setting {
        through: &through,
        ..with("id -un; pwd; echo $XDG_RUNTIME_DIR $OTHER; ulimit -c")
    };

    let (own, last) = output_of(&setting, "ada", FORGET);
    let others = Client::start(&setting).authenticate("bea", PASSWORD, FORGET);
    let root = Client::start(&setting).authenticate("root", PASSWORD, FORGET);
    let wrong = Client::start(&setting).authenticate("ada", "guess", FORGET);

    assert_eq!(own, format!("ada\n/home/ada\n/run/user/1\n{}", shell("ulimit -c")));
    assert_eq!(last, EXITED);
    for reply in [others, root, wrong] {
        assert_eq!(reply, refused(Refusal::AuthenticationFailed));
    }
    assert!(!fs::exists("/run/log").unwrap(), "a plain user has opened a session");
}

fn the_packaged_service_of_debian_logs_in() {
    add_user("ada", "");
    service("pilothouse", include_str!("../../../packaging/pam/pilothouse"));
    // A machine in a container may refuse this one, and loses nothing else.
    shell("sed -i '/pam_loginuid/s/required/optional/' /etc/pam.d/pilothouse");
    shell(
        "printf 'FROM_SYSTEM=1\\n' > /etc/environment; printf 'LANG=de_DE.UTF-8\\n' > /etc/default/locale",
    );
    // No module of Debian 13 says anything.
    let bridge = "echo $FROM_SYSTEM $LANG; [ -z \"$PILOTHOUSE_LOGIN_MESSAGES_FD\" ] || cat <&$PILOTHOUSE_LOGIN_MESSAGES_FD";
    let setting = Setting { service: "pilothouse", ..with(bridge) };

    let (first, _) = output_of(&Setting { bridge: "echo $LANG", ..setting }, "ada", FORGET);
    let (second, last) = output_of(&setting, "ada", FORGET);

    assert_eq!(first, "de_DE.UTF-8\n");
    let last_login =
        !shell("ls /lib*/security/pam_lastlog.so /lib/*/security/pam_lastlog.so 2>&- || true")
            .is_empty();
    assert!(second.starts_with("1 de_DE.UTF-8\n"), "{second}");
    assert_eq!(second.contains("\nLast login: "), last_login, "{second}");
    assert_eq!(last, EXITED);
}

fn the_machines_own_login_service_logs_in() {
    add_user("ada", "");
    let mut client = Client::start(&Setting { service: "login", ..with("id -un") });

    let reply = client.authenticate("ada", PASSWORD, FORGET);
    let (_, socket) = client.start_bridge();

    assert!(matches!(reply, Reply::Authenticated { .. }), "{reply:?}");
    assert_eq!(all_of(socket), "ada\n");
    assert_eq!(client.next(), Some(EXITED));
}
