//! What a program on another machine writes, as a byte stream.
//!
//! Standard output is the stream; of standard error the end is kept for the message when the program fails. The exit status
//! is noted when it comes. Used by `there`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncRead, ReadBuf};

use super::text::{cleaned, cleaned_end};

/// Bytes of standard error that are kept (T27).
const KEPT_ERRORS: usize = 64 << 10;

/// Most bytes that a shell's start files may print before our script speaks.
const MOST_NOISE: usize = 64 << 10;

/// What the lines of `start.sh` begin with.
const SPEAKS: &[u8] = b"\nPILOTHOUSE ";

/// Longest such line in bytes.
const LONGEST_LINE: usize = 4 << 10;

/// What the script says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// What follows is the bridge.
    Run,
    /// It waits for a bridge of this architecture.
    Send(String),
    /// There will be none, and why.
    None(String),
}

type Next = Pin<Box<dyn Future<Output = (ChannelReadHalf, Option<ChannelMsg>)> + Send>>;

/// The output of one program.
pub(super) struct Output {
    next: Next,
    /// Read and not yet taken.
    waiting: Bytes,
    errors: VecDeque<u8>,
    exit: Option<u32>,
    ended: bool,
    /// What must live as long as somebody reads.
    kept: Vec<Box<dyn Send>>,
}

impl Output {
    pub(super) fn new(reading: ChannelReadHalf) -> Self {
        Self {
            next: next(reading),
            waiting: Bytes::new(),
            errors: VecDeque::new(),
            exit: None,
            ended: false,
            kept: Vec::new(),
        }
    }

    /// The same, with something that lives as long.
    pub(super) fn keeping(mut self, kept: impl Send + 'static) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    /// The next that the script says, past all that start files print; `None` when it ended without a word.
    pub(super) async fn says(&mut self) -> Option<Says> {
        // The first line may stand at the very beginning.
        let mut noise = b"\n".to_vec();
        loop {
            if let Some(at) = find(&noise, SPEAKS) {
                let line = noise.get(at + SPEAKS.len()..).unwrap_or_default();
                if let Some(end) = line.iter().position(|&byte| byte == b'\n') {
                    let (line, rest) = line.split_at(end);
                    self.waiting = Bytes::copy_from_slice(rest.get(1..).unwrap_or_default());
                    return parse(line);
                }
                if line.len() > LONGEST_LINE {
                    return None;
                }
            } else if noise.len() > MOST_NOISE {
                return None;
            }
            let more = self.more().await?;
            noise.extend_from_slice(&more);
        }
    }

    /// What it said last, for people.
    pub(super) fn last_words(&self) -> String {
        let errors: Vec<u8> = self.errors.iter().copied().collect();
        let words = cleaned_end(&errors);
        match (self.exit, words.is_empty()) {
            (Some(code), true) => format!("the shell there ended with status {code}"),
            (None, true) => "the shell there ended without a word".to_owned(),
            (_, false) => words,
        }
    }

    async fn more(&mut self) -> Option<Bytes> {
        if !self.waiting.is_empty() {
            return Some(std::mem::take(&mut self.waiting));
        }
        std::future::poll_fn(|context| self.poll_more(context)).await
    }

    /// The next bytes of standard output; `None` at its end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended {
            let (reading, message) = ready!(self.next.as_mut().poll(context));
            self.next = next(reading);
            match message {
                Some(ChannelMsg::Data { data }) if !data.is_empty() => {
                    return Poll::Ready(Some(data));
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => self.keep(&data),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exit = Some(exit_status),
                Some(ChannelMsg::Close) | None => self.ended = true,
                Some(_) => {}
            }
        }
        Poll::Ready(None)
    }

    fn keep(&mut self, errors: &[u8]) {
        self.errors.extend(errors);
        let over = self.errors.len().saturating_sub(KEPT_ERRORS);
        self.errors.drain(..over);
    }
}

impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.waiting.is_empty() {
            match ready!(this.poll_more(context)) {
                Some(more) => this.waiting = more,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = this.waiting.len().min(buffer.remaining());
        buffer.put_slice(this.waiting.get(..taken).unwrap_or_default());
        this.waiting.advance(taken);
        Poll::Ready(Ok(()))
    }
}

fn next(mut reading: ChannelReadHalf) -> Next {
    Box::pin(async move {
        let message = reading.wait().await;
        (reading, message)
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn parse(line: &[u8]) -> Option<Says> {
    let line = String::from_utf8_lossy(line);
    let (word, rest) = line.split_once(' ')?;
    match word {
        "run" => Some(Says::Run),
        "send" => Some(Says::Send(cleaned(rest))),
        "none" => Some(Says::None(cleaned(rest.trim_end_matches([' ', ';'])))),
        _ => None,
    }
}

#[test]
fn what_the_script_says_is_understood_and_nothing_else() {
    assert_eq!(parse(b"run cockpit-bridge"), Some(Says::Run));
    assert_eq!(parse(b"send x86_64"), Some(Says::Send("x86_64".to_owned())));
    assert_eq!(parse(b"none a; b; "), Some(Says::None("a; b".to_owned())));
    assert_eq!(parse(b"rm -rf"), None);
    assert_eq!(parse(b"run"), None);
}
