//! Starts a privileged bridge by one method, and answers what that asks.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use protocol::problem::Problem;
use protocol::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::polkit_agent::{Agent, AgentError};
use super::{Echo, Method, NoMethod, Question, askpass};
use crate::channel::Closed;
use crate::link::Link;
use crate::peer::Connect;
use crate::process::{Process, Program, Streams};

/// Directories of programs that root owns. The user's own `PATH` is not asked for a program that gets a password.
const PROGRAM_DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];

/// How sudo asks for a password unless sudoers says otherwise; `%p` is the name of the user whose it is (`sudoers(5)`).
/// It is not given to sudo: then it would stand in place of PAM's other questions too.
const SUDO_PROMPT: &str = "[sudo] password for %p: ";

/// Bytes of what a method says that are kept for the message.
const MESSAGE_BYTES: usize = 4 << 10;

/// One start.
pub(super) struct Launch {
    /// The user that this bridge is.
    pub(super) user: String,
    pub(super) method: Method,
    pub(super) ask: mpsc::Sender<Question>,
    pub(super) password: Option<Arc<Secret>>,
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
            Closed::new(Problem::NotFound, NoMethod::Missing(self.method).to_string())
        })?;
        let this = installed(std::env::current_exe().map_err(failed)?);
        let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
        let (errors, their_errors) = StdUnixStream::pair().map_err(failed)?;
        errors.set_nonblocking(true).map_err(failed)?;
        let errors = UnixStream::from_std(errors).map_err(failed)?;
        let mut dialogue =
            Dialogue::new(&self.user, self.method, errors, self.ask, self.password).await?;
        let process = command(self.method, program, &this, theirs, their_errors).map_err(failed)?;
        dialogue.serve(&process);

        let waiting = ours.try_clone().map_err(failed)?;
        waiting.set_nonblocking(true).map_err(failed)?;
        let waiting = UnixStream::from_std(waiting).map_err(failed)?;
        let ended = {
            let mut answering = std::pin::pin!(dialogue.answer_all());
            tokio::select! {
                // The bridge greets first, so the first byte says that it runs.
                readable = waiting.ready(Interest::READABLE) => {
                    readable.map_err(failed)?;
                    if at_end(&waiting) { Some(answering.await) } else { None }
                }
                ended = &mut answering => Some(ended),
            }
        };
        if let Some(ended) = ended {
            return Err(ended);
        }
        drop(waiting);
        tokio::spawn(mind(process, dialogue.errors));
        Link::from_socket(ours).map_err(failed)
    }
}

/// Where this program is installed. After an upgrade the kernel names the file that is gone, with a note behind its name;
/// the new one stands in its place.
fn installed(this: PathBuf) -> PathBuf {
    let gone = this
        .to_str()
        .and_then(|name| name.strip_suffix(" (deleted)"))
        .map(PathBuf::from);
    match gone {
        Some(place) if !this.exists() => place,
        Some(_) | None => this,
    }
}

/// Whether the other end of the link is closed.
fn at_end(link: &UnixStream) -> bool {
    let mut byte = [0];
    rustix::net::recv(link, &mut byte, rustix::net::RecvFlags::PEEK)
        .is_ok_and(|(_, length)| length == 0)
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
    let environment: &[(&str, &OsStr)] = match method {
        Method::Sudo => &[
            ("SUDO_ASKPASS", this.as_os_str()),
            (askpass::VARIABLE, OsStr::new("1")),
            ("LC_ALL", OsStr::new("C.UTF-8")),
        ],
        // pkexec starts nothing when this is not in /etc/shells, though it uses it for nothing.
        Method::Pkexec => &[("SHELL", OsStr::new("/bin/sh")), ("LC_ALL", OsStr::new("C.UTF-8"))],
    };
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    program.environment.extend(environment);
    let input = link.try_clone()?;
    program.spawn(Streams {
        input: Stdio::from(OwnedFd::from(input)),
        output: Stdio::from(OwnedFd::from(link)),
        error: Stdio::from(OwnedFd::from(errors)),
    })
}

/// What a method asks and says: over its standard error, and through polkit.
struct Dialogue {
    errors: UnixStream,
    /// What was said since the last question.
    said: Vec<u8>,
    asked: Asked,
    ask: mpsc::Sender<Question>,
    password: Option<Arc<Secret>>,
    /// The question that the password of the login answers: not a code, and nobody else's password.
    own_prompt: String,
    /// polkit's agent, for the method that needs it.
    agent: Option<Result<Agent, AgentError>>,
}

/// Whether there was a question yet: what is said before the first is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    Before,
}

impl Dialogue {
    async fn new(
        user: &str,
        method: Method,
        errors: UnixStream,
        ask: mpsc::Sender<Question>,
        password: Option<Arc<Secret>>,
    ) -> Result<Self, Closed> {
        let own_prompt = SUDO_PROMPT.replace("%p", user);
        let (said, asked) = (Vec::new(), Asked::NotYet);
        if method == Method::Sudo {
            return Ok(Self { errors, said, asked, ask, password, own_prompt, agent: None });
        }
        let agent = match Agent::register(ask.clone(), password).await {
            // A rule may allow it without a question, and another agent may be there.
            Err(error @ AgentError::Refused(_)) => Err(error),
            Err(error) => return Err(Closed::new(Problem::AccessDenied, error.to_string())),
            Ok(agent) => Ok(agent),
        };
        Ok(Self { errors, said, asked, ask, password: None, own_prompt, agent: Some(agent) })
    }

    /// From now on what this process asks is answered.
    fn serve(&mut self, process: &Process) {
        if let Some(Ok(agent)) = &mut self.agent {
            agent.answer_for(process.id());
        }
    }

    /// Answers questions until the method has ended; says why it did.
    async fn answer_all(&mut self) -> Closed {
        let mut agent = self.agent.take();
        {
            let mut answering = std::pin::pin!(async {
                match &mut agent {
                    Some(Ok(agent)) => agent.answer_all().await,
                    Some(Err(_)) | None => std::future::pending().await,
                }
            });
            loop {
                let received = tokio::select! {
                    received = receive(&self.errors) => received,
                    never = &mut answering => match never {},
                };
                match received {
                    Ok(askpass::Received::Question(said, descriptor)) => {
                        self.keep(&said);
                        if let Err(error) = self.answer(descriptor).await {
                            self.said.extend_from_slice(error.to_string().as_bytes());
                        }
                    }
                    Ok(askpass::Received::Text(text)) => self.keep(&text),
                    Ok(askpass::Received::End) | Err(_) => break,
                }
            }
        }
        self.refusal(agent)
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
        let said = lines(&std::mem::take(&mut self.said));
        let (message, error) = match std::mem::replace(&mut self.asked, Asked::Before) {
            Asked::NotYet => (said, String::new()),
            Asked::Before => (String::new(), said),
        };
        let kept = if prompt == self.own_prompt { self.password.take() } else { None };
        let answer = match kept {
            Some(password) => Some(password),
            None => self.ask_user(message, prompt, error).await.map(Arc::new),
        };
        match answer {
            Some(answer) => socket.write_all(answer.expose()).await,
            None => Ok(()),
        }
    }

    async fn ask_user(&self, message: String, prompt: String, error: String) -> Option<Secret> {
        let (answer, answered) = oneshot::channel();
        // sudo says of a question only that it is one.
        let question = Question { message, prompt, echo: Echo::Off, error, answer };
        self.ask.send(question).await.ok()?;
        answered.await.ok()
    }

    fn refusal(&self, agent: Option<Result<Agent, AgentError>>) -> Closed {
        let said = lines(&self.said);
        match agent {
            None => Closed::new(Problem::AccessDenied, said),
            Some(Err(error)) => Closed::new(Problem::AccessDenied, error.to_string()),
            Some(Ok(agent)) => agent.refusal().unwrap_or_else(|| {
                let message = format!("polkit does not allow it: {said}");
                Closed::new(Problem::AccessDenied, message)
            }),
        }
    }
}

async fn receive(errors: &UnixStream) -> io::Result<askpass::Received> {
    loop {
        errors.readable().await?;
        match errors.try_io(Interest::READABLE, || askpass::receive(errors)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

/// The lines of `said` that hold something.
fn lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Passes on what the privileged bridge logs, and waits for the end of the program that started it.
async fn mind(mut process: Process, errors: UnixStream) {
    let logging = async {
        while let Ok(askpass::Received::Text(text)) = receive(&errors).await {
            let _nobody_may_listen = rustix::io::write(rustix::stdio::stderr(), &text);
        }
    };
    tokio::join!(logging, async { drop(process.wait().await) });
}
