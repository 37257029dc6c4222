//! What a hostile server, a hanging module or a curious user meets.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use session::messages::{Reply, Request, ReusePassword};

use crate::client::{Client, Setting, all_of};
use crate::machine::{PASSWORD, PLAIN, add_user, needs_module, service, shell};

crate::tests! {
    a_request_out_of_order_ends_the_helper,
    bytes_that_are_no_message_end_the_helper,
    a_wrong_number_of_answers_ends_the_helper,
    another_users_connection_ends_the_helper,
    a_silent_client_ends_the_helper,
    a_client_that_hangs_up_while_asked_ends_the_helper,
    a_module_that_hangs_stops_nobody_else_and_ends_in_time,
    a_client_that_hangs_up_ends_the_helper_and_its_module_however_it_hangs,
    a_client_that_speaks_out_of_turn_ends_a_helper_whose_module_hangs,
    a_session_that_is_being_opened_outlives_the_client_and_is_closed,
    the_password_is_in_no_command_line_and_no_environment,
    nothing_of_the_password_is_left_in_the_helper,
    the_same_user_cannot_read_the_helper,
}

const FORGET: ReusePassword = ReusePassword::Forget;

/// A service that asks for two passwords.
fn two_passwords() {
    needs_module("pam_oath.so", "libpam-oath");
    add_user("ada", "");
    shell("echo 'HOTP ada - 3132333435363738393031323334353637383930' > /etc/users.oath");
    service("two", &format!("{PLAIN}auth required pam_oath.so usersfile=/etc/users.oath\n"));
}

fn ends_without_a_word(mut client: Client) {
    assert_eq!(client.next(), None);
    assert_eq!(client.wait().code(), Some(1));
}

fn a_request_out_of_order_ends_the_helper() {
    two_passwords();
    let mut first = Client::start(&Setting::default());
    first.send(&Request::StartBridge);
    let mut unasked = Client::start(&Setting::default());
    unasked.send(&Request::Answer(Vec::new()));
    let mut asked = Client::start(&Setting { service: "two", ..Setting::default() });
    assert!(matches!(asked.authenticate("ada", PASSWORD, FORGET), Reply::Prompt(_)));
    asked.send(&Request::StartBridge);
    let mut twice = Client::start(&Setting::default());
    twice.log_in("ada", FORGET);
    twice.send(&Request::Answer(Vec::new()));

    for client in [first, unasked, asked, twice] {
        ends_without_a_word(client);
    }
}

fn bytes_that_are_no_message_end_the_helper() {
    for bytes in [&[0xff; 4][..], &[1, 0, 0, 0, 99], &[0, 0, 0, 0], &[2, 0, 0, 0, 3, 0]] {
        let mut client = Client::start(&Setting::default());
        client.send_bytes(bytes);

        ends_without_a_word(client);
    }
}

fn a_wrong_number_of_answers_ends_the_helper() {
    two_passwords();
    let mut client = Client::start(&Setting { service: "two", ..Setting::default() });
    assert!(matches!(client.authenticate("ada", PASSWORD, FORGET), Reply::Prompt(_)));

    client.send(&Request::Answer(Vec::new()));

    ends_without_a_word(client);
}

fn another_users_connection_ends_the_helper() {
    add_user("ada", "");
    let ours = Setting { allowed_peer: Some(0), ..Setting::default() };

    ends_without_a_word(Client::start(&Setting {
        allowed_peer: Some(12345),
        ..Setting::default()
    }));
    Client::start(&ours).log_in("ada", FORGET);
}

fn a_silent_client_ends_the_helper() {
    two_passwords();
    let setting =
        Setting { service: "two", answer_within: Duration::from_millis(300), ..Setting::default() };
    let silent = Client::start(&setting);
    let mut halfway = Client::start(&setting);
    halfway.send_bytes(&[9, 0]);
    let mut asked = Client::start(&setting);
    assert!(matches!(asked.authenticate("ada", PASSWORD, FORGET), Reply::Prompt(_)));
    let mut done = Client::start(&Setting { service: "t", ..setting });
    done.log_in("ada", FORGET);

    for client in [silent, halfway, asked, done] {
        ends_without_a_word(client);
    }
}

fn a_client_that_hangs_up_while_asked_ends_the_helper() {
    two_passwords();
    let mut client = Client::start(&Setting { service: "two", ..Setting::default() });
    assert!(matches!(client.authenticate("ada", PASSWORD, FORGET), Reply::Prompt(_)));

    assert_eq!(client.wait().code(), Some(1));
}

fn a_module_that_hangs_stops_nobody_else_and_ends_in_time() {
    add_user("ada", "");
    service("hang", &format!("auth required pam_exec.so /bin/sleep 20\n{PLAIN}"));
    let setting =
        Setting { service: "hang", log_in_within: Duration::from_secs(2), ..Setting::default() };
    let begun = Instant::now();
    let mut hanging = Client::start(&setting);
    hanging.send(&Request::Authenticate {
        user: "ada".into(),
        password: PASSWORD.to_owned().into(),
        remote_host: "::1".into(),
        reuse_password: FORGET,
    });

    let mut other = Client::start(&Setting::default());
    other.log_in("ada", FORGET);
    let other_done = begun.elapsed();
    let end = hanging.next();
    let ended = begun.elapsed();

    assert_eq!(end, None);
    assert!(other_done < ended, "{other_done:?} {ended:?}");
    assert!(ended < Duration::from_secs(10), "{ended:?}");
    assert!(!hanging.wait().success());
}

/// Modules that hang: in a program and its child, in a system call of libpam's own, in one that is tried again.
const HANGING: [&str; 3] = [
    "auth required pam_exec.so /bin/sh /run/hang\n",
    "auth required pam_exec.so stdout /bin/sh /run/hang\n",
    "auth required pam_unix.so\nauth required pam_exec.so expose_authtok /bin/sh /run/hang\n",
];

/// A helper whose module hangs, and the process of the hanging program.
fn hanging(module: &str) -> (Client, String) {
    let hang = "mkfifo /run/hung; printf 'echo $$ > /run/hung; sleep 50; true' > /run/hang";
    shell(&format!("rm -f /run/hung; {hang}"));
    service("hang", &format!("{module}{PLAIN}"));
    let mut client = Client::start(&Setting { service: "hang", ..Setting::default() });
    client.send(&Request::Authenticate {
        user: "ada".into(),
        password: PASSWORD.to_owned().into(),
        remote_host: "::1".into(),
        reuse_password: FORGET,
    });
    let program = fs::read_to_string("/run/hung").unwrap().trim().to_owned();
    (client, program)
}

fn a_client_that_hangs_up_ends_the_helper_and_its_module_however_it_hangs() {
    add_user("ada", "");
    for module in HANGING {
        let (client, program) = hanging(module);

        assert_eq!(client.wait().code(), Some(1), "{module}");
        shell(&format!("while [ -e /proc/{program} ]; do :; done; ! pgrep -x -s {program} sleep"));
    }
}

fn a_client_that_speaks_out_of_turn_ends_a_helper_whose_module_hangs() {
    add_user("ada", "");
    let (mut client, _) = hanging(HANGING[0]);

    client.send(&Request::Answer(Vec::new()));

    ends_without_a_word(client);
}

fn a_session_that_is_being_opened_outlives_the_client_and_is_closed() {
    add_user("ada", "");
    shell(
        "mkfifo /run/opening /run/go; printf 'echo $PAM_TYPE >> /run/log; [ $PAM_TYPE = close_session ] || { echo > /run/opening; read line < /run/go; }' > /run/slow",
    );
    service("slow", &format!("{PLAIN}session required pam_exec.so /bin/sh /run/slow\n"));
    let mut client = Client::start(&Setting { service: "slow", ..Setting::default() });
    client.log_in("ada", FORGET);
    client.send(&Request::StartBridge);
    fs::read("/run/opening").unwrap();

    drop(client.socket);
    fs::write("/run/go", "go\n").unwrap();
    client.helper.wait().unwrap();

    assert_eq!(fs::read_to_string("/run/log").unwrap(), "open_session\nclose_session\n");
}

fn the_password_is_in_no_command_line_and_no_environment() {
    let canary = PASSWORD;
    add_user("ada", "");
    service("t", &format!("auth optional pam_exec.so /bin/true\n{PLAIN}"));
    let mut client = Client::start(&Setting { bridge: "cat; true", ..Setting::default() });
    client.log_in("ada", ReusePassword::Keep);
    let (pid, _socket) = client.start_bridge();

    for process in [pid, client.helper.id()] {
        for file in ["cmdline", "environ", "auxv", "comm"] {
            let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{process} {file}");
        }
    }
    let everywhere = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let folder = entry.ok()?.path();
        let of_helper = fs::read(folder.join("cmdline")).ok()?;
        Some([of_helper, fs::read(folder.join("environ")).unwrap_or_default()].concat())
    });
    assert!(
        everywhere
            .into_iter()
            .all(|bytes| !String::from_utf8_lossy(&bytes).contains(canary))
    );
}

fn nothing_of_the_password_is_left_in_the_helper() {
    add_user("ada", "");
    let mut client = Client::start(&Setting { bridge: "cat", ..Setting::default() });
    client.log_in("ada", ReusePassword::Keep);
    assert!(memory_holds(client.helper.id(), PASSWORD), "the search finds nothing");
    let (_, socket) = client.start_bridge();

    assert!(!memory_holds(client.helper.id(), PASSWORD));
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(all_of(socket), "");
}

/// Searches the writable memory of a process, which only root may read.
fn memory_holds(pid: u32, text: &str) -> bool {
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines()
        .filter(|line| line.contains(" rw"))
        .any(|line| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            let read = memory.read_at(&mut bytes, start).unwrap_or(0);
            bytes[..read]
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
}

fn the_same_user_cannot_read_the_helper() {
    add_user("ada", "");
    let through =
        ["sh", "-c", "exec setpriv --reuid ada --regid ada --init-groups /run/pam-tests \"$@\""];
    let mut client =
        Client::start(&Setting { through: &through, bridge: "cat", ..Setting::default() });
    client.log_in("ada", FORGET);
    let pid = client.helper.id();

    let as_ada = "setpriv --reuid ada --regid ada --init-groups";
    let tried = shell(&format!("{as_ada} cat /proc/{pid}/environ /proc/{pid}/mem 2>&1 || true"));
    let core = shell(&format!("grep 'Max core' /proc/{pid}/limits"));

    assert_eq!(tried.matches("Permission denied").count(), 2, "{tried}");
    assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
}
