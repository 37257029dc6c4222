//! The process that keeps the machines of the command up: `lab keep`.
//!
//! Started by the first `lab up`, ended when its last machine goes. It owns one lab, as a test does, so its end in
//! any way ends the machines. It answers on a socket that only root can open, one request a connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machines::{Error, Lab, Result, Running};

use super::client::{Client, failed_io};
use super::request::{Reply, Request};

struct Keeper {
    lab: Lab,
    socket: PathBuf,
    machines: Mutex<BTreeMap<String, Arc<Running>>>,
    /// Requests under way: the keeper does not end while there are any.
    busy: Mutex<usize>,
}

/// Keeps machines until the last one goes.
///
/// # Errors
///
/// If there can be no lab or no socket.
pub(crate) fn keep(client: &Client) -> Result<()> {
    let lab = Lab::start()?;
    let path = client.socket_path()?;
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).map_err(|source| failed_io("make", &path, source))?;
    // Whoever started this waits for the line.
    let mut stdout = std::io::stdout();
    drop(stdout.write_all(b"ready\n").and_then(|()| stdout.flush()));
    let keeper = Keeper { lab, socket: path, machines: Mutex::default(), busy: Mutex::new(0) };
    std::thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            if is_farewell(&stream) {
                break;
            }
            *lock(&keeper.busy) += 1;
            let keeper = &keeper;
            scope.spawn(move || keeper.attend(&stream));
        }
    });
    // An orderly end leaves nothing to read.
    drop(std::fs::remove_file(client.log_path()?));
    Ok(())
}

/// A connection by which the keeper wakes itself up to end: it comes from this process.
fn is_farewell(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.pid == rustix::process::getpid())
}

impl Keeper {
    fn attend(&self, mut stream: &UnixStream) {
        let mut line = String::new();
        let read = BufReader::new(stream).read_line(&mut line);
        if line.is_empty() {
            // Somebody only looked whether anybody is here.
            *lock(&self.busy) -= 1;
            return;
        }
        let reply = match serde_json::from_str(&line) {
            Ok(request) => self.answer(request).unwrap_or_else(|error| failed(&error)),
            Err(error) => Reply::Failed { message: format!("{read:?}: {error}"), code: 1 },
        };
        let mut text = serde_json::to_string(&reply).unwrap_or_default();
        text.push('\n');
        // The last machine's end is the keeper's: socket first, so that the next `lab up` starts another.
        let mut busy = lock(&self.busy);
        *busy -= 1;
        let ends = *busy == 0 && lock(&self.machines).is_empty();
        if ends {
            drop(UnixStream::connect(&self.socket));
            drop(std::fs::remove_file(&self.socket));
        }
        drop(stream.write_all(text.as_bytes()));
        if ends {
            // Closed by the end of this process: so the command returns when all is gone.
            drop(stream.try_clone().map(std::mem::forget));
        }
    }

    fn answer(&self, request: Request) -> Result<Reply> {
        match request {
            Request::Up(machine) => {
                let running = self.lab.machine(*machine)?;
                let name = running.name().to_owned();
                let address = running.address().to_string();
                lock(&self.machines).insert(name.clone(), Arc::new(running));
                Ok(Reply::Up { name, address })
            }
            Request::Down(name) => {
                let machine = lock(&self.machines).remove(&name);
                machine
                    .map(|_| Reply::Done(1))
                    .ok_or(Error::NoSuchMachine { name })
            }
            Request::DownAll => {
                let machines = std::mem::take(&mut *lock(&self.machines));
                Ok(Reply::Done(machines.len()))
            }
            Request::Fault(fault) => {
                let name = fault.machine().to_owned();
                let machine = lock(&self.machines).get(&name).cloned();
                let machine = machine.ok_or(Error::NoSuchMachine { name })?;
                fault.on(&machine)?;
                Ok(Reply::Done(1))
            }
        }
    }
}

fn failed(error: &Error) -> Reply {
    Reply::Failed { message: error.to_string(), code: error.exit_code() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
