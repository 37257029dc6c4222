//! One package's manifest: what it is called, whether it is for this machine, what administrator and user changed.
//!
//! Caller: `packages`. Text: docs/protocol.md, "Packages".

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::complain;
use super::places::{Place, Places};
use crate::COCKPIT_VERSION;

/// Largest manifest in bytes. Real ones are below 10 KiB.
const MAX_MANIFEST: u64 = 1 << 20;

/// The priority of a package that names none.
const DEFAULT_PRIORITY: f64 = 1.0;

/// A package that may be shown here.
#[derive(Debug)]
pub(super) struct Package {
    /// The name in addresses: one path segment.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) manifest: Map<String, Value>,
    pub(super) priority: f64,
    pub(super) origin: Origin,
}

/// Who can have written a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Only root.
    System,
    /// Somebody else.
    Home,
}

/// Why a package is left out. Always the package's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("{0}: larger than {MAX_MANIFEST} bytes")]
    TooLarge(PathBuf),
    #[error("{0}: {1}")]
    Json(PathBuf, serde_json::Error),
    #[error("{0}: {1:?} cannot be the name of a package")]
    Name(PathBuf, String),
}

impl Package {
    /// Reads the package at `path`; `None` when there is none, or when it is not for this machine.
    pub(super) fn read(
        path: &Path,
        place: &Place,
        places: &Places,
    ) -> Result<Option<Self>, ManifestError> {
        let file = path.join("manifest.json");
        let Some(text) = read_text(&file)? else {
            return Ok(None);
        };
        let text = text.replace("${libexecdir}", &places.libexec);
        let mut manifest = parse(&file, &text)?;
        let folder = path.file_name().unwrap_or_default().to_string_lossy();
        apply_overrides(&mut manifest, path, &folder, places);

        let name = match manifest.get("name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => folder.into_owned(),
        };
        if !is_name(&name) {
            return Err(ManifestError::Name(file, name));
        }
        if !is_for_us(&manifest) {
            return Ok(None);
        }
        let priority = manifest.get("priority").and_then(Value::as_f64);
        Ok(Some(Self {
            name,
            path: path.to_owned(),
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
            origin: origin(path, place),
            manifest,
        }))
    }
}

fn read_text(path: &Path) -> Result<Option<String>, ManifestError> {
    let unreadable = |error| ManifestError::Unreadable(path.to_owned(), error);
    match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_MANIFEST => {
            return Err(ManifestError::TooLarge(path.to_owned()));
        }
        Ok(found) if !found.is_file() => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    std::fs::read_to_string(path).map(Some).map_err(unreadable)
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, ManifestError> {
    serde_json::from_str(text).map_err(|error| ManifestError::Json(path.to_owned(), error))
}

/// Applies the package's own override, the administrator's, the user's. A broken one is named and passed over.
fn apply_overrides(manifest: &mut Map<String, Value>, path: &Path, folder: &str, places: &Places) {
    let name = format!("{folder}.override.json");
    let others = places.overrides.iter().map(|place| place.join(&name));
    for file in std::iter::once(path.join("override.json")).chain(others) {
        match read_text(&file).and_then(|text| text.map(|text| parse(&file, &text)).transpose()) {
            Ok(Some(patch)) => merge(manifest, patch),
            Ok(None) => {}
            Err(error) => complain(&error.to_string()),
        }
    }
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let slot = target.entry(name).or_insert(Value::Null);
                let mut object = match slot.take() {
                    Value::Object(object) => object,
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_) => Map::new(),
                };
                merge(&mut object, inner);
                *slot = Value::Object(object);
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(name, value);
            }
        }
    }
}

/// Whether `name` is one segment of a path, and none that means something else there.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '$', '*', '@'])
        && !name.contains(['/', '\0', '?', '#'])
        && !["manifests.js", "manifests.json", "manifests-i18n.js"].contains(&name)
}

fn is_for_us(manifest: &Map<String, Value>) -> bool {
    let requires = match manifest.get("requires") {
        None => true,
        Some(Value::Object(requires)) => requires.iter().all(|(what, version)| {
            what == "cockpit" && version.as_str().is_some_and(is_at_most_ours)
        }),
        Some(_) => false,
    };
    let conditions = match manifest.get("conditions") {
        Some(Value::Array(conditions)) => conditions.iter().all(holds),
        Some(_) | None => true,
    };
    requires && conditions
}

/// Whether this version of Cockpit, in numbers with dots between, is not later than the one that we claim to be.
fn is_at_most_ours(version: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        let version = version.trim_end_matches(".0");
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(version), numbers(COCKPIT_VERSION)) {
        (Some(wanted), Some(ours)) => wanted <= ours,
        (None, _) | (_, None) => false,
    }
}

/// Whether a condition holds on this machine. Kinds that we do not know say nothing.
fn holds(condition: &Value) -> bool {
    let Some(condition) = condition.as_object() else {
        return true;
    };
    condition.iter().all(|(kind, value)| {
        let exists = || value.as_str().is_some_and(|path| Path::new(path).exists());
        match kind.as_str() {
            "path-exists" => exists(),
            "path-not-exists" => !exists(),
            "any" => value
                .as_array()
                .is_some_and(|conditions| conditions.iter().any(holds)),
            _ => true,
        }
    })
}

/// A folder that only root can have filled is one that root owns and nobody else may write, in a place like that.
fn origin(path: &Path, place: &Place) -> Origin {
    let is_roots = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
    };
    if is_roots(path) && is_roots(&place.path) { Origin::System } else { Origin::Home }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, fits) in [
            ("9", true),
            ("337", true),
            ("337.0", true),
            ("337.1", false),
            ("338", false),
            ("1000", false),
            ("", false),
        ] {
            assert_eq!(is_at_most_ours(version), fits, "{version}");
        }
    }

    #[test]
    fn conditions_and_requirements_decide() {
        for (manifest, fits) in [
            (json!({}), true),
            (json!({"requires": {"cockpit": "1"}}), true),
            (json!({"requires": {"cockpit": 1}}), false),
            (json!({"requires": {"other": "1"}}), false),
            (json!({"conditions": [{"path-exists": "/"}, {"path-not-exists": "/none"}]}), true),
            (json!({"conditions": [{"path-exists": "/none"}]}), false),
            (
                json!({"conditions": [{"any": [{"path-exists": "/none"}, {"path-exists": "/"}]}]}),
                true,
            ),
            (json!({"conditions": [{"any": []}]}), false),
            (json!({"conditions": [{"moon-is-full": true}]}), true),
        ] {
            assert_eq!(is_for_us(manifest.as_object().unwrap()), fits, "{manifest}");
        }
    }

    #[test]
    fn a_merge_patch_adds_replaces_and_removes() {
        // RFC 7396, appendix A, the cases with two objects.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.as_object().unwrap().clone();
            merge(&mut merged, patch.as_object().unwrap().clone());
            assert_eq!(Value::Object(merged), result);
        }
    }
}
