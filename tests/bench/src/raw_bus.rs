//! The system bus without a library: what a call costs when nothing stands between.
//!
//! Just enough of the D-Bus specification for calls without arguments, little-endian, one after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result, ensure};

/// A connection.
pub(crate) struct RawBus {
    stream: BufReader<UnixStream>,
    serial: u32,
}

const SOCKET: &str = "/run/dbus/system_bus_socket";

/// D-Bus specification, "Header Fields".
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const DESTINATION: u8 = 6;

impl RawBus {
    /// Connects and says hello.
    pub(crate) fn connect() -> Result<Self> {
        let stream = UnixStream::connect(SOCKET).context("connect to the system bus")?;
        let mut bus = Self { stream: BufReader::with_capacity(64 << 10, stream), serial: 0 };
        let uid = rustix::process::getuid().as_raw().to_string();
        // Decimal digits in hexadecimal, as the handshake wants them: `3` and the digit.
        let uid: String = uid.chars().flat_map(|digit| ['3', digit]).collect();
        bus.stream
            .get_mut()
            .write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let mut line = String::new();
        bus.stream.read_line(&mut line)?;
        ensure!(line.starts_with("OK"), "the bus says {line:?}");
        bus.stream.get_mut().write_all(b"BEGIN\r\n")?;
        let name = "org.freedesktop.DBus";
        bus.call(name, "/org/freedesktop/DBus", name, "Hello")?;
        bus.reply()?;
        Ok(bus)
    }

    /// Sends a call.
    pub(crate) fn call(
        &mut self,
        name: &str,
        path: &str,
        interface: &str,
        member: &str,
    ) -> Result<()> {
        self.serial += 1;
        let mut fields = Vec::new();
        for (field, kind, value) in [
            (PATH, b'o', path),
            (DESTINATION, b's', name),
            (INTERFACE, b's', interface),
            (MEMBER, b's', member),
        ] {
            fields.resize(fields.len().next_multiple_of(8), 0);
            fields.extend_from_slice(&[field, 1, kind, 0]);
            fields.extend_from_slice(&u32::try_from(value.len())?.to_le_bytes());
            fields.extend_from_slice(value.as_bytes());
            fields.push(0);
        }
        // Method call, no flags, version 1, no body.
        let mut message = vec![b'l', 1, 0, 1, 0, 0, 0, 0];
        message.extend_from_slice(&self.serial.to_le_bytes());
        message.extend_from_slice(&u32::try_from(fields.len())?.to_le_bytes());
        message.extend_from_slice(&fields);
        message.resize(message.len().next_multiple_of(8), 0);
        Ok(self.stream.get_mut().write_all(&message)?)
    }

    /// Waits for the answer to a call; signals are passed over.
    pub(crate) fn reply(&mut self) -> Result<()> {
        loop {
            let mut head = [0; 16];
            self.stream.read_exact(&mut head)?;
            let number = |at: usize| {
                let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                bytes.map_or(0, u32::from_le_bytes) as usize
            };
            let rest = (16 + number(12)).next_multiple_of(8) - 16 + number(4);
            let mut body = vec![0; rest];
            self.stream.read_exact(&mut body)?;
            match head.get(1) {
                Some(2) => return Ok(()),
                Some(3) => anyhow::bail!("the bus answers with an error"),
                Some(_) | None => {}
            }
        }
    }
}
