//! The floor's bridge: `echo`, one program, one file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use crate::link::{Link, put};
use crate::program::program;

/// A running program and what waits for it.
struct Fed {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    waiting: Vec<u8>,
}

/// Speaks on standard input until it ends.
pub(crate) fn run() -> Result<()> {
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut link = Link::new(UnixStream::from(socket))?;
    control(&json!({ "command": "init", "version": 1 }), &mut link);
    let mut programs: HashMap<String, Fed> = HashMap::new();
    let mut block = vec![0; 64 << 10];
    loop {
        link.send()?;
        while let Some(frame) = link.next()? {
            let newline = frame
                .iter()
                .position(|&byte| byte == b'\n')
                .context("a channel")?;
            let (id, payload) = (frame.get(..newline), frame.get(newline + 1..));
            let id = std::str::from_utf8(id.unwrap_or_default())?;
            let payload = payload.unwrap_or_default();
            if id.is_empty() {
                let message: Value = serde_json::from_slice(payload)?;
                command(&message, &mut link, &mut programs)?;
            } else if let Some(fed) = programs.get_mut(id) {
                fed.waiting.extend_from_slice(payload);
            } else {
                put(&frame, &mut link.outgoing);
            }
        }
        link.send()?;
        if link.is_closed() {
            return Ok(());
        }
        let flags =
            if link.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut descriptors = vec![PollFd::from_borrowed_fd(link.as_fd(), flags)];
        let room = link.outgoing.len() < 512 << 10;
        for fed in programs.values() {
            let flags = if room { PollFlags::IN } else { PollFlags::empty() };
            descriptors.push(PollFd::new(&fed.output, flags));
            if let Some(input) = fed.input.as_ref().filter(|_| !fed.waiting.is_empty()) {
                descriptors.push(PollFd::new(input, PollFlags::OUT));
            }
        }
        poll(&mut descriptors, None)?;
        let ready: Vec<_> = descriptors
            .iter()
            .map(|found| !found.revents().is_empty())
            .collect();
        let mut ready = ready.into_iter();
        link.readable = ready.next().unwrap_or_default();
        let mut ended = Vec::new();
        for (id, fed) in &mut programs {
            let readable = ready.next().unwrap_or_default();
            let has_writable = fed.input.is_some() && !fed.waiting.is_empty();
            let writable = has_writable && ready.next().unwrap_or_default();
            if writable && let Some(input) = &mut fed.input {
                // A pipe that can be written takes a page.
                let part = fed
                    .waiting
                    .get(..fed.waiting.len().min(64 << 10))
                    .unwrap_or_default();
                if let Ok(count) = input.write(part) {
                    fed.waiting.drain(..count);
                }
            }
            if readable {
                match fed.output.read(&mut block)? {
                    0 => ended.push(id.clone()),
                    count => {
                        let mut frame = format!("{id}\n").into_bytes();
                        frame.extend_from_slice(block.get(..count).unwrap_or_default());
                        put(&frame, &mut link.outgoing);
                    }
                }
            }
        }
        for id in ended {
            if let Some(mut fed) = programs.remove(&id) {
                fed.child.wait()?;
                control(&json!({ "command": "close", "channel": id }), &mut link);
            }
        }
    }
}

fn command(message: &Value, link: &mut Link, programs: &mut HashMap<String, Fed>) -> Result<()> {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let id = text("channel").unwrap_or_default();
    match (text("command"), text("payload")) {
        (Some("open"), Some("stream")) => {
            let argv: Vec<String> =
                serde_json::from_value(message.get("spawn").cloned().unwrap_or_default())?;
            let (name, arguments) = argv.split_first().context("a program")?;
            let mut child = program(name, arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let input = child.stdin.take();
            if let Some(input) = &input {
                rustix::io::ioctl_fionbio(input, true)?;
            }
            let output = child.stdout.take().context("a pipe")?;
            programs.insert(id.to_owned(), Fed { child, input, output, waiting: Vec::new() });
            control(&json!({ "command": "ready", "channel": id }), link);
        }
        (Some("open"), Some("fsread1")) => {
            control(&json!({ "command": "ready", "channel": id }), link);
            let mut file = File::open(text("path").unwrap_or_default())?;
            let mut block = vec![0; 64 << 10];
            while let count @ 1.. = file.read(&mut block)? {
                let mut frame = format!("{id}\n").into_bytes();
                frame.extend_from_slice(block.get(..count).unwrap_or_default());
                put(&frame, &mut link.outgoing);
                link.send()?;
                while link.outgoing.len() > 256 << 10 {
                    poll(&mut [PollFd::from_borrowed_fd(link.as_fd(), PollFlags::OUT)], None)?;
                    link.send()?;
                }
            }
            control(&json!({ "command": "close", "channel": id }), link);
        }
        (Some("open"), _) => control(&json!({ "command": "ready", "channel": id }), link),
        (Some("close"), _) => {
            if let Some(mut fed) = programs.remove(id) {
                drop(fed.input.take());
                drop(fed.output);
                fed.child.wait()?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn control(message: &Value, link: &mut Link) {
    put(format!("\n{message}").as_bytes(), &mut link.outgoing);
}
