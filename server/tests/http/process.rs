//! The server as a process: sockets that are handed over, the service manager's messages, signals.
//!
//! The child is this test program itself, told by its environment to be a server.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use server::{Access, Listener};

use crate::house::{Answer, PATIENCE, exchange, settings};

/// Says to [`as_a_server`] where its socket comes from.
const ROLE: &str = "PILOTHOUSE_TEST_LISTENER";

/// Where [`as_a_server`] keeps its files.
const FOLDER: &str = "PILOTHOUSE_TEST_FOLDER";

/// The child's part of every test here; alone it has nothing to do.
#[test]
fn as_a_server() {
    let listener = match std::env::var(ROLE).as_deref() {
        Ok("stdin") => Listener::Stdin,
        Ok("systemd") => Listener::Systemd,
        Ok(_) | Err(_) => return,
    };
    let mut config = settings(std::path::Path::new(&std::env::var(FOLDER).unwrap()));
    config.loopback_http = server::config::LoopbackHttp::Serve;
    // Nothing can be bound here: the server lives by what it was handed, or not at all.
    config.listen = vec!["192.0.2.1:1".parse().unwrap()];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(server::run(config, listener, Access::Login, |_| {}))
        .unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test starts the server as a process of its own")]
fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(name)
}

const SELF: [&str; 3] = ["--exact", "process::as_a_server", "--nocapture"];

struct Running(Child);

impl Running {
    fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _known = self.0.wait();
    }
}

const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_socket_passed_as_standard_input_is_served_and_the_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let message = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let child = program(std::env::current_exe().unwrap())
        .args(SELF)
        .env(ROLE, "stdin")
        .env(FOLDER, folder.path())
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "300000")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Running(child);

    assert_eq!(message(), "READY=1");
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(Answer::parse(&exchange(stream, PING).await).status, 200);
    assert_eq!(message(), "WATCHDOG=1");
    assert_eq!(message(), "WATCHDOG=1");

    let started = Instant::now();
    assert!(child.terminate().success());
    assert!(started.elapsed() < Duration::from_secs(2));
    let last = std::iter::repeat_with(message).find(|text| text != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[tokio::test]
async fn a_socket_handed_over_by_systemd_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let child = program("systemd-socket-activate")
        .args(["--listen", &address.to_string()])
        .args([
            format!("--setenv={ROLE}=systemd"),
            format!("--setenv={FOLDER}={}", folder.path().display()),
        ])
        .arg(std::env::current_exe().unwrap())
        .args(SELF)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("systemd-socket-activate is installed");
    let mut child = Running(child);

    let connected = async {
        loop {
            match tokio::net::TcpStream::connect(address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let stream = tokio::time::timeout(PATIENCE, connected).await.unwrap();
    assert_eq!(Answer::parse(&exchange(stream, PING).await).status, 200);
    assert!(child.terminate().success());
}
