//! Bytes of a link as frames: however the stream is cut, the same frames come out, and never more than came in.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use protocol::frame::{Frame, FrameDecoder, FrameError, encode_control, encode_data};

fn frames(parts: &[&[u8]]) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = FrameDecoder::default();
    let mut frames = Vec::new();
    for part in parts {
        decoder.feed(part);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    let (first, second) = stream.split_at(usize::from(cut).min(stream.len()));

    let whole = frames(&[stream]);
    assert_eq!(frames(&[first, second]), whole);

    let mut again = BytesMut::new();
    for frame in &whole.0 {
        match frame {
            Frame::Control(message) => encode_control(message, &mut again),
            Frame::Data(channel, payload) => encode_data(channel, payload, &mut again),
        }
    }
    assert!(stream.starts_with(&again), "what was read is what was sent");
});
