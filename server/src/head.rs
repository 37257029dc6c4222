//! Request heads, read strictly: what two parsers could read in two ways is refused before hyper sees it (T10).
//!
//! [`HeadScanner`] takes the bytes of one HTTP/1.1 connection in order and says whether they may pass. It owns no
//! socket, clock or task, keeps at most one head line, and cannot panic. Caller: [`gate`]. It never changes a byte
//! and never decides what a request means; hyper does that. Source: RFC 9112, sections 2.2, 3, 5 and 6; where the
//! RFC lets a server be lenient, this one is not.

pub(crate) mod gate;

/// Largest head in bytes: request line, header lines and the empty line.
pub(crate) const MOST_HEAD: usize = 16 << 10;

/// Longest request target in bytes.
pub(crate) const MOST_TARGET: usize = 8 << 10;

/// Most header lines in one head.
pub(crate) const MOST_HEADERS: usize = 100;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// RFC 9112, 2.2: a line ends with CR LF; a CR or LF alone is an attack.
    #[error("line ends with CR or LF alone")]
    BareLineEnd,
    /// RFC 9112, 5.2: obs-fold.
    #[error("header line continues the one before")]
    ObsoleteFold,
    /// RFC 9112, 5.1: no whitespace between name and colon.
    #[error("malformed header name")]
    HeaderName,
    /// RFC 9110, 5.5: NUL and other control characters.
    #[error("control character in a header value")]
    HeaderValue,
    /// RFC 9112, 3: `METHOD SP TARGET SP HTTP/1.x`, and the target begins with a slash.
    #[error("malformed request line")]
    RequestLine,
    /// RFC 9112, 6.1: no client of ours sends one, and two lengths are one too many.
    #[error("transfer coding in a request")]
    TransferEncoding,
    /// RFC 9112, 6.3: more than one, or not a plain number.
    #[error("doubled or malformed content length")]
    ContentLength,
    /// RFC 9112, 3.2: exactly one `Host`.
    #[error("no Host, or more than one")]
    Host,
    /// [`MOST_TARGET`]
    #[error("request target too long")]
    TargetTooLong,
    /// [`MOST_HEAD`] or [`MOST_HEADERS`]
    #[error("request head too large")]
    HeadTooLarge,
}

impl Refusal {
    /// Status code and reason phrase of the answer.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::TargetTooLong => "414 URI Too Long",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::BareLineEnd
            | Self::ObsoleteFold
            | Self::HeaderName
            | Self::HeaderValue
            | Self::RequestLine
            | Self::TransferEncoding
            | Self::ContentLength
            | Self::Host => "400 Bad Request",
        }
    }
}

/// Where in a request the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Before the first byte of a head.
    Between,
    /// In a head.
    Head,
    /// In a body, with so many bytes to go.
    Body(u64),
}

/// Reads the heads of one connection.
#[derive(Debug)]
pub(crate) struct HeadScanner {
    position: Position,
    /// The line so far, without its end.
    line: Vec<u8>,
    ended: LineEnd,
    head: Head,
}

/// Whether the last byte was the CR of a line's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    None,
    CarriageReturn,
}

/// What is known of the head so far.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    /// Lines with their end, the request line first.
    lines: usize,
    length: Option<u64>,
    hosts: usize,
    /// HTTP/1.0 needs no `Host`.
    version: Version,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Version {
    #[default]
    Http11,
    Http10,
}

impl Default for HeadScanner {
    fn default() -> Self {
        Self {
            position: Position::Between,
            line: Vec::new(),
            ended: LineEnd::None,
            head: Head::default(),
        }
    }
}

impl HeadScanner {
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Takes the next bytes of the connection, however they were cut.
    ///
    /// # Errors
    ///
    /// The client's: the connection must end, and none of these bytes may be parsed.
    pub(crate) fn scan(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            if let Position::Body(left) = self.position {
                let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (_, rest) = bytes.split_at(here);
                let left = left.saturating_sub(here as u64);
                self.position = if left == 0 { Position::Between } else { Position::Body(left) };
                bytes = rest;
            } else {
                self.position = Position::Head;
                bytes = self.head_bytes(bytes)?;
            }
        }
        Ok(())
    }

    /// Takes bytes up to the end of one line; returns the rest.
    fn head_bytes<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Refusal> {
        if self.ended == LineEnd::CarriageReturn {
            let (first, rest) = bytes.split_first().ok_or(Refusal::BareLineEnd)?;
            if *first != b'\n' {
                return Err(Refusal::BareLineEnd);
            }
            self.count(1)?;
            self.ended = LineEnd::None;
            self.end_line()?;
            return Ok(rest);
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.count(part.len())?;
        self.line.extend_from_slice(part);
        let Some((end, rest)) = rest.split_first() else {
            self.refuse_long_target()?;
            return Ok(rest);
        };
        if *end == b'\n' {
            return Err(Refusal::BareLineEnd);
        }
        self.count(1)?;
        self.ended = LineEnd::CarriageReturn;
        Ok(rest)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.head.bytes += bytes;
        if self.head.bytes > MOST_HEAD {
            return Err(if self.head.lines == 0 {
                Refusal::TargetTooLong
            } else {
                Refusal::HeadTooLarge
            });
        }
        Ok(())
    }

    /// A request line that does not end is cut off before the whole head's limit.
    fn refuse_long_target(&self) -> Result<(), Refusal> {
        let unfinished = self.head.lines == 0 && self.line.len() > MOST_TARGET + 64;
        if unfinished { Err(Refusal::TargetTooLong) } else { Ok(()) }
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        if self.line.is_empty() && self.head.lines > 0 {
            return self.end_head();
        }
        if self.head.lines == 0 {
            self.head.version = request_line(&self.line)?;
        } else {
            self.head.header_line(&self.line)?;
        }
        self.head.lines += 1;
        self.line.clear();
        if self.head.lines > MOST_HEADERS + 1 { Err(Refusal::HeadTooLarge) } else { Ok(()) }
    }

    fn end_head(&mut self) -> Result<(), Refusal> {
        let head = std::mem::take(&mut self.head);
        let hosts = match head.version {
            Version::Http11 => 1..=1,
            Version::Http10 => 0..=1,
        };
        if !hosts.contains(&head.hosts) {
            return Err(Refusal::Host);
        }
        self.position = match head.length {
            None | Some(0) => Position::Between,
            Some(length) => Position::Body(length),
        };
        Ok(())
    }
}

impl Head {
    fn header_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Refusal::ObsoleteFold);
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Refusal::HeaderName)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Refusal::HeaderName);
        }
        if !value.iter().copied().all(is_field_content) {
            return Err(Refusal::HeaderValue);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Refusal::TransferEncoding);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Refusal::ContentLength);
            }
            self.length = Some(content_length(value).ok_or(Refusal::ContentLength)?);
        }
        Ok(())
    }
}

fn request_line(line: &[u8]) -> Result<Version, Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::RequestLine);
    };
    let method_good =
        !method.is_empty() && method.len() <= 32 && method.iter().copied().all(is_token);
    if target.len() > MOST_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    // Origin-form only: an authority in the target would be a second Host.
    let target_good = target.first() == Some(&b'/') && target.iter().all(u8::is_ascii_graphic);
    if !method_good || !target_good {
        return Err(Refusal::RequestLine);
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Refusal::RequestLine),
    }
}

/// RFC 9110, 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// RFC 9110, 5.5: visible characters, space, tab and obs-text.
const fn is_field_content(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Digits only, spaces around them allowed; at most 2⁶³ so that no signed parser sees another number.
fn content_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = digits.then(|| text.parse::<u64>().ok()).flatten()?;
    i64::try_from(length).is_ok().then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(bytes: &[u8]) -> Result<Position, Refusal> {
        let mut scanner = HeadScanner::default();
        scanner.scan(bytes)?;
        Ok(scanner.position())
    }

    #[test]
    fn ordinary_requests_pass() {
        let get = b"GET /hosts?q=1 HTTP/1.1\r\nHost: admin1:9090\r\nAccept: */*\r\n\r\n";
        assert_eq!(scan(get), Ok(Position::Between));

        let post = b"POST /cockpit/login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
        assert_eq!(scan(post), Ok(Position::Body(3)));

        let pipelined = [&post[..], b"cde", &get[..]].concat();
        assert_eq!(scan(&pipelined), Ok(Position::Between));

        assert_eq!(scan(b"GET /ping HTTP/1.0\r\n\r\n"), Ok(Position::Between));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let with =
            |lines: &str| scan(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes());
        let cases = [
            (with("A: b\nC: d"), Refusal::BareLineEnd),
            (with("A: b\rC: d"), Refusal::BareLineEnd),
            (with("A: b\r\n c"), Refusal::ObsoleteFold),
            (with("A: b\r\n\tc"), Refusal::ObsoleteFold),
            (with("A : b"), Refusal::HeaderName),
            (with("A\tB: b"), Refusal::HeaderName),
            (with(": b"), Refusal::HeaderName),
            (with("no colon"), Refusal::HeaderName),
            (with("A: b\0c"), Refusal::HeaderValue),
            (with("A: b\x07c"), Refusal::HeaderValue),
            (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), Refusal::TransferEncoding),
            (with("transfer-encoding: identity"), Refusal::TransferEncoding),
            (with("Content-Length: 1\r\nContent-Length: 1"), Refusal::ContentLength),
            (with("Content-Length: 1, 1"), Refusal::ContentLength),
            (with("Content-Length: +1"), Refusal::ContentLength),
            (with("Content-Length: 0x1"), Refusal::ContentLength),
            (with("Content-Length:"), Refusal::ContentLength),
            (with("Content-Length: 18446744073709551616"), Refusal::ContentLength),
            (with("Host: b"), Refusal::Host),
            (scan(b"GET / HTTP/1.1\r\nA: b\r\n\r\n"), Refusal::Host),
            (scan(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Refusal::RequestLine),
            (scan(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Refusal::BareLineEnd),
            (scan(b"GET  / HTTP/1.1\r\n"), Refusal::RequestLine),
            (scan(b"GET / HTTP/2.0\r\n"), Refusal::RequestLine),
            (scan(b"GET /\r\n"), Refusal::RequestLine),
            (scan(b"GET http://evil/ HTTP/1.1\r\n"), Refusal::RequestLine),
            (scan(b"OPTIONS * HTTP/1.1\r\n"), Refusal::RequestLine),
            (scan(b"GET /\x80 HTTP/1.1\r\n"), Refusal::RequestLine),
            (scan(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Refusal::RequestLine),
        ];
        for (place, (found, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(found, Err(wanted), "case {place}");
        }
    }

    #[test]
    fn heads_have_a_size_a_count_and_a_target_limit() {
        let target =
            |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 1));
        assert!(scan(target(MOST_TARGET).as_bytes()).is_ok());
        assert_eq!(scan(target(MOST_TARGET + 1).as_bytes()), Err(Refusal::TargetTooLong));
        assert_eq!(scan(&[b'G'; MOST_TARGET + 65]), Err(Refusal::TargetTooLong));

        let headers = |count: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1))
        };
        assert!(scan(headers(MOST_HEADERS).as_bytes()).is_ok());
        assert_eq!(scan(headers(MOST_HEADERS + 1).as_bytes()), Err(Refusal::HeadTooLarge));

        let start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
        let sized = |len: usize| format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4));
        assert!(scan(sized(MOST_HEAD).as_bytes()).is_ok());
        assert_eq!(scan(sized(MOST_HEAD + 1).as_bytes()), Err(Refusal::HeadTooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_alike_however_they_are_cut(
            bytes in proptest::collection::vec(
                prop_oneof![
                    Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(b'/'), any::<u8>(),
                    proptest::sample::select(b"GET HTTP/1.1Host: Content-Length: 12".to_vec()),
                ],
                0..400,
            ),
            cut in 1_usize..7,
        ) {
            let whole = scan(&bytes);
            let mut scanner = HeadScanner::default();
            let parts = bytes.chunks(cut).try_for_each(|part| scanner.scan(part));

            prop_assert_eq!(whole, parts.map(|()| scanner.position()));
        }

        #[test]
        fn what_passes_is_read_by_hypers_parser_with_the_same_length(
            name in "[A-Za-z-]{1,12}", value in "[ -~\t]{0,20}", length in 0_u64..2_000,
        ) {
            let name = if name.eq_ignore_ascii_case("host") { "x".to_owned() } else { name };
            let head = format!("POST /p HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nContent-Length: {length}\r\n\r\n");

            if let Ok(position) = scan(head.as_bytes()) {
                let wanted = if length == 0 { Position::Between } else { Position::Body(length) };
                prop_assert_eq!(position, wanted);
            } else {
                prop_assert!(name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding"));
            }
        }
    }
}
