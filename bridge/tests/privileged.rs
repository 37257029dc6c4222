//! The privileged bridge as a process: whom it serves, and how long.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use bridge::process::{Process, Program, Streams};

/// Starts `pilothouse-bridge --privileged` with these streams.
fn start(input: Stdio, output: Stdio, error: Stdio, variables: &[(&str, &str)]) -> Process {
    let mut program = Program::new([env!("CARGO_BIN_EXE_pilothouse-bridge"), "--privileged"]);
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    program.environment.extend(variables);
    program.spawn(Streams { input, output, error }).unwrap()
}

fn stdio(socket: &UnixStream) -> Stdio {
    OwnedFd::from(socket.try_clone().unwrap()).into()
}

#[tokio::test]
async fn it_serves_the_bridge_that_made_its_socket_pair_and_ends_with_the_link() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let uid = rustix::process::getuid().as_raw().to_string();
    let mut process =
        start(stdio(&theirs), stdio(&theirs), Stdio::inherit(), &[("SUDO_UID", &uid)]);
    drop(theirs);

    let greeting = tokio::task::spawn_blocking(move || {
        let mut greeting = String::new();
        let mut reader = BufReader::new(ours);
        // A length, the empty id of control messages, and the message, whose end has no newline.
        reader.read_line(&mut greeting).unwrap();
        reader.read_line(&mut greeting).unwrap();
        let mut message = vec![0; 16];
        reader.read_exact(&mut message).unwrap();
        String::from_utf8(message).unwrap()
    });
    assert!(greeting.await.unwrap().starts_with('{'));
    assert!(process.wait().await.unwrap().success());
}

#[tokio::test]
async fn it_serves_nobody_but_over_the_socket_of_the_user_who_may_become_root() {
    let other = (rustix::process::getuid().as_raw() + 1).to_string();
    let folder = tempfile::tempdir().unwrap();
    let named = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let connected = UnixStream::connect(folder.path().join("socket")).unwrap();
    let _accepted = named.accept().unwrap();
    let (pair, _held) = UnixStream::pair().unwrap();
    let (ended, other_end) = UnixStream::pair().unwrap();
    drop(other_end);
    for (input, variable, words) in [
        (Stdio::null(), ("A", "b"), "only on the socket"),
        (stdio(&connected), ("A", "b"), "only on the socket"),
        (stdio(&pair), ("SUDO_UID", other.as_str()), "was allowed to become root"),
        (stdio(&pair), ("PKEXEC_UID", other.as_str()), "was allowed to become root"),
        (stdio(&ended), ("A", "b"), "has ended"),
    ] {
        let mut process = start(input, Stdio::null(), Stdio::piped(), &[variable]);
        let mut said = String::new();
        let mut errors = process.take_error().unwrap();
        tokio::io::AsyncReadExt::read_to_string(&mut errors, &mut said)
            .await
            .unwrap();
        assert!(!process.wait().await.unwrap().success());
        assert!(said.contains(words), "{words}: {said}");
    }
}
