//! polkit's helper: the program of root's that runs a PAM conversation and tells polkit how it ended.
//!
//! It stands behind a socket of systemd's (polkit 127 and later, and what took it over), else it is a set-uid program.
//! Both speak one protocol by lines: a question or a message in, an answer out, and the verdict last. The cookie goes
//! by the connection, never into an argument. Caller: the agent. Source: polkit-agent-helper-1 and its unit
//! `polkit-agent-helper@.service`.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use protocol::secret::Secret;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::peer::superuser::{Echo, Question};
use crate::process::{Process, Program, Streams};

/// Where systemd listens for the helper.
const SOCKET: &str = "/run/polkit/agent-helper.socket";

/// Where distributions put the set-uid helper.
const PROGRAMS: [&str; 5] = [
    "/usr/lib/polkit-1/polkit-agent-helper-1",
    "/usr/libexec/polkit-agent-helper-1",
    "/usr/libexec/polkit-1/polkit-agent-helper-1",
    "/usr/lib/policykit-1/polkit-agent-helper-1",
    "/run/wrappers/bin/polkit-agent-helper-1",
];

/// The bit of a file's mode that makes it run as its owner.
const SET_UID: u32 = 0o4000;

/// Most bytes that one conversation may say.
const MOST: u64 = 64 << 10;

/// How one conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// polkit has been told that the user is who they say.
    Granted,
    /// A question was not answered.
    GivenUp,
    /// PAM said no; why, in its words or ours.
    Refused(String),
    /// It could not be held.
    Impossible(String),
}

/// Who is asked, and what is known so far.
pub(super) struct Asking<'a> {
    pub(super) ask: &'a mpsc::Sender<Question>,
    /// polkit's message, for all questions.
    pub(super) message: String,
    /// What went wrong before; may be empty.
    pub(super) error: String,
    /// Answers the first question that hides what is typed.
    pub(super) password: &'a mut Option<Arc<Secret>>,
}

/// A conversation with the helper. Dropping it ends the helper.
pub(super) struct Conversation<R, W> {
    from: R,
    to: W,
    _process: Option<Process>,
}

type Reading = Box<dyn AsyncBufRead + Send + Unpin>;
type Writing = Box<dyn AsyncWrite + Send + Unpin>;

/// A line of the helper's.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Question { prompt: String, echo: Echo },
    Error(String),
    Info(String),
    Success,
    Failure,
}

/// Begins a conversation about `user`: at the socket, or with the set-uid program where nobody listens there.
///
/// # Errors
///
/// `NotFound` when this machine has neither; else the kernel's.
pub(super) async fn connect(
    user: &str,
    cookie: &str,
) -> io::Result<Conversation<Reading, Writing>> {
    if user.contains('\n') || cookie.contains('\n') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if let Ok(socket) = UnixStream::connect(SOCKET).await {
        let (from, mut to) = socket.into_split();
        to.write_all(format!("{user}\n{cookie}\n").as_bytes())
            .await?;
        let from = BufReader::new(from.take(MOST));
        return Ok(Conversation { from: Box::new(from), to: Box::new(to), _process: None });
    }
    let program = PROGRAMS
        .into_iter()
        .find(|path| runs_as_root(Path::new(path)));
    let missing = || io::Error::new(io::ErrorKind::NotFound, "polkit's agent helper is missing");
    let program = Program::new([program.ok_or_else(missing)?, user]);
    let streams =
        Streams { input: Stdio::piped(), output: Stdio::piped(), error: Stdio::inherit() };
    let mut process = program.spawn(streams)?;
    let (Some(mut to), Some(from)) = (process.take_input(), process.take_output()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    to.write_all(format!("{cookie}\n").as_bytes()).await?;
    let from = BufReader::new(from.take(MOST));
    Ok(Conversation { from: Box::new(from), to: Box::new(to), _process: Some(process) })
}

fn runs_as_root(program: &Path) -> bool {
    program
        .metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & SET_UID != 0)
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Conversation<R, W> {
    /// Answers the helper's questions until it gives its verdict.
    pub(super) async fn run(&mut self, asking: &mut Asking<'_>) -> Outcome {
        match self.converse(asking).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Impossible(format!("polkit's agent helper: {error}")),
        }
    }

    async fn converse(&mut self, asking: &mut Asking<'_>) -> io::Result<Outcome> {
        let mut said = Vec::new();
        let mut asked = false;
        while let Some(line) = self.next_line().await? {
            match Line::parse(&line) {
                Some(Line::Question { prompt, echo }) => {
                    asked = true;
                    let Some(answer) = asking.question(prompt, echo, &mut said).await else {
                        return Ok(Outcome::GivenUp);
                    };
                    self.answer(&answer).await?;
                }
                Some(Line::Error(text)) => said.push((Tone::Error, text)),
                Some(Line::Info(text)) => said.push((Tone::Info, text)),
                Some(Line::Success) => return Ok(Outcome::Granted),
                Some(Line::Failure) => return Ok(refused(&said, asked)),
                None => {
                    let unknown = "it says something unknown";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, unknown));
                }
            }
        }
        Ok(refused(&said, asked))
    }

    async fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.from.read_line(&mut line).await?;
        Ok((length > 0).then(|| line.trim_end_matches('\n').to_owned()))
    }

    async fn answer(&mut self, answer: &Secret) -> io::Result<()> {
        if answer.expose().contains(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an answer is one line"));
        }
        let mut line = Zeroizing::new(Vec::with_capacity(answer.len() + 1));
        line.extend_from_slice(answer.expose());
        line.push(b'\n');
        self.to.write_all(&line).await?;
        self.to.flush().await
    }
}

/// What a message of PAM's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Error,
    Info,
}

impl Asking<'_> {
    /// Puts one question, with all that was said before it. `None` gives up.
    async fn question(
        &mut self,
        prompt: String,
        echo: Echo,
        said: &mut Vec<(Tone, String)>,
    ) -> Option<Arc<Secret>> {
        let said = std::mem::take(said);
        if echo == Echo::Off
            && let Some(password) = self.password.take()
        {
            return Some(password);
        }
        let message = with_lines(self.message.clone(), &said, Tone::Info);
        let error = with_lines(std::mem::take(&mut self.error), &said, Tone::Error);
        let (answer, answered) = oneshot::channel();
        self.ask
            .send(Question { message, prompt, echo, error, answer })
            .await
            .ok()?;
        answered
            .await
            .ok()
            .filter(|answer| !answer.is_empty())
            .map(Arc::new)
    }
}

fn with_lines(mut text: String, said: &[(Tone, String)], wanted: Tone) -> String {
    for (_, line) in said.iter().filter(|(tone, _)| *tone == wanted) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}

/// Why PAM said no. Without a question it would say no again.
fn refused(said: &[(Tone, String)], asked: bool) -> Outcome {
    let why = with_lines(with_lines(String::new(), said, Tone::Error), said, Tone::Info);
    match (asked, why.is_empty()) {
        (true, true) => Outcome::Refused("authentication failed".to_owned()),
        (true, false) => Outcome::Refused(why),
        (false, true) => Outcome::Impossible("polkit's agent helper asked nothing".to_owned()),
        (false, false) => Outcome::Impossible(why),
    }
}

impl Line {
    /// One line without its end.
    fn parse(line: &str) -> Option<Self> {
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "PAM_PROMPT_ECHO_OFF" => {
                Some(Self::Question { prompt: unescaped(text), echo: Echo::Off })
            }
            "PAM_PROMPT_ECHO_ON" => {
                Some(Self::Question { prompt: unescaped(text), echo: Echo::On })
            }
            "PAM_ERROR_MSG" => Some(Self::Error(unescaped(text))),
            "PAM_TEXT_INFO" => Some(Self::Info(unescaped(text))),
            "SUCCESS" => Some(Self::Success),
            "FAILURE" => Some(Self::Failure),
            _ => None,
        }
    }
}

/// The text of a line: the helper writes it as a string of C, each byte that is not printable ASCII in octal.
fn unescaped(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _more in 0..2 {
                    let Some(digit) = bytes.next_if(|next| (b'0'..=b'7').contains(next)) else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                }
                plain.extend(u8::try_from(value));
            }
            Some(b'n') => plain.push(b'\n'),
            Some(b't') => plain.push(b'\t'),
            Some(other) => plain.push(other),
            None => plain.push(b'\\'),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the conversation in which a helper says `script`, and gives the outcome, what was written to the
    /// helper, and the questions as (message, prompt, echo, error).
    async fn held(
        script: &str,
        answers: &[&str],
    ) -> (Outcome, String, Vec<(String, String, Echo, String)>) {
        let (ask, mut questions) = mpsc::channel::<Question>(1);
        let mut password = None;
        let mut asking = Asking {
            ask: &ask,
            message: "Allow it?".to_owned(),
            error: String::new(),
            password: &mut password,
        };
        let mut conversation =
            Conversation { from: script.as_bytes(), to: Vec::new(), _process: None };
        let mut seen = Vec::new();
        let outcome = {
            let mut running = std::pin::pin!(conversation.run(&mut asking));
            let mut answers = answers.iter();
            loop {
                tokio::select! {
                    outcome = &mut running => break outcome,
                    Some(question) = questions.recv() => {
                        let answer = answers.next().copied().unwrap_or_default().to_owned();
                        seen.push((question.message, question.prompt, question.echo, question.error));
                        question.answer.send(Secret::from(answer)).unwrap();
                    }
                }
            }
        };
        (outcome, String::from_utf8(conversation.to).unwrap(), seen)
    }

    #[tokio::test]
    async fn two_questions_are_put_one_after_the_other_with_what_pam_said_between() {
        let script = "PAM_PROMPT_ECHO_OFF Password: \nPAM_TEXT_INFO Look at your phone\n\
            PAM_ERROR_MSG Hurry\nPAM_PROMPT_ECHO_ON Code: \nSUCCESS\n";

        let (outcome, written, seen) = held(script, &["secret", "123456"]).await;

        assert_eq!(outcome, Outcome::Granted);
        assert_eq!(written, "secret\n123456\n");
        let text = str::to_owned;
        assert_eq!(
            seen,
            [
                (text("Allow it?"), text("Password: "), Echo::Off, text("")),
                (text("Allow it?\nLook at your phone"), text("Code: "), Echo::On, text("Hurry")),
            ]
        );
    }

    #[tokio::test]
    async fn an_empty_answer_gives_up_and_nothing_is_sent() {
        let (outcome, written, _) = held("PAM_PROMPT_ECHO_OFF Password: \nSUCCESS\n", &[""]).await;

        assert_eq!(outcome, Outcome::GivenUp);
        assert_eq!(written, "");
    }

    #[tokio::test]
    async fn a_failure_without_a_question_is_not_tried_again() {
        let (outcome, _, _) = held("PAM_ERROR_MSG The account is locked\nFAILURE\n", &[]).await;

        assert_eq!(outcome, Outcome::Impossible("The account is locked".to_owned()));
    }

    #[tokio::test]
    async fn a_helper_that_ends_without_a_verdict_has_refused() {
        let (outcome, _, _) = held("PAM_PROMPT_ECHO_OFF Password: \n", &["x"]).await;

        assert_eq!(outcome, Outcome::Refused("authentication failed".to_owned()));
    }

    #[tokio::test]
    async fn an_answer_of_two_lines_is_never_sent() {
        let (outcome, written, _) = held("PAM_PROMPT_ECHO_OFF Password: \n", &["a\nb"]).await;

        assert!(matches!(outcome, Outcome::Impossible(_)), "{outcome:?}");
        assert_eq!(written, "");
    }

    #[test]
    fn texts_are_strings_of_c() {
        assert_eq!(unescaped("Contrase\\303\\261a: "), "Contraseña: ");
        assert_eq!(unescaped(r#"a\nb\t\"c\"\\"#), "a\nb\t\"c\"\\");
        assert_eq!(unescaped("\\"), "\\");
        assert_eq!(unescaped("\\777x"), "x");
    }
}
