//! The server's side of a helper, and the helper itself, as processes.
#![expect(clippy::disallowed_methods, reason = "starts this program as the helper under test")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use protocol::secret::Secret;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use session::messages::{Message, Refusal, Reply, Request, ReusePassword, Style};
use session::{BridgeProgram, Limits, Options, Uid};

use crate::machine::{PASSWORD, PROGRAM};

/// How a helper is started.
pub(crate) struct Setting<'a> {
    pub(crate) service: &'a str,
    /// Shell script that is the bridge.
    pub(crate) bridge: &'a str,
    pub(crate) answer_within: Duration,
    pub(crate) log_in_within: Duration,
    pub(crate) allowed_peer: Option<u32>,
    /// Program and arguments that start the helper, if not the test itself.
    pub(crate) through: &'a [&'a str],
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self {
            service: "t",
            bridge: "true",
            answer_within: Duration::from_secs(30),
            log_in_within: Duration::from_mins(1),
            allowed_peer: None,
            through: &[],
        }
    }
}

/// The third start of this program: the helper under test.
pub(crate) fn be_the_helper(arguments: &[String]) -> ExitCode {
    let [service, bridge, answer, log_in, peer] = arguments else { panic!("{arguments:?}") };
    let milliseconds = |text: &String| Duration::from_millis(text.parse().unwrap());
    let options = Options {
        service: service.clone(),
        allowed_peer: peer.parse().ok().map(Uid::from_raw),
        bridge: BridgeProgram {
            path: "/bin/sh".into(),
            arguments: ["sh", "-c", bridge].map(OsString::from).to_vec(),
        },
        limits: Limits {
            answer_within: milliseconds(answer),
            log_in_within: milliseconds(log_in),
            ..Limits::default()
        },
    };
    let result = session::run(&options);
    eprintln!("helper: {result:?}");
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A helper and the server's end of its socket.
pub(crate) struct Client {
    pub(crate) socket: UnixStream,
    received: Vec<u8>,
    fds: Vec<OwnedFd>,
    pub(crate) helper: Child,
}

impl Client {
    pub(crate) fn start(setting: &Setting<'_>) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let mut line: Vec<OsString> = setting.through.iter().map(OsString::from).collect();
        line.push(PROGRAM.into());
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .args(["helper", setting.service, setting.bridge]);
        for time in [setting.answer_within, setting.log_in_within] {
            command.arg(time.as_millis().to_string());
        }
        command.arg(
            setting
                .allowed_peer
                .map_or("-".to_owned(), |uid| uid.to_string()),
        );
        let helper = command.stdin(OwnedFd::from(theirs)).spawn().unwrap();
        Self { socket, received: Vec::new(), fds: Vec::new(), helper }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.socket.write_all(&request.encode().unwrap()).unwrap();
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next reply; `None` when the helper has hung up.
    pub(crate) fn next(&mut self) -> Option<Reply> {
        loop {
            if let Some((reply, taken)) = Reply::decode(&self.received).unwrap() {
                self.received.drain(..taken);
                return Some(reply);
            }
            let mut buffer = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let place = &mut [IoSliceMut::new(&mut buffer)];
            let got = recvmsg(&self.socket, place, &mut control, RecvFlags::CMSG_CLOEXEC);
            let bytes = got.map_or(0, |got| got.bytes);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.fds.extend(fds);
                }
            }
            if bytes == 0 {
                return None;
            }
            self.received.extend(&buffer[..bytes]);
        }
    }

    pub(crate) fn authenticate(
        &mut self,
        user: &str,
        password: &str,
        reuse: ReusePassword,
    ) -> Reply {
        self.send(&Request::Authenticate {
            user: user.into(),
            password: Secret::from(password.to_owned()),
            remote_host: "2001:db8::7".into(),
            reuse_password: reuse,
        });
        self.next().unwrap()
    }

    /// Logs in with the right password.
    pub(crate) fn log_in(&mut self, user: &str, reuse: ReusePassword) {
        let reply = self.authenticate(user, PASSWORD, reuse);
        assert_eq!(reply, Reply::Authenticated { user: user.into(), messages: Vec::new() });
    }

    pub(crate) fn answer(&mut self, answers: &[&str]) -> Reply {
        let secret = |answer: &&str| Secret::from((*answer).to_owned());
        self.send(&Request::Answer(answers.iter().map(secret).collect()));
        self.next().unwrap()
    }

    /// Starts the bridge; its process and our end of its socket.
    pub(crate) fn start_bridge(&mut self) -> (u32, UnixStream) {
        self.send(&Request::StartBridge);
        let reply = self.next().unwrap();
        let Reply::BridgeStarted { pid } = reply else { panic!("{reply:?}") };
        (pid, self.fds.pop().unwrap().into())
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        drop(self.socket);
        self.helper.wait().unwrap()
    }
}

/// Logs in and gives what the bridge `script` wrote until it ended, and the last reply.
pub(crate) fn output_of(
    setting: &Setting<'_>,
    user: &str,
    reuse: ReusePassword,
) -> (String, Reply) {
    let mut client = Client::start(setting);
    client.log_in(user, reuse);
    let (_, socket) = client.start_bridge();
    let output = all_of(socket);
    let last = client.next().unwrap();
    assert!(client.wait().success());
    (output, last)
}

pub(crate) fn all_of(socket: UnixStream) -> String {
    let mut output = String::new();
    File::from(OwnedFd::from(socket))
        .read_to_string(&mut output)
        .unwrap();
    output
}

pub(crate) fn refused(reason: Refusal) -> Reply {
    Reply::Refused { reason, messages: Vec::new() }
}

/// The styles and texts of a reply.
pub(crate) fn texts(reply: &Reply) -> Vec<(Style, &str)> {
    let messages: &[Message] = match reply {
        Reply::Prompt(messages)
        | Reply::Authenticated { messages, .. }
        | Reply::Refused { messages, .. } => messages,
        Reply::BridgeStarted { .. } | Reply::Ended { .. } => &[],
    };
    messages
        .iter()
        .map(|message| (message.style, message.text.as_str()))
        .collect()
}
