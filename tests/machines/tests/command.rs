//! The command `lab`: machines by hand, and what is left when their keeper is killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Finished, Identity, Program, Signal};

/// A set of machines of its own, with names that no other test has.
struct Own {
    set: String,
}

impl Own {
    fn new(test: &str) -> Self {
        Self { set: format!("{test}-{}", std::process::id()) }
    }

    fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.set)
    }

    fn lab(&self, arguments: &[&str]) -> Finished {
        Program::new(env!("CARGO_BIN_EXE_lab"))
            .args(["--set", &self.set])
            .args(arguments)
            .finish()
            .unwrap()
    }

    /// The output of a command that must go well.
    fn done(&self, arguments: &[&str]) -> String {
        let finished = self.lab(arguments);
        assert_eq!(finished.code, 0, "lab {arguments:?}: {}", finished.stderr);
        finished.stdout
    }

    /// This test's machines among all that are listed.
    fn list(&self) -> Vec<serde_json::Value> {
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&self.done(&["list", "--json"])).unwrap();
        let end = self.name("");
        all.into_iter()
            .filter(|machine| machine["name"].as_str().unwrap().ends_with(&end))
            .collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.lab(&["down", "--all"]);
    }
}

#[test]
fn a_machine_is_up_by_one_command_and_gone_by_another() {
    let own = Own::new("updown");
    let name = own.name("web");

    let up = own.done(&["up", "debian12", "--name", &name, "--user", "ada=secret", "--json"]);
    let up: serde_json::Value = serde_json::from_str(&up).unwrap();
    assert_eq!(up["name"], name);
    assert_eq!(own.done(&["shell", &name, "id", "-un", "ada"]), "ada\n");
    assert_eq!(own.list()[0]["address"], up["address"]);
    assert!(own.done(&["logs", &name]).contains("Startup finished"));

    own.done(&["down", &name]);
    assert_eq!(own.list().len(), 0);
    assert!(traces(&name).is_empty());
}

#[test]
fn three_commands_at_once_share_one_lab() {
    let own = Own::new("three");

    std::thread::scope(|scope| {
        for stem in ["one", "two", "three"] {
            let own = &own;
            scope.spawn(move || own.done(&["up", "debian12", "--name", &own.name(stem)]));
        }
    });

    let list = own.list();
    let labs: Vec<_> = list.iter().map(|machine| &machine["lab"]).collect();
    assert_eq!(labs.len(), 3);
    assert!(labs.iter().all(|lab| *lab == labs[0]), "{list:?}");
}

#[test]
fn faults_are_done_to_the_machine_that_was_named() {
    let own = Own::new("faults");
    let web = own.name("web");
    own.done(&["up", "debian12", "--name", &web, "--small-disk", "64"]);

    for command in [
        vec!["cut", &web],
        vec!["heal", &web],
        vec!["delay", &web, "--latency", "20", "--loss", "0.5"],
        vec!["heal", &web],
        vec!["reboot", &web],
        vec!["fill-disk", &web],
        vec!["fill-disk", &web, "--empty"],
        vec!["freeze", &web],
        vec!["thaw", &web],
        vec!["change-host-keys", &web],
        vec!["drop", &web, "tcp dport 22"],
        vec!["drop", &web],
        vec!["kill", &web, "sshd"],
        vec!["kill", &web],
        vec!["start", &web],
        vec!["stop", &web],
        vec!["start", &web],
    ] {
        own.done(&command);
    }

    assert_eq!(own.done(&["shell", &web, "cat", "/etc/hostname"]).trim(), web);
}

#[test]
fn pruning_leaves_what_a_machine_lies_on() {
    let own = Own::new("prune");
    let name = own.name("web");
    own.done(&["up", "debian12", "--name", &name]);
    let base = own.done(&["images", "debian12"]);
    let base = base.trim().strip_prefix("debian12 ").unwrap();
    let recipe = std::path::Path::new(base).with_extension("recipe");
    let last_use = recipe.metadata().unwrap().modified().unwrap();
    let long_ago = last_use - std::time::Duration::from_hours(4000 * 24);
    let recipe = std::fs::File::options().write(true).open(recipe).unwrap();
    recipe.set_modified(long_ago).unwrap();

    let pruned = own.done(&["prune", "--days", "3650"]);

    recipe.set_modified(last_use).unwrap();
    assert!(!pruned.contains("bookworm"), "{pruned}");
    assert!(
        own.done(&["shell", &name, "ls", "/usr/bin/env"])
            .contains("env")
    );
}

#[test]
fn images_are_made_before_they_are_needed() {
    let own = Own::new("images");

    let made = own.done(&["images", "debian12"]);

    let path = made.strip_prefix("debian12 ").unwrap().trim_end();
    assert!(
        std::path::Path::new(path)
            .join("usr/lib/systemd/systemd")
            .exists(),
        "{made}"
    );
}

#[test]
fn wrong_use_has_its_exit_code_and_says_what_is_wrong() {
    let own = Own::new("wrong");

    let nobody = own.lab(&["cut", "nobody"]);
    assert_eq!(
        (nobody.code, nobody.stderr.as_str()),
        (4, "lab: no machine nobody; `lab list` shows those that are up\n")
    );
    assert_eq!(own.lab(&["up", "debian12", "--user", "ada"]).code, 2);
    assert_eq!(own.lab(&["up", "debian12", "--package", "a;b"]).code, 2);
    assert_eq!(own.lab(&["up", "debian9"]).code, 2);
    assert_eq!(own.lab(&["shell", "nobody"]).code, 4);
}

#[test]
fn a_plain_user_is_told_what_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("lab");
    std::fs::copy(env!("CARGO_BIN_EXE_lab"), &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();

    let refused = Program::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["up", "debian12"])
        .finish()
        .unwrap();

    assert_eq!(refused.code, 3);
    assert!(
        refused
            .stderr
            .contains("need root: run the command as root (sudo -E"),
        "{refused:?}"
    );
}

/// Processes, control groups and files of the machine with this name, which no other test has.
fn traces(name: &str) -> Vec<String> {
    let found = Program::new("find")
        .args(["/sys/fs/cgroup", "/run/pilothouse-lab", "/var/cache/pilothouse-lab/live"])
        .args(["-name", &format!("*{name}")])
        .finish()
        .unwrap();
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            line.contains(&format!("--hostname={name}")).then_some(line)
        });
    found
        .stdout
        .lines()
        .map(str::to_owned)
        .chain(processes)
        .collect()
}

#[test]
fn nothing_is_left_after_keepers_were_killed_at_odd_moments() {
    let own = Own::new("killed");
    let name = own.name("victim");

    // From before the first process of the lab to after the boot.
    for cycle in 0..cycles() {
        let wait = cycle * 83 % 450;
        std::thread::scope(|scope| {
            // Killed while it boots, or when it is up; whether the command went well is not the question.
            let up = scope.spawn(|| own.lab(&["up", "debian12", "--name", &name]));
            let keeper = wait_for_keeper(&own.set);
            std::thread::sleep(std::time::Duration::from_millis(wait));
            keeper.signal(Signal::KILL);
            up.join().unwrap();

            own.done(&["down", "--all"]);
            assert_eq!(traces(&name), Vec::<String>::new(), "cycle {cycle}");
            assert_eq!(own.list().len(), 0, "cycle {cycle}");
        });
    }
}

/// Five; `LAB_CYCLES=100` for the figure.
fn cycles() -> u64 {
    std::env::var("LAB_CYCLES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5)
}

/// The process that keeps this set, as soon as there is one.
fn wait_for_keeper(set: &str) -> Identity {
    loop {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            if line.ends_with(&format!("lab\0keep\0--set\0{set}\0"))
                && !line.starts_with("setsid")
                && let Some(keeper) = Identity::of_number(pid)
            {
                return keeper;
            }
        }
        std::thread::yield_now();
    }
}
