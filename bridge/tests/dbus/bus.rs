//! A message bus of the test's own: a real dbus-daemon with a configuration and services in a temporary directory.

use std::path::Path;
use std::process::Stdio;

use bridge::process::{Process, Program, Streams};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A running bus; dropping it ends the daemon, also when it is stopped.
pub(crate) struct TestBus {
    pub(crate) address: String,
    pub(crate) directory: TempDir,
    daemon: Process,
}

impl TestBus {
    /// Starts a bus.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("bus");
        let (address, daemon) = start_daemon(directory.path(), &socket).await;
        Self { address, directory, daemon }
    }

    /// Ends the daemon and starts another at the same address.
    pub(crate) async fn restart(&mut self) {
        let socket = self.directory.path().join("bus");
        self.stop().await;
        let (_, daemon) = start_daemon(self.directory.path(), &socket).await;
        self.daemon = daemon;
    }

    /// Ends the daemon.
    pub(crate) async fn stop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.daemon.wait().await.unwrap();
    }

    /// Sends the daemon a signal: it may be stopped for a while.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = self
            .daemon
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Says how `name` is started.
    pub(crate) fn add_service(&self, name: &str, program: &str) {
        let text = format!("[D-BUS Service]\nName={name}\nExec={program}\n");
        let file = self
            .directory
            .path()
            .join(format!("services/{name}.service"));
        std::fs::write(file, text).unwrap();
    }

    /// The bus's address without its id: it stays the same when the daemon is another.
    pub(crate) fn plain_address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("bus").display())
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        if self.daemon.id().is_some() {
            self.signal(rustix::process::Signal::CONT);
        }
    }
}

async fn start_daemon(directory: &Path, socket: &Path) -> (String, Process) {
    let services = directory.join("services");
    std::fs::create_dir_all(&services).unwrap();
    let _there_may_be_none = std::fs::remove_file(socket);
    let configuration = directory.join("bus.conf");
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
            "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>session</type>
          <listen>unix:path={}</listen>
          <auth>EXTERNAL</auth>
          <servicedir>{}</servicedir>
          <policy context="default">
            <allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/>
          </policy>
        </busconfig>"#,
        socket.display(),
        services.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let program = Program::new([
        "dbus-daemon".to_owned(),
        format!("--config-file={}", configuration.display()),
        "--nofork".to_owned(),
        "--print-address".to_owned(),
    ]);
    let streams = Streams { input: Stdio::null(), output: Stdio::piped(), error: Stdio::inherit() };
    let mut daemon = program.spawn(streams).unwrap();
    let mut address = String::new();
    let output = daemon.take_output().unwrap();
    BufReader::new(output)
        .read_line(&mut address)
        .await
        .unwrap();
    (address.trim().to_owned(), daemon)
}
