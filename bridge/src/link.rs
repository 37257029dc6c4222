//! A link: the ordered byte connection to the server, or to another bridge.
//!
//! Wraps what the other end handed over (a socket, a pair of pipes) and turns it into frames. Descriptors 0 and 1
//! are moved away first, so that no program that is started later can write into the link.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use protocol::frame::{Frame, FrameDecoder, FrameError};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{UnixStream, unix::pipe};

use crate::outbox::Outbox;

/// Bytes asked for with one read.
const READ_SIZE: usize = 64 << 10;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The kernel reports an error.
    #[error("link to the server broke: {0}")]
    Io(#[from] io::Error),
    /// The other end sent something that is no frame.
    #[error("link to the server carries no frames: {0}")]
    Frame(#[from] FrameError),
    /// The link ended within a frame.
    #[error("link to the server ended within a frame")]
    CutOff,
}

/// The reading side of a link, and its writing side until [`Link::outbox`] takes it.
pub struct Link {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    writer: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    decoder: FrameDecoder,
}

impl Link {
    /// The link on this process's standard input and output, which are then replaced.
    ///
    /// # Errors
    ///
    /// When the descriptors cannot be moved.
    pub fn from_stdio() -> io::Result<Self> {
        let (input, output) = take_stdio()?;
        if is_type(&input, FileType::Socket) && same_file(&input, &output) {
            return Self::from_socket(input.into());
        }
        let writer: Pin<Box<dyn AsyncWrite + Send>> = if is_type(&output, FileType::Fifo) {
            Box::pin(pipe::Sender::from_owned_fd(output)?)
        } else if is_type(&output, FileType::Socket) {
            Box::pin(nonblocking(output.into())?)
        } else {
            Box::pin(tokio::fs::File::from_std(output.into()))
        };
        let reader: Pin<Box<dyn AsyncRead + Send>> = if is_type(&input, FileType::Fifo) {
            Box::pin(pipe::Receiver::from_owned_fd(input)?)
        } else if is_type(&input, FileType::Socket) {
            Box::pin(nonblocking(input.into())?)
        } else {
            Box::pin(tokio::fs::File::from_std(input.into()))
        };
        Ok(Self { reader, writer: Some(writer), decoder: FrameDecoder::default() })
    }

    /// The link over one stream socket.
    ///
    /// # Errors
    ///
    /// When the socket cannot be watched.
    pub fn from_socket(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        let (reader, writer) = nonblocking(socket)?.into_split();
        Ok(Self::new(reader, writer))
    }

    /// The link over a reader and a writer.
    pub fn new(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self {
            reader: Box::pin(reader),
            writer: Some(Box::pin(writer)),
            decoder: FrameDecoder::default(),
        }
    }

    /// The outbox of this link and the task that empties it. Taken once; later ones lead nowhere.
    pub fn outbox(&mut self) -> (Outbox, impl Future<Output = ()> + Send + use<>) {
        let writer = self
            .writer
            .take()
            .unwrap_or_else(|| Box::pin(tokio::io::sink()));
        Outbox::new(writer)
    }

    /// Waits for more bytes; false at the end of the link.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when the link breaks, or ends within a frame.
    pub async fn receive(&mut self) -> Result<bool, LinkError> {
        let read = self.reader.read_buf(self.decoder.buffer(READ_SIZE)).await?;
        if read == 0 && !self.decoder.is_between_frames() {
            return Err(LinkError::CutOff);
        }
        Ok(read > 0)
    }

    /// The next frame of what was received; `None` when [`Link::receive`] must be called first.
    ///
    /// # Errors
    ///
    /// [`LinkError::Frame`], the other end's fault.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, LinkError> {
        Ok(self.decoder.next_frame()?)
    }
}

/// Moves descriptors 0 and 1 to others, and puts `/dev/null` and standard error in their place.
fn take_stdio() -> io::Result<(OwnedFd, OwnedFd)> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok((input, output))
}

fn nonblocking(socket: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

fn is_type(fd: &OwnedFd, kind: FileType) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
}

fn same_file(one: &OwnedFd, other: &OwnedFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => one.st_dev == other.st_dev && one.st_ino == other.st_ino,
        (Err(_), _) | (_, Err(_)) => false,
    }
}
