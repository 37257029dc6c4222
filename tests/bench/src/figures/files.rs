//! Files: reading a large one, naming many.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Bench, mebibytes, milliseconds};
use crate::page::{Incoming, Page};
use crate::subject::{Kind, Subject};

/// Bytes of the large file.
const LARGE: usize = 256 << 20;

/// Files in the folder.
const FILES: usize = 10_000;

/// Memory is looked at each time so many bytes have come.
const LOOK: usize = 16 << 20;

fn large_file(bench: &Bench) -> Result<PathBuf> {
    let path = bench.scratch.join("large");
    if !path.exists() {
        fs::write(&path, vec![b'x'; LARGE])?;
    }
    Ok(path)
}

fn folder(bench: &Bench) -> Result<PathBuf> {
    let path = bench.scratch.join("many");
    if !path.exists() {
        fs::create_dir(&path)?;
        for number in 0..FILES {
            fs::write(path.join(format!("file-{number:05}")), b"x")?;
        }
    }
    Ok(path)
}

/// The C bridge of 287 ends without flow control at 16 MiB, unless it is told otherwise; the limit is the file's size.
fn read_options(path: &Path) -> serde_json::Value {
    json!({ "payload": "fsread1", "path": path, "binary": "raw", "max_read_size": LARGE })
}

/// MiB a second.
pub(crate) fn read(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    let path = large_file(bench)?;
    let mut page = Page::open(&subject.visitor()?)?;
    let start = Instant::now();
    page.channel(read_options(&path))?;
    let bytes = page.until_closed()?;
    ensure!(bytes == LARGE, "{bytes} bytes came");
    Ok(Some(mebibytes(LARGE as u64) / start.elapsed().as_secs_f64()))
}

/// How much more memory all processes have at most, in MiB.
pub(crate) fn memory(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    if subject.kind == Kind::Floor {
        return Ok(None);
    }
    let path = large_file(bench)?;
    let mut page = Page::open(&subject.visitor()?)?;
    let processes = subject.processes.clone();
    let before = processes.memory()?.proportional;
    let mut most = before;
    let mut bytes = 0;
    page.channel(read_options(&path))?;
    page.each(|incoming| {
        match incoming {
            Incoming::Data(data) => {
                let looked = bytes / LOOK;
                bytes += data.len();
                if bytes / LOOK > looked {
                    most = most.max(processes.memory()?.proportional);
                }
            }
            Incoming::Control(message) if message.get("command") == Some(&json!("close")) => {
                return Ok(Some(()));
            }
            Incoming::Control(_) => {}
        }
        Ok(None)
    })?;
    ensure!(bytes == LARGE, "{bytes} bytes came");
    Ok(Some(mebibytes(most - before)))
}

/// Names.
pub(crate) fn list(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    let path = folder(bench)?;
    let start = Instant::now();
    if subject.kind == Kind::Floor {
        ensure!(fs::read_dir(path)?.count() == FILES, "files are missing");
        return Ok(Some(milliseconds(start)));
    }
    let mut page = Page::open(&subject.visitor()?)?;
    let start = Instant::now();
    page.channel(json!({ "payload": "fslist1", "path": path, "watch": false }))?;
    page.until_closed()?;
    Ok(Some(milliseconds(start)))
}

/// Names with what a file browser shows.
pub(crate) fn info(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    let path = folder(bench)?;
    let start = Instant::now();
    if subject.kind == Kind::Floor {
        for entry in fs::read_dir(path)? {
            entry?.metadata()?;
        }
        return Ok(Some(milliseconds(start)));
    }
    let mut page = Page::open(&subject.visitor()?)?;
    let attributes = ["type", "mode", "size", "mtime", "user", "group", "entries"];
    let start = Instant::now();
    page.channel(json!({ "payload": "fsinfo", "path": path, "attrs": attributes }))?;
    page.until_closed()?;
    Ok(Some(milliseconds(start)))
}
