//! A program with pipes, and what programs on pipes and on terminals have in common.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};

use protocol::json::Fields;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;

use super::{Options, StandardError, send_all, write_all};
use crate::channel::Closed;
use crate::port::Port;
use crate::process::{Process, Program, Streams};

/// Bytes of standard error that are kept for `close`; the rest is read and dropped.
const MESSAGE_BYTES: usize = 64 << 10;

/// Runs the program of `options` until it has ended and all its output was sent.
pub(super) async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
    let kind_of_error = options.err;
    let (name, program) = program(options)?;
    let (mut process, mut output) =
        start(program, kind_of_error).map_err(|error| Closed::from_io(&name, &error))?;
    port.ready(process_id(&process));
    let Port { mut receiver, mut sender, .. } = port;

    let input = process.take_input();
    let error = process.take_error();
    let running = async {
        let ((), message) = tokio::join!(send_all(&mut output, &mut sender), read_message(error));
        (process.wait().await, message)
    };
    let feeding = async {
        match input {
            Some(input) => write_all(input, &mut receiver, |_| {}).await,
            None => std::future::pending().await,
        }
    };
    let (ended, message) = tokio::select! {
        ended = running => ended,
        never = feeding => match never {},
    };
    sender.done();
    let mut fields = exit_fields(ended.map_err(|error| Closed::from_io(&name, &error))?);
    if !message.is_empty() {
        fields.insert("message".to_owned(), message.into());
    }
    Ok(fields)
}

/// The program that `options` ask for, and its name for messages.
pub(super) fn program(options: Options) -> Result<(String, Program), Closed> {
    let argv = options.spawn.unwrap_or_default();
    let name = argv.first().cloned().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Closed::protocol_error("spawn names no program"))?;
    if argv
        .iter()
        .chain(&options.environ)
        .any(|text| text.contains('\0'))
    {
        return Err(Closed::protocol_error("spawn or environ contains a NUL character"));
    }
    let mut program = Program::new(argv);
    program.directory = options.directory.map(Into::into);
    for variable in options.environ {
        let Some((variable, value)) = variable.split_once('=') else {
            let message = format!("environ holds {variable:?}, which is not NAME=value");
            return Err(Closed::protocol_error(message));
        };
        program.environment.push((variable.into(), value.into()));
    }
    Ok((name, program))
}

/// What `ready` says of a process.
pub(super) fn process_id(process: &Process) -> Fields {
    let mut fields = Fields::new();
    if let Some(pid) = process.id() {
        fields.insert("pid".to_owned(), pid.into());
    }
    fields
}

/// What `close` says of how a process ended.
pub(super) fn exit_fields(ended: ExitStatus) -> Fields {
    let mut fields = Fields::new();
    if let Some(status) = ended.code() {
        fields.insert("exit-status".to_owned(), status.into());
    }
    if let Some(signal) = ended.signal() {
        fields.insert("exit-signal".to_owned(), signal_name(signal).into());
    }
    fields
}

type Output = Pin<Box<dyn AsyncRead + Send>>;

fn start(program: Program, error: StandardError) -> io::Result<(Process, Output)> {
    let mut streams =
        Streams { input: Stdio::piped(), output: Stdio::piped(), error: Stdio::piped() };
    match error {
        StandardError::Message => {}
        StandardError::Ignore => streams.error = Stdio::null(),
        StandardError::Out => {
            let (reader, writer) = io::pipe()?;
            streams.error = writer.try_clone()?.into();
            streams.output = writer.into();
            let output = pipe::Receiver::from_owned_fd(reader.into())?;
            return Ok((program.spawn(streams)?, Box::pin(output)));
        }
    }
    let mut process = program.spawn(streams)?;
    let output: Output = match process.take_output() {
        Some(output) => Box::pin(output),
        None => Box::pin(tokio::io::empty()),
    };
    Ok((process, output))
}

/// The beginning of what a program said on standard error, when that is read at all.
async fn read_message(error: Option<tokio::process::ChildStderr>) -> String {
    let mut message = Vec::new();
    if let Some(mut error) = error {
        let mut block = [0; 4096];
        while let Ok(read @ 1..) = error.read(&mut block).await {
            let room = MESSAGE_BYTES - message.len();
            message.extend_from_slice(block.get(..read.min(room)).unwrap_or_default());
        }
    }
    String::from_utf8_lossy(&message).trim_end().to_owned()
}

/// The name of a signal as `kill -l` prints it; its number when it has none.
fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal - 1)
        .ok()
        .and_then(|at| NAMES.get(at));
    name.map_or_else(|| signal.to_string(), |name| (*name).to_owned())
}
