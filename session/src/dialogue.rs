//! The conversation of one login: what PAM asks goes to the server, what it tells waits for the next question.
//!
//! The first question without echo is answered with the password that came with the login; every other one goes to
//! the client, a whole batch at once. Called back by `pam` while one of its calls runs. A conversation that breaks
//! stays broken, and its reason is what the login ends with.

use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use protocol::secret::Secret;

use crate::SessionError;
use crate::connection::Connection;
use crate::messages::{MAX_ANSWERS, MAX_MESSAGES, Message, Reply, Request, ReusePassword, Style};
use crate::monitor::Stage;
use crate::pam::Conversation;
use crate::password_floor::Floor;

/// Bytes of text that may wait; with [`MAX_MESSAGES`] of them a reply stays within its limit.
const MAX_PENDING_TEXT: usize = 48 << 10;

/// Failed attempts are answered at multiples of this time after the last request, so that hashing, look-ups and the
/// random part of libpam's own delay (half to one and a half of the usual 2 s) cannot be told apart.
const FAILURE_STEP: Duration = Duration::from_secs(3);

/// What PAM is doing, as far as the conversation depends on it.
pub(crate) enum Phase {
    LoggingIn,
    /// The last answer without echo is the new password, once it was typed twice.
    ChangingPassword(Floor),
    /// Questions are declined, as in sshd: nobody waits for one any more. So they are after a refused new password.
    Opening,
}

/// State of the conversation.
pub(crate) struct Dialogue {
    connection: Connection,
    phase: Phase,
    /// The password that came with the login, until it is used.
    password: Option<Secret>,
    /// The last answer without echo, while the password is changed.
    last_hidden: Option<Secret>,
    reuse: ReusePassword,
    /// The password of the account as it is now, if the user wants it reused.
    pub(crate) reusable: Option<Secret>,
    /// The texts that no prompt has carried.
    pub(crate) pending: Vec<Message>,
    heard: Instant,
    delay: Duration,
    /// Why the conversation broke, if it did.
    pub(crate) failure: Option<SessionError>,
}

impl Dialogue {
    pub(crate) fn new(connection: Connection, password: Secret, reuse: ReusePassword) -> Self {
        Self {
            connection,
            phase: Phase::LoggingIn,
            password: Some(password),
            last_hidden: None,
            reuse,
            reusable: None,
            pending: Vec::new(),
            heard: Instant::now(),
            delay: Duration::ZERO,
            failure: None,
        }
    }

    /// The password of the login is of no use in a later phase.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.password = None;
        self.last_hidden = None;
        self.phase = phase;
    }

    /// Sleeps to the next multiple of [`FAILURE_STEP`], or to the one a module asked for if that is later.
    pub(crate) fn wait_after_failure(&self) {
        let spent = self.heard.elapsed();
        sleep(failure_answered_after(spent, self.delay).saturating_sub(spent));
    }

    /// Puts `message` in the queue, cut to what is left of the limit.
    fn queue(&mut self, mut message: Message) {
        let used: usize = self.pending.iter().map(|message| message.text.len()).sum();
        let left = MAX_PENDING_TEXT.saturating_sub(used);
        message
            .text
            .truncate(message.text.floor_char_boundary(left));
        if message.style.asks() || self.pending.len() < MAX_MESSAGES - MAX_ANSWERS {
            self.pending.push(message);
        }
    }

    /// The answer that is already here, if `style` is the first question without echo.
    fn known_answer(&mut self, style: Style) -> Option<Secret> {
        if style != Style::Secret {
            return None;
        }
        let password = self.password.take()?;
        self.remember(&password);
        Some(password)
    }

    fn remember(&mut self, password: &Secret) {
        if self.reuse == ReusePassword::Keep {
            self.reusable = Some(Secret::new(password.expose().to_vec()));
        }
    }

    /// Sends what is queued and waits for one answer to each of `styles`.
    fn ask(&mut self, styles: &[Style]) -> Result<Vec<Secret>, SessionError> {
        self.connection
            .send(&Reply::Prompt(mem::take(&mut self.pending)), &[])?;
        let request = self.connection.receive(Stage::Conversing)?;
        self.heard = Instant::now();
        let Request::Answer(answers) = request else {
            return Err(SessionError::NotPermitted(Stage::Conversing));
        };
        if answers.len() != styles.len() {
            return Err(SessionError::NotPermitted(Stage::Conversing));
        }
        Ok(answers)
    }

    /// Why the conversation ends, if one of `answers` is a new password below the floor. Which question is which, only
    /// the module knows; but an answer without echo that repeats the one before it confirms a new password. So
    /// questions for the current password or a code are never refused.
    fn new_password_refused(&mut self, styles: &[Style], answers: &[Secret]) -> Option<String> {
        let Phase::ChangingPassword(floor) = &self.phase else { return None };
        let mut refusal = None;
        let hidden = styles
            .iter()
            .zip(answers)
            .filter(|(style, _)| **style == Style::Secret);
        for (_, answer) in hidden {
            let copy = Secret::new(answer.expose().to_vec());
            if self
                .last_hidden
                .replace(copy)
                .is_some_and(|last| last.expose() == answer.expose())
            {
                refusal = refusal.or(floor.refusal(answer));
            }
        }
        if let Some(last) = self.last_hidden.take() {
            self.remember(&last);
            self.last_hidden = Some(last);
        }
        refusal
    }
}

impl Conversation for Dialogue {
    fn converse(&mut self, batch: Vec<Message>) -> Option<Vec<Secret>> {
        let mut answers = Vec::new();
        let mut open_questions = Vec::new();
        for message in batch {
            let style = message.style;
            if let Some(known) = self.known_answer(style) {
                answers.push(Some(known));
                continue;
            }
            if style.asks() {
                answers.push(None);
                open_questions.push(style);
            }
            self.queue(message);
        }
        if open_questions.is_empty() {
            return answers.into_iter().collect();
        }
        if matches!(self.phase, Phase::Opening) || self.failure.is_some() {
            self.pending.retain(|message| !message.style.asks());
            return None;
        }
        let asked = self.ask(&open_questions);
        let given = asked.map_err(|error| self.failure = Some(error)).ok()?;
        if let Some(text) = self.new_password_refused(&open_questions, &given) {
            self.enter(Phase::Opening);
            self.queue(Message { style: Style::Error, text });
            return None;
        }
        let mut given = given.into_iter();
        answers
            .into_iter()
            .map(|known| known.or_else(|| given.next()))
            .collect()
    }

    fn failure_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }
}

/// When an attempt that failed after `spent` is answered, if PAM would have waited for `asked`.
fn failure_answered_after(spent: Duration, asked: Duration) -> Duration {
    let step = FAILURE_STEP.as_millis();
    let steps = spent
        .as_millis()
        .div_ceil(step)
        .max(asked.as_millis() / step)
        .max(1);
    FAILURE_STEP * u32::try_from(steps).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;
    use std::thread;

    use super::*;

    fn dialogue() -> (Dialogue, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let password = Secret::from("hunter2".to_owned());
        let connection = Connection(Rc::new(ours));
        (Dialogue::new(connection, password, ReusePassword::Forget), theirs)
    }

    fn message(style: Style, text: &str) -> Message {
        Message { style, text: text.to_owned() }
    }

    #[test]
    fn a_module_that_talks_without_end_fills_one_reply_at_most() {
        let (mut dialogue, _theirs) = dialogue();

        for _ in 0..100 {
            assert!(
                dialogue
                    .converse(vec![message(Style::Info, &"ä".repeat(3000)); 32])
                    .is_some()
            );
        }
        for _ in 0..MAX_ANSWERS {
            dialogue.queue(message(Style::Visible, &"?".repeat(3000)));
        }

        let messages = mem::take(&mut dialogue.pending);
        assert_eq!(
            messages
                .iter()
                .filter(|message| message.style.asks())
                .count(),
            MAX_ANSWERS
        );
        assert!(messages.len() <= MAX_MESSAGES);
        assert!(Reply::Prompt(messages).encode().is_ok());
    }

    #[test]
    fn a_batch_is_answered_in_its_order_with_the_password_first_of_the_hidden_ones() {
        let (mut dialogue, theirs) = dialogue();
        let client = thread::spawn(move || {
            let mut prompt = [0; 200];
            let read = std::io::Read::read(&mut &theirs, &mut prompt).unwrap();
            let answers = ["ada", "755224"].map(|answer| Secret::from(answer.to_owned()));
            let request = Request::Answer(answers.into()).encode().unwrap();
            std::io::Write::write_all(&mut &theirs, &request).unwrap();
            (Reply::decode(&prompt[..read]).unwrap().unwrap().0, theirs)
        });

        let answers = dialogue.converse(vec![
            message(Style::Visible, "Name?"),
            message(Style::Secret, "Password?"),
            message(Style::Error, "Careful."),
            message(Style::Secret, "Code?"),
        ]);

        let answers: Vec<Vec<u8>> = answers
            .unwrap()
            .iter()
            .map(|a| a.expose().to_vec())
            .collect();
        assert_eq!(answers, [b"ada".to_vec(), b"hunter2".to_vec(), b"755224".to_vec()]);
        let prompt = vec![
            message(Style::Visible, "Name?"),
            message(Style::Error, "Careful."),
            message(Style::Secret, "Code?"),
        ];
        let (asked, theirs) = client.join().unwrap();
        assert_eq!(asked, Reply::Prompt(prompt));
        drop(dialogue); // which would have this process end with the client
        drop(theirs);
    }

    #[test]
    fn a_question_while_the_session_opens_is_declined_and_not_kept() {
        let (mut dialogue, _theirs) = dialogue();
        dialogue.enter(Phase::Opening);

        let told = dialogue.converse(vec![message(Style::Info, "Welcome.")]);
        let asked = dialogue.converse(vec![message(Style::Secret, "Disk passphrase?")]);

        assert!(told.is_some_and(|answers| answers.is_empty()));
        assert!(asked.is_none());
        assert_eq!(mem::take(&mut dialogue.pending), [message(Style::Info, "Welcome.")]);
        assert!(dialogue.failure.is_none());
    }

    #[test]
    fn failures_are_answered_on_a_grid() {
        let after = |spent, asked| {
            failure_answered_after(Duration::from_millis(spent), Duration::from_millis(asked))
        };

        assert_eq!(after(0, 0), Duration::from_secs(3));
        assert_eq!(after(40, 1_000), Duration::from_secs(3)); // pam_unix asks for 2 s, libpam makes 1 to 3 of it
        assert_eq!(after(900, 2_999), Duration::from_secs(3));
        assert_eq!(after(3_001, 0), Duration::from_secs(6)); // a slow directory
        assert_eq!(after(40, 10_000), Duration::from_secs(9)); // pam_faildelay of an administrator
    }
}
