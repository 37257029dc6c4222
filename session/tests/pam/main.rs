//! Logins against the real libpam, with real accounts of a private copy of `/etc`, as root.
//!
//! Each test runs in a mount namespace of its own, which `unshare` makes before this program starts itself again in
//! it; the machine is not touched. A third start of the program is the helper under test. The arguments are those
//! that `cargo test` and `cargo nextest` give to a test program.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod attacks;
mod client;
mod conversation;
mod machine;
mod running;

use std::process::ExitCode;

/// A test, by the name that is printed.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("helper") => return client::be_the_helper(&arguments[1..]),
        Some("inside") => {
            machine::make_private();
            run_inside(&arguments[1]);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let wanted = |name: &str| {
        let mut filters = arguments
            .iter()
            .filter(|a| !a.starts_with("--") && *a != "terse")
            .peekable();
        filters.peek().is_none()
            || filters
                .any(|filter| if flag("--exact") { name == filter } else { name.contains(filter) })
    };
    let wanted: Vec<&str> = all()
        .map(|(name, _)| name)
        .filter(|name| wanted(name))
        .collect();
    if flag("--list") {
        for name in wanted.into_iter().filter(|_| !flag("--ignored")) {
            say(&format!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        say("these tests need root: they make accounts in a mount namespace of their own");
        return ExitCode::FAILURE;
    }
    let failed: Vec<_> = wanted
        .into_iter()
        .filter(|name| !machine::passes_inside(name))
        .collect();
    for name in &failed {
        say(&format!("FAILED {name}"));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all() -> impl Iterator<Item = Test> {
    [conversation::TESTS, running::TESTS, attacks::TESTS]
        .into_iter()
        .flatten()
        .copied()
}

fn run_inside(name: &str) {
    let (_, test) = all().find(|(known, _)| *known == name).unwrap();
    test();
}

#[expect(clippy::print_stdout, reason = "the list of tests is read from there")]
fn say(text: &str) {
    println!("{text}");
}

/// The named functions as a list of tests.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[$crate::Test] = &[$((stringify!($name), $name)),*];
    };
}
