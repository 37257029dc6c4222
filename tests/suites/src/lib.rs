//! Tests of the whole program: `pilothouse` runs in a booted system, and a scripted browser uses it from outside.
//!
//! `make machines` builds the programs first; the tests take them from the target directory they lie in themselves.
#![expect(clippy::missing_panics_doc, reason = "a house that cannot be built fails its test")]

mod installed;
pub mod other_hosts;
pub mod superuser;

pub use installed::packaging;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use machines::{Lab, Listed, Machine, Running, Sudo};
use support::browser::Browser;

/// The password of everybody in these tests.
pub const PASSWORD: &str = "correct horse battery";

/// How long the server may take to answer after its machine has booted.
const START_TIME: Duration = Duration::from_secs(20);

/// A machine with a running `pilothouse`.
pub struct House {
    /// The machine.
    pub machine: Running,
    /// Where the server listens.
    pub address: SocketAddr,
    /// Where further machines can be had.
    pub lab: Lab,
}

/// A machine as most of these tests need it: users `ada`, who may use sudo with her password, and `ben`, who may not.
pub fn machine(machine: Machine) -> Machine {
    machine
        .runs_what_was_built_here()
        .packages(&["dbus", "sudo"])
        .user("ada", PASSWORD)
        .sudo(Sudo::WithPassword)
        .user("ben", PASSWORD)
        .copy_of(program("pilothouse"), "/usr/local/bin/pilothouse", 0o755)
        .copy_of(program("pilothouse-bridge"), "/usr/local/bin/pilothouse-bridge", 0o755)
}

impl House {
    /// Boots `machine` and starts `pilothouse run` as root in it.
    pub fn start(machine: Machine) -> Self {
        Self::start_with(machine, &[])
    }

    /// The same with more arguments for `pilothouse run`.
    pub fn start_with(machine: Machine, arguments: &[&str]) -> Self {
        let lab = Lab::start().expect("a lab");
        let machine = lab.machine(machine).expect("a machine");
        let start: &[&str] =
            &["systemd-run", "--unit=pilothouse", "/usr/local/bin/pilothouse", "run"];
        let start = [start, arguments].concat();
        machine.exec(&start).expect("pilothouse starts");
        let address = SocketAddr::from((machine.address(), 9090));
        let house = Self { machine, address, lab };
        house.wait_for_the_server();
        house
    }

    /// A browser that has this server open.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    /// A browser on another machine that has this server open.
    pub fn browser_on(&self, other: &Running) -> Browser {
        let listed = machines::list().expect("the machines of this host");
        let this =
            |listed: &&Listed| listed.lab == self.lab.number() && listed.name == other.name();
        let leader = listed.iter().find(this).and_then(|listed| listed.leader);
        Browser::new(self.address).in_network_of(leader.expect("a machine that is up"))
    }

    /// A browser that `user` has logged in with.
    pub async fn logged_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.log_in(user, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        browser
    }

    /// A browser that `user` has logged in with, and has ticked the box that lets the password be used again.
    pub async fn logged_in_with_reuse(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        let origin = browser.origin();
        let form = format!("user={user}&password={}&reuse=on", PASSWORD.replace(' ', "+"));
        let headers =
            [("Origin", origin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let answer = browser
            .request("POST", "/cockpit/login", &headers, form.as_bytes())
            .await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.headers.get("set-cookie").expect("a cookie");
        browser.cookie = cookie.split(';').next().map(str::to_owned);
        browser
    }

    /// Waits at most a second until no process of this machine has `words` in its command line.
    pub fn no_process_with(&self, words: &str) {
        let script = "for i in 1 2 3 4 5 6 7 8 9 10; do
            pgrep -f -- \"$0\" | grep -qvx $$ || exit 0; sleep 0.1; done; ps ax; exit 1";
        self.machine
            .exec(&["sh", "-c", script, words])
            .expect("it has ended");
    }

    fn wait_for_the_server(&self) {
        let deadline = Instant::now() + START_TIME;
        while std::net::TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            assert!(
                Instant::now() < deadline,
                "the server does not answer:\n{}",
                self.machine.last_words()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A program that `make` built beside these tests.
pub fn program(name: &str) -> PathBuf {
    let mut directory = std::env::current_exe().expect("this test's path");
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let path = directory.join(name);
    assert!(path.exists(), "{} is not built: `make debug` builds it", path.display());
    path
}
