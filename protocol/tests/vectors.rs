//! The byte vectors that every implementation in this tree reads: `tests/vectors`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use protocol::control::{Control, ControlError};
use protocol::frame::{Frame, FrameDecoder, FrameError};
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors")
        .join(file);
    let text = std::fs::read(path).expect("a file of vectors");
    serde_json::from_slice(&text).expect("an array of vectors")
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex"))
        .collect()
}

/// The bytes of `member`, and the run that follows them.
fn bytes(vector: &Value, member: &str, repeat: &str) -> Vec<u8> {
    let mut bytes = unhex(text(vector, member));
    if let Some(run) = vector.get(repeat) {
        let byte = unhex(text(run, "byte"));
        let count = run.get("count").and_then(Value::as_u64).expect("a count");
        for _ in 0..count {
            bytes.extend_from_slice(&byte);
        }
    }
    bytes
}

fn parts(frame: Frame) -> (String, Bytes) {
    match frame {
        Frame::Control(message) => (String::new(), message),
        Frame::Data(channel, payload) => (channel.to_string(), payload),
    }
}

fn frame_error(error: &FrameError) -> &'static str {
    match error {
        FrameError::BadLength => "bad-length",
        FrameError::TooLong(_) => "too-long",
        FrameError::ControlTooLong(_) => "control-too-long",
        FrameError::NoChannel => "no-channel",
        FrameError::BadChannel(_) => "bad-channel",
    }
}

#[test]
fn streams_decode_alike_in_one_piece_and_in_small_ones() {
    for vector in vectors("frames-stream.json") {
        let stream = bytes(&vector, "input", "repeat");
        let expect = vector.get("expect").expect("what is expected");
        for piece in [stream.len().max(1), (stream.len() / 40).max(1)] {
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            let mut refused = None;
            'stream: for piece in stream.chunks(piece) {
                decoder.feed(piece);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => seen.push(parts(frame)),
                        Ok(None) => break,
                        Err(error) => {
                            refused = Some(frame_error(&error));
                            break 'stream;
                        }
                    }
                }
            }
            let expected: Vec<(String, Bytes)> = expect
                .get("frames")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|frame| {
                    (
                        text(frame, "channel").to_owned(),
                        bytes(frame, "payload", "payload_repeat").into(),
                    )
                })
                .collect();
            assert_eq!(seen, expected, "{}", text(&vector, "name"));
            assert_eq!(
                refused,
                expect.get("error").and_then(Value::as_str),
                "{}",
                text(&vector, "name")
            );
        }
    }
}

#[test]
fn messages_of_a_websocket_are_frames_without_a_length() {
    for vector in vectors("frames-websocket.json") {
        let expect = vector.get("expect").expect("what is expected");
        // Which kind of message carries control messages is the relay's to check.
        if text(expect, "error") == "control-not-text" {
            continue;
        }
        let parsed = Frame::parse(bytes(&vector, "input", "repeat").into());
        let name = text(&vector, "name");
        if let Some(error) = expect.get("error").and_then(Value::as_str) {
            assert_eq!(parsed.as_ref().map_err(frame_error), Err(error), "{name}");
            continue;
        }
        let (channel, payload) = parts(parsed.unwrap());
        assert_eq!(channel, text(expect, "channel"), "{name}");
        assert!(payload == bytes(expect, "payload", "payload_repeat"), "{name}");
    }
}

#[test]
fn control_messages_are_read_or_refused_alike() {
    for vector in vectors("control.json") {
        let name = text(&vector, "name");
        let expect = vector.get("expect").expect("what is expected");
        let parsed = Control::parse(&bytes(&vector, "input", "repeat"));
        match (parsed, expect.get("error").and_then(Value::as_str)) {
            (Ok(control), None) => {
                let channel = control.channel().map(protocol::names::ChannelId::as_str);
                assert_eq!(channel, expect.get("channel").and_then(Value::as_str), "{name}");
                let read_again = Control::parse(&control.to_bytes()).expect(name);
                assert_eq!(read_again, control, "{name}");
            }
            (Err(refused), Some(error)) => {
                let (kind, member) = match refused {
                    ControlError::Json(_) => ("json", None),
                    ControlError::Missing(member) => ("missing", Some(member)),
                    ControlError::BadMember(member) => ("bad-member", Some(member)),
                    ControlError::Channel(_) => ("bad-channel", None),
                };
                assert_eq!(kind, error, "{name}");
                if let Some(member) = member {
                    assert_eq!(member, text(expect, "member"), "{name}");
                }
            }
            (parsed, expected) => panic!("{name}: {parsed:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn base64_is_strict_in_both_directions() {
    for vector in vectors("base64.json") {
        let decoded = STANDARD.decode(text(&vector, "base64"));
        if vector.get("error").is_some() {
            assert!(decoded.is_err(), "{}", text(&vector, "name"));
        } else {
            let bytes = unhex(text(&vector, "bytes"));
            assert_eq!(
                STANDARD.encode(&bytes),
                text(&vector, "base64"),
                "{}",
                text(&vector, "name")
            );
            assert_eq!(decoded, Ok(bytes), "{}", text(&vector, "name"));
        }
    }
}
