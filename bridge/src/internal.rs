//! The bus `internal`: objects of the bridge itself, behind a D-Bus connection within this process.
//!
//! So the page uses them as it uses any other service, and `channels::dbus` needs to know nothing of them. They are
//! made when a channel first asks for this bus. Text: docs/protocol.md, "Internal objects". Caller: `buses`.

mod config;
mod environment;
mod login_messages;
mod machines;
mod packages;
mod superuser;
mod user;

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use zbus::connection::{AuthMechanism, Builder};
use zbus::{Connection, Guid, ObjectServer};

use crate::Bridge;

/// Makes the objects behind `socket`. They are there as long as the connection that is returned.
///
/// # Errors
///
/// What zbus says.
pub(crate) async fn serve(bridge: &Arc<Bridge>, socket: UnixStream) -> zbus::Result<Connection> {
    let objects = Builder::unix_stream(socket)
        .server(Guid::generate())
        .auth_mechanism(AuthMechanism::Anonymous)
        .p2p()
        .build()
        .await?;
    serve_all(objects.object_server(), bridge).await?;
    machines::follow(&objects);
    packages::follow(&objects, bridge);
    superuser::follow(&objects, bridge);
    Ok(objects)
}

/// The list of objects: one line each.
async fn serve_all(server: &ObjectServer, bridge: &Arc<Bridge>) -> zbus::Result<()> {
    server.at("/user", user::User::new(bridge.user())).await?;
    server.at("/environment", environment::Environment).await?;
    server.at("/config", config::Config::read()).await?;
    let messages = login_messages::LoginMessages::new(&bridge.login_messages);
    server.at("/LoginMessages", messages).await?;
    server
        .at(machines::PATH, machines::Machines::installed())
        .await?;
    server
        .at(packages::PATH, packages::Packages::new(bridge))
        .await?;
    server
        .at(superuser::PATH, superuser::Superuser::new(bridge))
        .await?;
    Ok(())
}
