//! What a kind of channel is: a name, its options, and one function that runs it.
//!
//! `router` starts a task for each channel; when the page closes the channel the task is dropped, so whatever must be
//! undone (a process, a temporary file) is undone by `Drop`.

use protocol::json::Fields;
use protocol::problem::Problem;
use serde::de::DeserializeOwned;

use crate::port::Port;

/// A kind of channel.
pub trait Channel {
    /// Its name in `open`: the `payload`.
    const KIND: &'static str;

    /// Its options: the members of `open`. Unknown ones are ignored, as the protocol asks.
    type Options: DeserializeOwned + Send;

    /// Serves the channel until it is over. The fields of an `Ok` stand in `close`.
    fn run(
        options: Self::Options,
        port: Port,
    ) -> impl Future<Output = Result<Fields, Closed>> + Send;
}

/// A channel that ends with a problem: what its `close` says.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}: {message}")]
pub struct Closed {
    /// The code for programs.
    pub problem: Problem,
    /// The sentence for the person who looks at details.
    pub message: String,
    /// What the payload says beside (`exit-status`, `tag`).
    pub fields: Fields,
}

impl Closed {
    /// A channel that ends with `problem`, and why.
    pub fn new(problem: Problem, message: impl Into<String>) -> Self {
        Self { problem, message: message.into(), fields: Fields::new() }
    }

    /// The page asked for something that this kind of channel does not know.
    pub fn protocol_error(message: impl Into<String>) -> Self {
        Self::new(Problem::ProtocolError, message)
    }

    /// The problem that the kernel's answer to an act on `subject` is.
    pub fn from_io(subject: &str, error: &std::io::Error) -> Self {
        use rustix::io::Errno;
        let problem = match Errno::from_io_error(error) {
            Some(Errno::NOENT) => Problem::NotFound,
            Some(Errno::ACCESS | Errno::PERM) => Problem::AccessDenied,
            Some(_) | None => Problem::InternalError,
        };
        Self::new(problem, format!("{subject}: {error}"))
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The fields of the `close` message.
    pub fn into_close(self) -> (Problem, Fields) {
        let mut fields = self.fields;
        if !self.message.is_empty() {
            fields
                .entry("message")
                .or_insert_with(|| self.message.into());
        }
        (self.problem, fields)
    }
}
