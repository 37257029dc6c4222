//! `~/.ssh/config`, as much of it as is honoured (security rule T21).
//!
//! `HostName`, `User`, `Port`, `IdentityFile` inside `~/.ssh`, `ProxyJump`; `Host` patterns, and `Include` inside `~/.ssh`. Everything
//! else is left out, and a line that would have changed this connection is told to the user; nothing in the file can start a
//! program. Source: `ssh_config(5)`. Called by `reach` for each machine on the way.

mod lines;
mod pattern;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use protocol::names::{HostName, HostSpec, Port, UserName};

use self::lines::{Line, Words};
use self::pattern::{host_matches, name_matches};

/// Longest file in bytes: larger ones are lists that somebody generated, of thousands of hosts.
const LONGEST_FILE: u64 = 1 << 20;

/// Deepest nesting of `Include`, as in ssh(1).
const DEEPEST: usize = 16;

/// Most files in all.
const MOST_FILES: usize = 64;

/// Most warnings that are kept.
const MOST_WARNINGS: usize = 16;

/// Options that are not honoured and that nobody misses here: they change nothing about who is reached and how.
const UNMISSED: [&str; 19] = [
    "addkeystoagent",
    "batchmode",
    "checkhostip",
    "compression",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "escapechar",
    "fingerprinthash",
    "forwardagent",
    "forwardx11",
    "forwardx11trusted",
    "hashknownhosts",
    "loglevel",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "visualhostkey",
];

/// What the file says about one host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Its real name or address.
    pub(super) host_name: Option<HostName>,
    /// The user there.
    pub(super) user: Option<UserName>,
    /// The port.
    pub(super) port: Option<Port>,
    /// Key files, all inside of `~/.ssh`.
    pub(super) identity_files: Vec<PathBuf>,
    /// The machines on the way, the first to be reached first.
    pub(super) jumps: Vec<HostSpec>,
    /// What was left out that the user may miss.
    pub(super) warnings: Vec<String>,
}

/// The file cannot be used at all; as ssh(1) does, nothing is reached then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    /// Others could have written it.
    #[error("{0} belongs to somebody else, or can be written by others")]
    Writable(String),
    /// It is there and cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, String),
}

/// What `home`'s configuration says about a host that is called `typed`.
pub(super) fn settings(home: &Path, typed: &HostSpec) -> Result<Settings, ConfigError> {
    let folder = home.join(".ssh");
    let mut reading = Reading {
        folder: folder.clone(),
        home: home.to_owned(),
        host: typed.host().to_string(),
        settings: Settings::default(),
        jumps_set: false,
        files: 0,
    };
    reading.file(&folder.join("config"), 0)?;
    Ok(reading.settings)
}

struct Reading {
    home: PathBuf,
    folder: PathBuf,
    host: String,
    settings: Settings,
    /// The first `ProxyJump` counts, also one that says `none`.
    jumps_set: bool,
    files: usize,
}

/// Whether the lines that follow are about our host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Ours,
    OfOthers,
    /// Of a kind that is not honoured.
    Match,
}

impl Reading {
    fn file(&mut self, path: &Path, depth: usize) -> Result<(), ConfigError> {
        self.files += 1;
        if depth > DEEPEST || self.files > MOST_FILES {
            self.warn(path, 0, "too many files are included");
            return Ok(());
        }
        let Some(text) = read(path)? else { return Ok(()) };
        let mut block = Block::Ours;
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            match Line::parse(line) {
                Ok(Some(line)) => self.line(path, number, &line, &mut block, depth)?,
                Err(why) if block == Block::Ours => self.warn(path, number, why),
                Ok(None) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        path: &Path,
        number: usize,
        line: &Line,
        block: &mut Block,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let keyword = line.keyword.as_str();
        match keyword {
            "host" => {
                let ours = host_matches(&line.words, &self.host);
                *block = if ours { Block::Ours } else { Block::OfOthers };
                return Ok(());
            }
            "match" => {
                self.warn(path, number, "Match is not honoured, nor what stands under it");
                *block = Block::Match;
                return Ok(());
            }
            _ => {}
        }
        if *block != Block::Ours {
            return Ok(());
        }
        let done = match keyword {
            "include" => return self.include(path, number, &line.words, depth),
            "hostname" => self.host_name(&line.words),
            "user" => self.user(&line.words),
            "port" => self.port(&line.words),
            "identityfile" => self.identity_file(&line.words),
            "proxyjump" => self.proxy_jump(&line.words),
            unmissed if UNMISSED.contains(&unmissed) => Ok(()),
            other => Err(format!("{other} is not honoured")),
        };
        if let Err(why) = done {
            self.warn(path, number, &why);
        }
        Ok(())
    }

    fn include(
        &mut self,
        path: &Path,
        number: usize,
        words: &Words,
        depth: usize,
    ) -> Result<(), ConfigError> {
        for word in words {
            let expanded = match word.strip_prefix("~/") {
                Some(rest) => self.home.join(rest),
                None => self.folder.join(word),
            };
            let found = matching_files(&expanded);
            if found.iter().any(|file| !is_inside(&self.folder, file)) {
                self.warn(path, number, "Include outside of ~/.ssh is not honoured");
                continue;
            }
            for file in found {
                self.file(&file, depth + 1)?;
            }
        }
        Ok(())
    }

    fn host_name(&mut self, words: &Words) -> Result<(), String> {
        let name = one(words)?;
        let expanded = expand(name, &[('h', &self.host)])?;
        let parsed = HostName::parse(&expanded).map_err(|error| format!("HostName: {error}"))?;
        self.settings.host_name.get_or_insert(parsed);
        Ok(())
    }

    fn user(&mut self, words: &Words) -> Result<(), String> {
        let user = UserName::parse(one(words)?).map_err(|error| format!("User: {error}"))?;
        self.settings.user.get_or_insert(user);
        Ok(())
    }

    fn port(&mut self, words: &Words) -> Result<(), String> {
        let port = Port::parse(one(words)?).map_err(|error| format!("Port: {error}"))?;
        self.settings.port.get_or_insert(port);
        Ok(())
    }

    fn identity_file(&mut self, words: &Words) -> Result<(), String> {
        let name = one(words)?;
        if name.eq_ignore_ascii_case("none") {
            return Ok(());
        }
        let home = self.home.display().to_string();
        let expanded = expand(name, &[('d', &home), ('h', &self.host)])?;
        let path = match expanded.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if expanded.starts_with('/') => PathBuf::from(expanded),
            None => return Err(format!("IdentityFile {name} does not say where it is")),
        };
        if !is_inside(&self.folder, &path) {
            return Err(format!("IdentityFile {name} is outside of ~/.ssh and not used"));
        }
        if !self.settings.identity_files.contains(&path) {
            self.settings.identity_files.push(path);
        }
        Ok(())
    }

    fn proxy_jump(&mut self, words: &Words) -> Result<(), String> {
        if self.jumps_set {
            return Ok(());
        }
        let list = one(words)?;
        if list.eq_ignore_ascii_case("none") {
            self.jumps_set = true;
            return Ok(());
        }
        let parsed: Result<Vec<_>, _> = list
            .split(',')
            .map(|jump| HostSpec::parse(jump.strip_prefix("ssh://").unwrap_or(jump)))
            .collect();
        self.settings.jumps = parsed.map_err(|error| format!("ProxyJump: {error}"))?;
        self.jumps_set = true;
        Ok(())
    }

    fn warn(&mut self, path: &Path, line: usize, what: &str) {
        if self.settings.warnings.len() < MOST_WARNINGS {
            let name = path.strip_prefix(&self.home).unwrap_or(path).display();
            self.settings
                .warnings
                .push(format!("~/{name}, line {line}: {what}"));
        }
    }
}

/// The file's text; `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let name = path.display().to_string();
    let unreadable =
        |error: std::io::Error| ConfigError::Unreadable(name.clone(), error.to_string());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    let own = rustix::process::geteuid().as_raw();
    if (metadata.uid() != own && metadata.uid() != 0) || metadata.mode() & 0o022 != 0 {
        return Err(ConfigError::Writable(name));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The files that `path` names, in order; its last part may be a pattern.
fn matching_files(path: &Path) -> Vec<PathBuf> {
    let name = path
        .file_name()
        .and_then(std::ffi::OsStr::to_str)
        .unwrap_or_default();
    if !name.contains(['*', '?']) {
        return vec![path.to_owned()];
    }
    let folder = path.parent().unwrap_or(path);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|entry| !entry.starts_with('.') && name_matches(name, entry))
        .map(|entry| folder.join(entry))
        .collect();
    found.sort();
    found
}

/// Whether `path`, and what it really is, is inside of `folder`.
fn is_inside(folder: &Path, path: &Path) -> bool {
    let plain = path
        .components()
        .all(|part| !matches!(part, std::path::Component::ParentDir));
    let really = match (folder.canonicalize(), path.canonicalize()) {
        (Ok(folder), Ok(path)) => path.starts_with(folder),
        // What is not there leads nowhere.
        (Err(_), _) | (_, Err(_)) => true,
    };
    plain && path.starts_with(folder) && really
}

fn one(words: &Words) -> Result<&str, String> {
    match words.as_slice() {
        [only] => Ok(only),
        _ => Err("exactly one value is needed".to_owned()),
    }
}

/// `text` with its tokens (`ssh_config(5)`, "TOKENS") in their place.
fn expand(text: &str, tokens: &[(char, &str)]) -> Result<String, String> {
    let mut expanded = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            expanded.push(character);
            continue;
        }
        let token = characters.next();
        match token {
            Some('%') => expanded.push('%'),
            Some(token) => match tokens.iter().find(|(name, _)| *name == token) {
                Some((_, value)) => expanded.push_str(value),
                None => return Err(format!("%{token} is not honoured")),
            },
            None => return Err("a % without a letter".to_owned()),
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests;
