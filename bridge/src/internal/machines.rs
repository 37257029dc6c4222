//! `/machines`: the machines that are named in `/etc/cockpit/machines.d/*.json`.
//!
//! Each file holds an object of machines, each an object of attributes; of the same attribute the last file in the
//! order of names wins. The kernel tells when a file changes. Writing needs the right to write there.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::json::{self, Fields};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::Value as Json;
use tokio::net::unix::pipe;
use zbus::object_server::InterfaceRef;
use zbus::{Connection, OwnedVariant, Variant};

/// Where the object is.
pub(super) const PATH: &str = "/machines";

/// Where the files are.
const DIRECTORY: &str = "/etc/cockpit/machines.d";

/// How long changes are gathered before they are told.
const SETTLE: Duration = Duration::from_millis(100);

/// The object.
pub(super) struct Machines {
    directory: PathBuf,
    known: ByHost,
}

/// Attributes by host and name.
type ByHost = BTreeMap<String, Fields>;

/// Why a file was not written.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cockpit.Machines")]
pub(super) enum MachinesError {
    #[zbus(error)]
    Bus(zbus::Error),
    /// The arguments are wrong.
    InvalidArgs(String),
    /// The kernel refuses.
    Error(String),
}

impl Machines {
    /// The machines of this system.
    pub(super) fn installed() -> Self {
        Self::in_directory(PathBuf::from(DIRECTORY))
    }

    fn in_directory(directory: PathBuf) -> Self {
        let known = read_directory(&directory);
        Self { directory, known }
    }

    fn write(&self, file: &str, host: &str, attributes: Fields) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(file);
        let mut machines = read_file(&path);
        machines
            .entry(host.to_owned())
            .or_default()
            .extend(attributes);
        let text = serde_json::to_string_pretty(&machines)?;
        let temporary = self.directory.join(format!(".{file}.new"));
        let mut written = std::fs::File::create(&temporary)?;
        written.write_all(text.as_bytes())?;
        written.write_all(b"\n")?;
        written.sync_all()?;
        std::fs::rename(&temporary, &path)
    }
}

#[zbus::interface(name = "cockpit.Machines")]
impl Machines {
    /// Attributes by host.
    #[zbus(property)]
    fn machines(&self) -> HashMap<String, HashMap<String, OwnedVariant>> {
        self.known
            .iter()
            .map(|(host, attributes)| {
                let attributes = attributes
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), to_variant(value)?)))
                    .collect();
                (host.clone(), attributes)
            })
            .collect()
    }

    /// Sets attributes of a host in a file of the directory.
    fn update(
        &mut self,
        file: &str,
        host: &str,
        attributes: HashMap<String, OwnedVariant>,
    ) -> Result<(), MachinesError> {
        let is_json = Path::new(file)
            .extension()
            .is_some_and(|extension| extension == "json");
        let is_plain = is_json && !file.starts_with('.') && !file.contains('/');
        if !is_plain {
            let message = format!("{file:?} is not the name of a JSON file");
            return Err(MachinesError::InvalidArgs(message));
        }
        let mut fields = Fields::new();
        for (name, value) in attributes {
            let Some(json) = to_json(&value) else {
                let message = format!("attribute {name:?} is no text, number or boolean");
                return Err(MachinesError::InvalidArgs(message));
            };
            fields.insert(name, json);
        }
        self.write(file, host, fields)
            .map_err(|error| MachinesError::Error(error.to_string()))
    }
}

/// Tells of changes for as long as the objects are there.
pub(super) fn follow(objects: &Connection) {
    // For as long as the process: the bus is made once.
    let server = objects.object_server().clone();
    tokio::spawn(async move {
        let Ok(machines) = server.interface::<_, Machines>(PATH).await else {
            return;
        };
        // Without inotify (too many watches) changes are seen at the next start.
        let _not_followed = follow_directory(&machines).await;
    });
}

async fn follow_directory(machines: &InterfaceRef<Machines>) -> std::io::Result<()> {
    let directory = machines.get().await.directory.clone();
    loop {
        // A fresh one each time: the directory itself may have come or gone.
        // Tokio's pipe stands for any descriptor that becomes readable.
        let watch = pipe::Receiver::from_owned_fd_unchecked(watch_nearest(&directory)?)?;
        refresh(machines).await;
        watch.readable().await?;
        tokio::time::sleep(SETTLE).await;
    }
}

/// Watches the directory, or while there is none the nearest that is above it.
fn watch_nearest(directory: &Path) -> std::io::Result<OwnedFd> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let events = WatchFlags::CREATE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE
        | WatchFlags::MOVE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    for place in directory.ancestors() {
        if inotify::add_watch(&inotify, place, events).is_ok() {
            break;
        }
    }
    Ok(inotify)
}

async fn refresh(machines: &InterfaceRef<Machines>) {
    let mut object = machines.get_mut().await;
    let found = read_directory(&object.directory);
    if found == object.known {
        return;
    }
    object.known = found;
    let _nobody_listens = object.machines_changed(machines.signal_emitter()).await;
}

fn read_directory(directory: &Path) -> ByHost {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    files.sort();
    let mut machines = ByHost::new();
    for file in files {
        for (host, attributes) in read_file(&file) {
            machines.entry(host).or_default().extend(attributes);
        }
    }
    machines
}

/// The machines of one file; none when it is not a file of machines.
fn read_file(path: &Path) -> ByHost {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| json::parse_object(&bytes).ok())
        .into_iter()
        .flatten()
        .filter_map(|(host, attributes)| match attributes {
            Json::Object(attributes) => Some((host, attributes)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
        })
        .collect()
}

fn to_variant(json: &Json) -> Option<OwnedVariant> {
    let variant = match json {
        Json::String(text) => Variant::from(text.clone()),
        Json::Bool(value) => Variant::from(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => i32::try_from(integer).map_or_else(|_| integer.into(), Variant::from),
            None => Variant::from(number.as_f64()?),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    OwnedVariant::try_from(variant).ok()
}

fn to_json(variant: &Variant<'_>) -> Option<Json> {
    if let Ok(text) = <&str>::try_from(variant) {
        return Some(text.into());
    }
    if let Ok(value) = bool::try_from(variant) {
        return Some(value.into());
    }
    if let Ok(number) = f64::try_from(variant) {
        return serde_json::Number::from_f64(number).map(Json::Number);
    }
    i32::try_from(variant)
        .map(i64::from)
        .or_else(|_| i64::try_from(variant))
        .or_else(|_| u32::try_from(variant).map(i64::from))
        .or_else(|_| u16::try_from(variant).map(i64::from))
        .ok()
        .map(Json::from)
}

#[test]
fn machines_of_all_files_are_merged_and_written_back() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("01-a.json", r#"{"web": {"address": "web", "visible": true}, "bad": 5}"#);
    write("99-webui.json", r#"{"web": {"visible": false, "port": 2222}}"#);
    write("broken.json", "{");
    write("other.txt", r#"{"x": {}}"#);
    let mut machines = Machines::in_directory(directory.path().to_owned());
    let expected = serde_json::json!({"address": "web", "visible": false, "port": 2222});
    assert_eq!(serde_json::to_value(&machines.known["web"]).unwrap(), expected);
    assert_eq!(machines.known.len(), 1);

    let color = HashMap::from([("color".to_owned(), to_variant(&"red".into()).unwrap())]);
    machines.update("99-webui.json", "web", color).unwrap();
    let read = read_directory(directory.path());
    assert_eq!(read["web"]["color"], "red");
    assert_eq!(read["web"]["port"], 2222);
    assert!(machines.update("../x.json", "web", HashMap::new()).is_err());
}

#[tokio::test]
async fn a_file_that_appears_is_told_even_when_its_directory_was_not_there() {
    use futures_util::StreamExt;
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("machines.d");
    let (ours, theirs) = zbus::connection::socket::Channel::pair();
    let guid = zbus::Guid::generate();
    let (client, objects) = tokio::try_join!(
        zbus::connection::Builder::authenticated_socket(ours, guid.clone())
            .p2p()
            .build(),
        zbus::connection::Builder::authenticated_socket(theirs, guid)
            .p2p()
            .serve_at(PATH, Machines::in_directory(directory.clone()))
            .build(),
    )
    .unwrap();
    let mut heard = zbus::MessageStream::from(&client);
    follow(&objects);

    let machines = Machines::in_directory(directory);
    let attributes = serde_json::json!({"visible": true});
    machines
        .write("99-webui.json", "web", attributes.as_object().unwrap().clone())
        .unwrap();
    let signal = heard.next().await.unwrap().unwrap();
    assert_eq!(signal.header().member().unwrap().as_str(), "PropertiesChanged");
    assert!(
        signal
            .body()
            .data()
            .bytes()
            .windows(7)
            .any(|bytes| bytes == b"visible")
    );
}
