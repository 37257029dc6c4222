//! HTTP requests, several on one connection if need be.

use anyhow::{Context as _, Result};

use crate::wire::{Wait, Wire};

/// An answer.
pub(crate) struct Answer {
    /// `200`.
    pub(crate) status: u16,
    head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Bytes of head and body as they came.
    pub(crate) bytes: usize,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends `GET path` with `headers` (whole lines with their ends) and waits for the answer.
pub(crate) fn get(wire: &mut Wire, host: &str, path: &str, headers: &str) -> Result<Answer> {
    ask(wire, host, path, headers)?;
    loop {
        if let Some(answer) = answer(wire)? {
            return Ok(answer);
        }
        wire.turn(Wait::Yes)?;
    }
}

/// Sends `GET path` and reads nothing.
pub(crate) fn ask(wire: &mut Wire, host: &str, path: &str, headers: &str) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    wire.write(request.as_bytes())?;
    wire.send()
}

/// Takes a whole answer, if one has come.
pub(crate) fn answer(wire: &mut Wire) -> Result<Option<Answer>> {
    let received = wire.received();
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(received.get(..end).unwrap_or_default()).into_owned();
    let body = received.get(end + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    let status = status.parse().context("a status line")?;
    let mut answer = Answer { status, head, body: Vec::new(), bytes: 0 };
    let chunked = answer.header("transfer-encoding").is_some();
    let length = if status == 101 {
        0
    } else if chunked {
        match chunks(body, &mut answer.body)? {
            Some(length) => length,
            None => return Ok(None),
        }
    } else {
        answer
            .header("content-length")
            .unwrap_or("0")
            .parse()
            .context("content-length")?
    };
    if !chunked {
        match body.get(..length) {
            Some(body) => answer.body = body.to_vec(),
            None => return Ok(None),
        }
    }
    answer.bytes = end + 4 + length;
    wire.take(answer.bytes);
    Ok(Some(answer))
}

/// Takes a chunked body apart; its length on the wire once it is whole.
fn chunks(mut bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>> {
    let whole = bytes.len();
    loop {
        let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let size = String::from_utf8_lossy(bytes.get(..line).unwrap_or_default());
        let size = usize::from_str_radix(size.trim(), 16).context("a chunk's length")?;
        let Some(chunk) = bytes.get(line + 2..line + 2 + size) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        let Some(rest) = bytes.get(line + 2 + size + 2..) else {
            return Ok(None);
        };
        bytes = rest;
        if size == 0 {
            return Ok(Some(whole - bytes.len()));
        }
    }
}
