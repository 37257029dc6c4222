//! File work that may wait for a disk: done on another thread, so that the link never waits for it.
//!
//! Callers: the file channels and `packages`. Each call costs some microseconds, so work is handed over in big steps.

use protocol::problem::Problem;

use crate::channel::Closed;

/// Does `work` on a thread that may wait.
///
/// When the channel is closed meanwhile the work is still ended, and its result is dropped there.
///
/// # Errors
///
/// Those of the work; `internal-error` when it panicked.
pub async fn away<T, W>(work: W) -> Result<T, Closed>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, Closed> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => Err(Closed::new(Problem::InternalError, failed.to_string())),
    }
}

/// The kernel's words for an error, without its number.
pub fn sentence(error: rustix::io::Errno) -> String {
    let sentence = std::io::Error::from(error).to_string();
    match sentence.rfind(" (os error ") {
        Some(end) => sentence.get(..end).unwrap_or_default().to_owned(),
        None => sentence,
    }
}

#[test]
fn a_sentence_has_no_number() {
    assert_eq!(sentence(rustix::io::Errno::NOENT), "No such file or directory");
}
