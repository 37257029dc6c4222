//! `pilothouse hostkeys`: host keys of other machines, from the command line.
//!
//! Reads arguments, calls `hosts::host_key`, prints tables or JSON; what a key is worth is decided there.

mod arguments;
mod table;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail};
use clap::ArgMatches;
use hosts::host_key::{
    Fingerprint, HostKey, HostKeyStore, HostKeys, KnownHostsFile, Listed, Note, Presented, Refused,
    Removal, SSH_KNOWN_HOSTS, SYSTEM_STORE, Scan,
};
use nix::unistd::User;
use protocol::names::HostSpec;
use serde_json::{Value, json};

pub(crate) use self::arguments::command;
use crate::Failure;

/// Exit status when what was asked for is not there, or when a scanned key is not the stored one.
const NOT_THERE: u8 = 1;

/// Runs one of its subcommands.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let caller = Caller::of_this_process(matches)?;
    let done = match matches.subcommand() {
        Some(("list", matches)) => list(&caller, matches),
        Some(("show", matches)) => show(&caller, matches),
        Some(("add", matches)) => add(&caller, matches),
        Some(("remove", matches)) => remove(&caller, matches),
        Some(("scan", matches)) => scan(&caller, matches),
        Some(("import", matches)) => import(&caller, matches),
        Some(("export", matches)) => export(&caller, matches),
        Some(_) | None => return Ok(ExitCode::from(crate::EX_USAGE)),
    };
    Ok(done?)
}

/// Who calls, and that user's own file. By the user database, as ssh does it: a variable could name another's home.
struct Caller {
    name: String,
    own: KnownHostsFile,
}

impl Caller {
    fn of_this_process(matches: &ArgMatches) -> anyhow::Result<Self> {
        let uid = nix::unistd::geteuid();
        let user =
            User::from_uid(uid)?.ok_or_else(|| anyhow!("there is no user with uid {uid}"))?;
        let own = match matches.get_one::<PathBuf>("known-hosts") {
            Some(file) => KnownHostsFile::own(file),
            None => KnownHostsFile::of_user(&user.dir),
        };
        Ok(Self { name: user.name, own })
    }

    fn keys(&self) -> HostKeys {
        HostKeys::with_own(self.own.clone())
    }

    /// The store that the arguments name; the user's own unless they say otherwise.
    fn store(&self, matches: &ArgMatches) -> KnownHostsFile {
        if matches.get_flag("system") { servers() } else { self.own.clone() }
    }

    fn note(&self, matches: &ArgMatches) -> Note {
        let reason = matches
            .get_one::<String>("reason")
            .map_or("", String::as_str);
        Note::now(&self.name, reason)
    }
}

fn servers() -> KnownHostsFile {
    KnownHostsFile::for_everybody(Path::new(SYSTEM_STORE))
}

fn list(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let ssh_own = KnownHostsFile::read_only(Path::new(SSH_KNOWN_HOSTS));
    let stores = match (matches.get_flag("user"), matches.get_flag("system")) {
        (true, _) => vec![caller.own.clone()],
        (_, true) => vec![servers()],
        _ => vec![caller.own.clone(), servers(), ssh_own],
    };
    let mut listed = Vec::new();
    for store in stores {
        listed.extend(store.list()?);
    }
    print_listed(&listed, matches)?;
    Ok(ExitCode::SUCCESS)
}

fn show(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let host = host(matches)?;
    let listed = caller.keys().listed(host)?;
    print_listed(&listed, matches)?;
    Ok(if listed.is_empty() { ExitCode::from(NOT_THERE) } else { ExitCode::SUCCESS })
}

fn print_listed(listed: &[Listed], matches: &ArgMatches) -> anyhow::Result<()> {
    if matches.get_flag("json") {
        return print_json(&json!(listed));
    }
    let rows: Vec<[String; 6]> = listed.iter().map(row).collect();
    let heads = ["HOST", "USE", "TYPE", "FINGERPRINT", "PLACE", "NOTE"];
    Ok(table::print(&mut std::io::stdout().lock(), heads, &rows)?)
}

fn row(entry: &Listed) -> [String; 6] {
    let (usage, note) = match &entry.damage {
        Some(damage) => ("damaged", damage.clone()),
        None => (entry.marker, entry.comment.clone()),
    };
    let place = format!("{}:{}", entry.file, entry.line);
    [
        entry.names.clone(),
        usage.to_owned(),
        entry.kind.clone(),
        entry.fingerprint.clone(),
        place,
        note,
    ]
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    let mut to = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut to, value)?;
    writeln!(to)?;
    Ok(())
}

fn add(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let host = host(matches)?;
    let key = match (matches.get_one::<HostKey>("key"), matches.get_one::<PathBuf>("file")) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => String::from_utf8_lossy(&read(file)?)
            .parse()
            .context("no key")?,
        (None, None) => scanned(host, matches)?,
    };
    caller
        .store(matches)
        .add(host, &key, &caller.note(matches))?;
    writeln!(std::io::stdout(), "{host} {} {}", key.kind(), key.fingerprint())?;
    Ok(ExitCode::SUCCESS)
}

/// The key that the host shows, if it has the fingerprint of the arguments.
fn scanned(host: &HostSpec, matches: &ArgMatches) -> anyhow::Result<HostKey> {
    let wanted = matches
        .get_one::<Fingerprint>("fingerprint")
        .context("no fingerprint")?;
    let keys = scan_one(host)?.keys;
    let shown: Vec<String> = keys
        .iter()
        .map(|key| key.fingerprint().to_string())
        .collect();
    match keys.into_iter().find(|key| key.fingerprint() == *wanted) {
        Some(key) => Ok(key),
        None => bail!("{host} has no key {wanted}, it showed {}", shown.join(", ")),
    }
}

fn remove(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let host = host(matches)?;
    let store = caller.store(matches);
    let path = store.path().display().to_string();
    if !matches.get_flag("yes") && !asked(&format!("Remove {host} from {path}?"))? {
        bail!("nothing was removed");
    }
    let removed = store.remove(host, &Removal::All, &caller.note(matches))?;
    if removed == 0 {
        bail!("no entry of {path} names {host} alone");
    }
    writeln!(std::io::stdout(), "{host} was removed from {removed} of the entries of {path}")?;
    Ok(ExitCode::SUCCESS)
}

/// Asks on the terminal; without one, only `--yes` will do.
fn asked(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: give --yes");
    }
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn scan(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let keys = caller.keys();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut exit = ExitCode::SUCCESS;
    for host in matches.get_many::<HostSpec>("host").into_iter().flatten() {
        let scanned = match scan_one(host) {
            Ok(scanned) => scanned,
            Err(error) => {
                writeln!(std::io::stderr(), "pilothouse: {error:#}")?;
                values.push(json!({ "host": host, "error": error.to_string() }));
                exit = ExitCode::from(NOT_THERE);
                continue;
            }
        };
        for key in scanned.keys {
            let state = state(&keys, host, &scanned.address, &key);
            if !matches!(state, "known" | "unknown") {
                exit = ExitCode::from(NOT_THERE);
            }
            let fingerprint = key.fingerprint().to_string();
            values.push(json!({
                "host": host, "address": scanned.address, "kind": key.kind().as_str(),
                "fingerprint": fingerprint, "key": key.base64(), "state": state,
            }));
            let address = scanned.address.to_string();
            rows.push([
                host.to_string(),
                address,
                key.kind().to_string(),
                fingerprint,
                state.to_owned(),
            ]);
        }
    }
    if matches.get_flag("json") {
        print_json(&Value::Array(values))?;
    } else {
        let heads = ["HOST", "ADDRESS", "TYPE", "FINGERPRINT", "STATE"];
        table::print(&mut std::io::stdout().lock(), heads, &rows)?;
    }
    Ok(exit)
}

fn scan_one(host: &HostSpec) -> anyhow::Result<Scan> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(hosts::host_key::scan(host))?)
}

/// What the stores say of a key that was shown, in a word.
fn state(
    keys: &HostKeys,
    host: &HostSpec,
    address: &std::net::SocketAddr,
    key: &HostKey,
) -> &'static str {
    let presented = Presented::with_key(host.clone(), Some(*address), key.clone());
    match keys.verify(&presented, SystemTime::now()) {
        Ok(_verified) => "known",
        Err(Refused::Unknown(_)) => "unknown",
        Err(Refused::Changed(_)) => "changed",
        Err(Refused::Revoked(_)) => "revoked",
        Err(Refused::Damaged(_)) => "damaged",
        Err(Refused::Unusable(_)) => "unusable",
    }
}

fn import(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches.get_one::<PathBuf>("file").context("no file")?;
    let store = caller.store(matches);
    let added = store.import(&read(file)?, &caller.note(matches))?;
    writeln!(std::io::stdout(), "{added} entries were added to {}", store.path().display())?;
    Ok(ExitCode::SUCCESS)
}

fn export(caller: &Caller, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let text = caller.store(matches).export()?;
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn host(matches: &ArgMatches) -> anyhow::Result<&HostSpec> {
    matches.get_one::<HostSpec>("host").context("no host")
}

/// The content of `file`; `-` is standard input.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(file).with_context(|| file.display().to_string())
}
