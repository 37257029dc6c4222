//! The bridge's own objects, and programs that are no bus.

use serde_json::json;
use zbus::Guid;

use crate::page::Page;
use crate::service::{NAME, Test};

async fn open_internal(page: &mut Page) -> String {
    let channel = page.open(json!({"bus": "internal"})).await;
    let ready = page.control().await;
    assert_eq!(ready["command"], "ready", "{ready}");
    channel
}

#[tokio::test]
async fn the_user_is_told_by_a_watch() {
    let mut page = Page::new().await;
    let channel = open_internal(&mut page).await;
    let id = page
        .call(&channel, json!({"watch": {"path": "/user", "interface": "cockpit.User"}}))
        .await;
    assert!(page.next(&channel).await["meta"]["cockpit.User"].is_object());
    let notify = page.next(&channel).await;
    let user = &notify["notify"]["/user"]["cockpit.User"];
    let known = bridge::user::User::current();
    assert_eq!(user["Name"], known.name);
    assert_eq!(user["Id"], known.uid);
    assert_eq!(user["Groups"], json!(known.groups));
    assert_eq!(page.next(&channel).await["id"], id);
}

#[tokio::test]
async fn the_other_objects_answer() {
    let mut page = Page::new().await;
    let channel = open_internal(&mut page).await;
    let get_all = |path: &str, interface: &str| json!({"call": [path, "org.freedesktop.DBus.Properties", "GetAll", [interface]]});
    let reply = page
        .ask(&channel, get_all("/environment", "cockpit.Environment"))
        .await;
    let path = &reply["reply"][0][0]["Variables"]["v"]["PATH"];
    assert_eq!(path.as_str(), std::env::var("PATH").ok().as_deref());
    let reply = page
        .ask(&channel, get_all("/machines", "cockpit.Machines"))
        .await;
    assert_eq!(reply["reply"][0][0]["Machines"]["t"], "a{sa{sv}}");

    let call = json!({"call": ["/LoginMessages", "cockpit.LoginMessages", "Get", []]});
    assert_eq!(page.ask(&channel, call).await["reply"], json!([["{}"]]));
    let call = json!({"call": ["/config", "cockpit.Config", "GetString", ["None", "None"]]});
    assert_eq!(page.ask(&channel, call).await["error"][0], "cockpit.Config.KeyError");
    let call =
        json!({"call": ["/config", "cockpit.Config", "GetUInt", ["None", "None", 5, 10, 0]]});
    assert_eq!(page.ask(&channel, call).await["reply"], json!([[5]]));
    let call = json!({"call": ["/machines", "cockpit.Machines", "Update", ["../x", "h", {}]]});
    assert_eq!(page.ask(&channel, call).await["error"][0], "cockpit.Machines.InvalidArgs");
}

#[tokio::test]
async fn the_internal_bus_is_shared_and_also_bus_none_with_its_address() {
    let mut page = Page::new().await;
    let first = open_internal(&mut page).await;
    let second = page
        .open(json!({"bus": "none", "address": "internal"}))
        .await;
    assert_eq!(page.control().await["command"], "ready");
    for channel in [&first, &second] {
        let call = json!({"call": ["/LoginMessages", "cockpit.LoginMessages", "Dismiss", []]});
        assert_eq!(page.ask(channel, call).await["reply"], json!([[]]));
    }
}

#[tokio::test]
async fn a_single_program_has_no_owner_and_all_its_signals_fit() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("peer");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let program = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        zbus::connection::Builder::unix_stream(stream.into_std().unwrap())
            .server(Guid::generate())
            .p2p()
            .serve_at("/test", Test)
            .build()
            .await
            .unwrap()
    });
    let mut page = Page::new().await;
    let address = format!("unix:path={}", socket.display());
    let channel = page.open(json!({"bus": "none", "address": address})).await;
    assert!(page.control().await["unique-name"].is_null());
    let program = program.await.unwrap();

    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
    page.send(&channel, json!({"add-match": {"member": "Announced"}}))
        .await;
    page.call(&channel, json!({"call": ["/test", NAME, "Announce", ["x"]]}))
        .await;
    assert_eq!(
        page.next(&channel).await,
        json!({"signal": ["/test", NAME, "Announced", ["x", 7]]})
    );
    assert_eq!(page.next(&channel).await["reply"], json!([[]]));

    program.close().await.unwrap();
    assert_eq!(page.closed(&channel).await["problem"], "disconnected");
}
