//! `/config`: what the administrator configured, in the format of cockpit.conf(5).
//!
//! Pages ask for their own sections. Of several files a later one wins; a missing file is an empty one.

use std::collections::HashMap;
use std::path::PathBuf;

/// The files, in the order in which they are read.
const FILES: [&str; 2] = ["/etc/cockpit/cockpit.conf", "/etc/pilothouse/cockpit.conf"];

/// The object.
pub(super) struct Config {
    files: Vec<PathBuf>,
    values: Values,
}

/// Values by section and key, both in lower case.
type Values = HashMap<(String, String), String>;

/// Why there is no value.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cockpit.Config")]
pub(super) enum ConfigError {
    #[zbus(error)]
    Bus(zbus::Error),
    /// There is no such key.
    KeyError(String),
}

impl Config {
    /// The object with what stands in the files now.
    pub(super) fn read() -> Self {
        Self::from_files(FILES.iter().map(PathBuf::from).collect())
    }

    fn from_files(files: Vec<PathBuf>) -> Self {
        let mut config = Self { files, values: Values::new() };
        config.read_again();
        config
    }

    fn read_again(&mut self) {
        self.values.clear();
        for file in &self.files {
            if let Ok(text) = std::fs::read_to_string(file) {
                parse(&text, &mut self.values);
            }
        }
    }

    fn value(&self, section: &str, key: &str) -> Option<&str> {
        let place = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        self.values.get(&place).map(String::as_str)
    }
}

#[zbus::interface(name = "cockpit.Config")]
impl Config {
    fn get_string(&self, section: &str, key: &str) -> Result<String, ConfigError> {
        self.value(section, key)
            .map(str::to_owned)
            .ok_or_else(|| ConfigError::KeyError(format!("section {section:?} has no key {key:?}")))
    }

    /// The number, not beyond `maximum` and `minimum`; `default` when there is none.
    #[zbus(name = "GetUInt")]
    fn get_uint(&self, section: &str, key: &str, default: u32, maximum: u32, minimum: u32) -> u32 {
        match self
            .value(section, key)
            .map(|value| value.trim().parse::<u64>())
        {
            Some(Ok(number)) => u32::try_from(number)
                .unwrap_or(u32::MAX)
                .min(maximum)
                .max(minimum),
            Some(Err(_)) | None => default,
        }
    }

    fn reload(&mut self) {
        self.read_again();
    }
}

/// Reads lines of `[section]` and `key = value`; comments begin with `#` or `;`, other lines are skipped.
fn parse(text: &str, values: &mut Values) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.trim().to_ascii_lowercase();
        } else if let Some((key, value)) = line.split_once('=') {
            let place = (section.clone(), key.trim().to_ascii_lowercase());
            values.insert(place, value.trim().to_owned());
        }
    }
}

#[test]
fn values_are_found_by_section_and_key_whatever_their_case() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    std::fs::write(
        &first,
        "[WebService]\nLoginTitle = A = B\n# x = y\n[Session]\nIdleTimeout=15\n",
    )
    .unwrap();
    std::fs::write(&second, "[session]\nBanner=/etc/issue\nBad = -1\n").unwrap();
    let config = Config::from_files(vec![first, second, directory.path().join("missing")]);

    assert_eq!(config.get_string("webservice", "LOGINTITLE").unwrap(), "A = B");
    assert_eq!(config.get_string("Session", "Banner").unwrap(), "/etc/issue");
    assert!(config.get_string("Session", "x").is_err());
    assert_eq!(config.get_uint("Session", "IdleTimeout", 0, 10, 0), 10);
    assert_eq!(config.get_uint("Session", "IdleTimeout", 0, 100, 20), 20);
    assert_eq!(config.get_uint("Session", "Bad", 7, 10, 0), 7);
}
