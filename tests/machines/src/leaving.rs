//! Taking machines away, beside whatever the test does next.
//!
//! A dropped machine is killed at once; what takes longer (its processes' end, its mount, its files) happens in a
//! thread, so that ten machines go in the time of a few. The lab waits for all of these threads before it goes
//! itself, and before a name is given to another machine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::process::Pid;

use crate::cache::remove_tree;
use crate::enclosure::inside;
use crate::power::Power;

/// Names of a lab's machines, those that are leaving included.
pub(crate) type Names = Arc<Mutex<BTreeSet<String>>>;

/// Machines of one lab that are leaving.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The lab goes too: then the kernel takes mounts and links away.
    lab_goes: Arc<AtomicBool>,
}

/// What has to be done when a machine goes.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) power: Arc<Power>,
    pub(crate) enclosure: Pid,
    /// Takes mounts and links away.
    pub(crate) script: String,
    pub(crate) trees: [PathBuf; 2],
    pub(crate) name: String,
    pub(crate) names: Names,
}

impl Exit {
    /// Lets a machine that has been killed go.
    pub(crate) fn let_go(&self, leaving: Leaving) {
        let lab_goes = Arc::clone(&self.lab_goes);
        let thread = std::thread::spawn(move || leaving.finish(&lab_goes));
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Waits until all are gone.
    pub(crate) fn wait(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            drop(thread.join());
        }
    }

    /// Waits until all are gone, with no more care for the lab's own mounts and links.
    pub(crate) fn wait_for_the_last_time(&self) {
        self.lab_goes.store(true, Ordering::Relaxed);
        self.wait();
    }
}

impl Leaving {
    fn finish(self, lab_goes: &AtomicBool) {
        self.power.cut();
        if !lab_goes.load(Ordering::Relaxed) {
            drop(
                inside(self.enclosure)
                    .args(["sh", "-s"])
                    .input(self.script)
                    .output(),
            );
        }
        for tree in &self.trees {
            drop(remove_tree(tree));
        }
        lock(&self.names).remove(&self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
