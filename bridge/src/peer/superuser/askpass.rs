//! The askpass program: what sudo runs to ask its user something, and the bridge's end of it.
//!
//! sudo starts `SUDO_ASKPASS` with the question as its only argument, closes all descriptors but the first three, and
//! reads the answer from its standard output. Standard error is the socket to the bridge that started sudo, so that is
//! where the question goes, together with a descriptor on which the answer comes back: nobody else can read it there,
//! and what sudo itself writes to standard error is told apart by having no descriptor with it.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use zeroize::Zeroizing;

/// Set for sudo by the bridge: this program may be its askpass.
pub const VARIABLE: &str = "PILOTHOUSE_ASKPASS";

/// Longest question in bytes; what is longer is cut.
pub const MAX_QUESTION: u64 = 4 << 10;

/// Longest answer in bytes.
const MAX_ANSWER: u64 = 4 << 10;

/// Asks and answers when sudo has started this program to do so.
pub fn started_as_askpass() -> Option<ExitCode> {
    std::env::var_os(VARIABLE)?;
    let mut arguments = std::env::args_os().skip(1);
    let (question, None) = (arguments.next()?, arguments.next()) else { return None };
    let question = question.to_string_lossy().into_owned();
    // The privileged bridge itself has arguments of its own, in case sudo was told to keep the variable.
    if question == "bridge" || question.starts_with("--") {
        return None;
    }
    Some(match answer(&question) {
        Ok(answer) if !answer.is_empty() => {
            let mut output = io::stdout();
            let written = output
                .write_all(&answer)
                .and_then(|()| output.write_all(b"\n"));
            if written.and_then(|()| output.flush()).is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        // sudo takes the exit status for "the user gave up".
        Ok(_) | Err(_) => ExitCode::FAILURE,
    })
}

/// Sends the question over standard error and waits for the answer; an empty one gives up.
fn answer(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let descriptors = [theirs.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [IoSlice::new(b"?")];
    rustix::net::sendmsg(rustix::stdio::stderr(), &byte, &mut ancillary, SendFlags::NOSIGNAL)?;
    drop(theirs);
    ours.write_all(question.as_bytes())?;
    ours.shutdown(Shutdown::Write)?;
    let mut answer =
        Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_ANSWER).unwrap_or_default()));
    ours.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

/// What came over the socket that is sudo's standard error.
#[derive(Debug)]
pub enum Received {
    /// A question: its text can be read from the descriptor, and the answer be written to it. Before it came what
    /// was said until then; the kernel hands over both at once.
    Question(Vec<u8>, OwnedFd),
    /// What sudo, or a program that it started, said.
    Text(Vec<u8>),
    /// All who held the other end are gone.
    End,
}

/// Takes what has come; `WouldBlock` when nothing has.
///
/// # Errors
///
/// The kernel's.
pub fn receive(socket: impl AsFd) -> io::Result<Received> {
    let mut text = [0; 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(&mut text)];
    let message =
        rustix::net::recvmsg(socket, &mut buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = ancillary.drain().find_map(|message| {
        let RecvAncillaryMessage::ScmRights(mut descriptors) = message else { return None };
        descriptors.next()
    });
    let text = text.get(..message.bytes).unwrap_or_default();
    match (descriptor, text) {
        // The descriptor's own byte is the last: the kernel reads no further in one call.
        (Some(descriptor), [said @ .., _]) => Ok(Received::Question(said.to_vec(), descriptor)),
        (Some(_) | None, []) => Ok(Received::End),
        (None, text) => Ok(Received::Text(text.to_vec())),
    }
}

#[test]
fn what_was_said_before_a_question_is_not_lost() {
    let (bridge, sudo) = UnixStream::pair().unwrap();
    let (descriptor, _) = UnixStream::pair().unwrap();
    (&sudo).write_all(b"Sorry, try again.\n").unwrap();
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(&sudo, &[IoSlice::new(b"?")], &mut ancillary, SendFlags::empty()).unwrap();
    (&sudo).write_all(b"more").unwrap();
    drop(sudo);

    let mut said = Vec::new();
    let mut questions = 0;
    loop {
        match receive(&bridge).unwrap() {
            Received::Question(text, _) => {
                assert_eq!(said.len() + text.len(), b"Sorry, try again.\n".len());
                said.extend(text);
                questions += 1;
            }
            Received::Text(text) => said.extend(text),
            Received::End => break,
        }
    }

    assert_eq!((said.as_slice(), questions), (b"Sorry, try again.\nmore".as_slice(), 1));
}
