//! A program on a terminal of its own.

use std::os::fd::AsFd as _;
use std::pin::pin;
use std::time::Duration;

use protocol::json::Fields;
use rustix::termios::Winsize;
use serde::Deserialize as _;

use super::program::{exit_fields, process_id, program};
use super::{Options, Window, send_all, write_all};
use crate::channel::Closed;
use crate::idle::Terminal;
use crate::port::Port;
use crate::process::terminal_error;

/// The size of a terminal that the page gives none.
const DEFAULT_WINDOW: Window = Window { rows: 24, cols: 80 };

/// How long the last output is waited for when the program has ended but others still hold its terminal.
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// Runs the program of `options` until it has ended and the terminal is drained.
pub(super) async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
    let window = options.window.unwrap_or(DEFAULT_WINDOW);
    let (name, mut program) = program(options)?;
    if !program
        .environment
        .iter()
        .any(|(variable, _)| variable == "TERM")
    {
        program
            .environment
            .push(("TERM".into(), "xterm-256color".into()));
    }
    let failed = |error| Closed::from_io(&name, &terminal_error(error));
    let (terminal, line) = pty_process::open().map_err(failed)?;
    let control = terminal.as_fd().try_clone_to_owned();
    let control = control.map_err(|error| Closed::from_io(&name, &error))?;
    let sized = rustix::termios::tcsetwinsize(&control, size(window));
    sized.map_err(|error| Closed::from_io(&name, &error.into()))?;
    let started = program.spawn_on_terminal(line);
    let mut process = started.map_err(|error| Closed::from_io(&name, &error))?;
    port.ready(process_id(&process));
    let Port { mut receiver, mut sender, bridge } = port;
    let terminal_here = bridge
        .idle
        .watch_terminal(Terminal { control, leader: process.pid() });

    let (mut output, input) = terminal.into_split();
    let ended = {
        let mut sending = pin!(send_all(&mut output, &mut sender));
        let feeding = write_all(input, &mut receiver, |changed| {
            if let Some(Ok(window)) = changed.get("window").map(Window::deserialize) {
                let _the_terminal_may_be_gone =
                    rustix::termios::tcsetwinsize(&terminal_here.control, size(window));
            }
        });
        tokio::select! {
            () = &mut sending => process.wait().await,
            ended = process.wait() => {
                let _others_may_hold_it = tokio::time::timeout(DRAIN_TIME, sending).await;
                ended
            }
            never = feeding => match never {},
        }
    };
    sender.done();
    Ok(exit_fields(ended.map_err(|error| Closed::from_io(&name, &error))?))
}

fn size(window: Window) -> Winsize {
    Winsize { ws_row: window.rows, ws_col: window.cols, ws_xpixel: 0, ws_ypixel: 0 }
}
