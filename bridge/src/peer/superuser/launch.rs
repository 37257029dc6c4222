//! Starts a privileged bridge by one method, and answers what that asks.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use protocol::problem::Problem;
use protocol::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::{Method, Question, askpass};
use crate::channel::Closed;
use crate::link::Link;
use crate::peer::Connect;
use crate::process::{Process, Program, Streams};

/// Directories of programs that root owns. The user's own `PATH` is not asked for a program that gets a password.
const PROGRAM_DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];

/// Bytes of what a method says that are kept for the message.
const MESSAGE_BYTES: usize = 4 << 10;

/// One start.
pub(super) struct Launch {
    pub(super) method: Method,
    pub(super) ask: mpsc::Sender<Question>,
    pub(super) password: Option<Secret>,
}

/// Where the program of a method is on this machine.
pub(super) fn program_of(method: Method) -> Option<PathBuf> {
    let candidates = PROGRAM_DIRECTORIES
        .iter()
        .map(|place| PathBuf::from(place).join(method.name()));
    candidates.into_iter().find(|path| path.is_file())
}

impl Connect for Launch {
    async fn connect(self) -> Result<Link, Closed> {
        let failed = |error: io::Error| Closed::from_io(self.method.name(), &error);
        let program = program_of(self.method).ok_or_else(|| {
            let message = format!("{} is not installed on this machine", self.method.name());
            Closed::new(Problem::NotFound, message)
        })?;
        let this = std::env::current_exe().map_err(failed)?;
        let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
        let (errors, their_errors) = StdUnixStream::pair().map_err(failed)?;
        let process = command(self.method, program, &this, theirs, their_errors).map_err(failed)?;
        errors.set_nonblocking(true).map_err(failed)?;
        let errors = UnixStream::from_std(errors).map_err(failed)?;
        let mut dialogue =
            Dialogue { errors, said: Vec::new(), ask: self.ask, password: self.password };

        let waiting = ours.try_clone().map_err(failed)?;
        waiting.set_nonblocking(true).map_err(failed)?;
        let waiting = UnixStream::from_std(waiting).map_err(failed)?;
        tokio::select! {
            // The bridge greets first, so the first byte says that it runs.
            readable = waiting.ready(Interest::READABLE) => {
                readable.map_err(failed)?;
            }
            ended = dialogue.answer_all() => return Err(ended),
        }
        let mut byte = [0];
        if rustix::net::recv(&waiting, &mut byte, rustix::net::RecvFlags::PEEK)
            .is_ok_and(|(_, length)| length == 0)
        {
            return Err(dialogue.ended().await);
        }
        drop(waiting);
        tokio::spawn(mind(process, dialogue));
        Link::from_socket(ours).map_err(failed)
    }
}

/// Starts this bridge as root: a fixed program with fixed arguments (T56).
fn command(
    method: Method,
    program: PathBuf,
    this: &std::path::Path,
    link: StdUnixStream,
    errors: StdUnixStream,
) -> io::Result<Process> {
    let mut argv = vec![program.into_os_string()];
    match method {
        Method::Sudo => argv.extend(["-k", "-A", "--"].map(Into::into)),
        Method::Pkexec => argv.extend(["--disable-internal-agent"].map(Into::into)),
    }
    argv.push(this.into());
    if this
        .file_name()
        .is_none_or(|name| name != "pilothouse-bridge")
    {
        argv.push("bridge".into());
    }
    argv.push("--privileged".into());
    let mut program = Program::new(argv);
    program
        .environment
        .push(("SUDO_ASKPASS".into(), this.into()));
    program
        .environment
        .push((askpass::VARIABLE.into(), "1".into()));
    program
        .environment
        .push(("LC_ALL".into(), "C.UTF-8".into()));
    let input = link.try_clone()?;
    program.spawn(Streams {
        input: Stdio::from(OwnedFd::from(input)),
        output: Stdio::from(OwnedFd::from(link)),
        error: Stdio::from(OwnedFd::from(errors)),
    })
}

/// What is said over the method's standard error.
struct Dialogue {
    errors: UnixStream,
    /// What was said since the last question.
    said: Vec<u8>,
    ask: mpsc::Sender<Question>,
    password: Option<Secret>,
}

impl Dialogue {
    /// Answers questions until the method has ended; says why it did.
    async fn answer_all(&mut self) -> Closed {
        loop {
            match self.receive().await {
                Ok(askpass::Received::Question(said, descriptor)) => {
                    self.keep(&said);
                    if let Err(error) = self.answer(descriptor).await {
                        self.said.extend_from_slice(error.to_string().as_bytes());
                    }
                }
                Ok(askpass::Received::Text(text)) => self.keep(&text),
                Ok(askpass::Received::End) | Err(_) => return self.refusal(),
            }
        }
    }

    /// The rest of what the method said, once its end of the link is closed.
    async fn ended(&mut self) -> Closed {
        self.answer_all().await
    }

    async fn receive(&self) -> io::Result<askpass::Received> {
        loop {
            self.errors.readable().await?;
            match self
                .errors
                .try_io(Interest::READABLE, || askpass::receive(&self.errors))
            {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    fn keep(&mut self, text: &[u8]) {
        let room = MESSAGE_BYTES.saturating_sub(self.said.len());
        self.said
            .extend_from_slice(text.get(..text.len().min(room)).unwrap_or_default());
    }

    async fn answer(&mut self, descriptor: OwnedFd) -> io::Result<()> {
        let socket = StdUnixStream::from(descriptor);
        socket.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(socket)?;
        let mut prompt = Vec::new();
        (&mut socket)
            .take(askpass::MAX_QUESTION)
            .read_to_end(&mut prompt)
            .await?;
        let prompt = String::from_utf8_lossy(&prompt).into_owned();
        let error = String::from_utf8_lossy(&std::mem::take(&mut self.said))
            .trim()
            .to_owned();
        let answer = match self.password.take() {
            Some(password) => Some(password),
            None => self.ask_user(prompt, error).await,
        };
        match answer {
            Some(answer) => socket.write_all(answer.expose()).await,
            None => Ok(()),
        }
    }

    async fn ask_user(&self, prompt: String, error: String) -> Option<Secret> {
        let (answer, answered) = oneshot::channel();
        self.ask
            .send(Question { prompt, error, answer })
            .await
            .ok()?;
        answered.await.ok()
    }

    fn refusal(&self) -> Closed {
        let said = String::from_utf8_lossy(&self.said);
        let lines: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        Closed::new(Problem::AccessDenied, lines.join("\n"))
    }
}

/// Passes on what the privileged bridge logs, and waits for the end of the program that started it.
async fn mind(mut process: Process, dialogue: Dialogue) {
    let logging = async {
        while let Ok(askpass::Received::Text(text)) = dialogue.receive().await {
            let _nobody_may_listen = rustix::io::write(rustix::stdio::stderr(), &text);
        }
    };
    tokio::join!(logging, async { drop(process.wait().await) });
}
