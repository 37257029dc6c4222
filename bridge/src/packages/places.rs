//! Where packages are, and what the administrator and the user say about them.
//!
//! Source: XDG Base Directory Specification. Caller: `packages`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A data directory.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder that holds one folder a package.
    pub path: PathBuf,
}

/// Everything outside a package that decides about it.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Data directories; an earlier one wins.
    pub data: Vec<Place>,
    /// Folders with `NAME.override.json`; a later one wins.
    pub overrides: Vec<PathBuf>,
    /// What `${libexecdir}` means in a manifest.
    pub libexec: String,
}

/// Where Cockpit's own programs may be.
const LIBEXEC: [&str; 4] =
    ["/usr/local/libexec", "/usr/libexec", "/usr/local/lib/cockpit", "/usr/lib/cockpit"];

/// Programs of which at least one is there when Cockpit is.
const LIBEXEC_PROGRAMS: [&str; 3] =
    ["cockpit-certificate-helper", "cockpit-askpass", "cockpit-session"];

/// What `${libexecdir}` means without Cockpit: a path that says what is wrong when something is started there.
const NO_LIBEXEC: &str = "/nonexistent/libexec";

impl Places {
    /// The places that this process's environment names.
    pub fn from_environment(home: &str) -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = Path::new(home);
        let in_home = |name, path| variable(name).map_or_else(|| home.join(path), PathBuf::from);
        let own = in_home("XDG_DATA_HOME", ".local/share");
        let shared =
            variable("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
        let settings = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc".into());
        let first_settings = paths(&settings).next().unwrap_or_else(|| "/etc".into());
        Self {
            data: std::iter::once(own)
                .chain(paths(&shared))
                .map(|path| Place { path: path.join("cockpit") })
                .collect(),
            overrides: vec![
                first_settings.join("cockpit"),
                in_home("XDG_CONFIG_HOME", ".config").join("cockpit"),
            ],
            libexec: libexec(),
        }
    }
}

fn paths(list: &OsStr) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(list).filter(|path| path.is_absolute())
}

fn libexec() -> String {
    let has_programs = |folder: &&&str| {
        LIBEXEC_PROGRAMS
            .iter()
            .any(|program| Path::new(folder).join(program).exists())
    };
    let found = LIBEXEC.iter().find(has_programs);
    (*found.unwrap_or(&NO_LIBEXEC)).to_owned()
}
