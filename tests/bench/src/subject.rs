//! What is measured: a server at an address, who logs in there, and which processes it consists of.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;

use crate::http;
use crate::processes::Processes;
use crate::wire::Wire;

/// Who logs in.
#[derive(Clone)]
pub(crate) struct Account {
    /// Its name.
    pub(crate) user: String,
    /// Its password.
    pub(crate) password: String,
}

/// What kind of server it is, as far as that decides what can be measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that the targets are for.
    Pilothouse,
    /// Another that speaks the same protocol, started by systemd.
    Cockpit,
    /// The bare relay.
    Floor,
}

/// One of them.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) account: Account,
    pub(crate) address: SocketAddr,
    pub(crate) processes: Processes,
    /// One session for all figures that are not about logins.
    visitor: Option<Visitor>,
}

/// A browser that is logged in.
#[derive(Clone)]
pub(crate) struct Visitor {
    client: Arc<ClientConfig>,
    address: SocketAddr,
    /// The `Host` of its requests.
    pub(crate) host: String,
    /// The `Cookie` of its requests.
    pub(crate) cookie: String,
}

impl Subject {
    pub(crate) fn new(
        name: impl Into<String>,
        kind: Kind,
        account: Account,
        address: SocketAddr,
        processes: Processes,
    ) -> Self {
        Self { name: name.into(), kind, account, address, processes, visitor: None }
    }

    /// Somebody who is logged in; always the same.
    pub(crate) fn visitor(&mut self) -> Result<Visitor> {
        if let Some(visitor) = &self.visitor {
            return Ok(visitor.clone());
        }
        let mut visitor = self.stranger();
        let mut wire = visitor.connect()?;
        visitor.log_in(&mut wire, &self.account)?;
        self.visitor = Some(visitor.clone());
        Ok(visitor)
    }

    /// Somebody who is not logged in.
    pub(crate) fn stranger(&self) -> Visitor {
        Visitor {
            client: support::tls::client(),
            address: self.address,
            host: self.address.to_string(),
            cookie: String::new(),
        }
    }

    /// The server was started anew: nobody is logged in.
    pub(crate) fn forget_visitor(&mut self) {
        self.visitor = None;
    }
}

impl Visitor {
    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Wire> {
        Wire::connect(self.address, &self.client)
    }

    /// Logs in over `wire`.
    pub(crate) fn log_in(&mut self, wire: &mut Wire, account: &Account) -> Result<()> {
        let Account { user, password } = account;
        let basic = STANDARD.encode(format!("{user}:{password}"));
        let headers = format!("Authorization: Basic {basic}\r\n");
        let answer = http::get(wire, &self.host, "/cockpit/login", &headers)?;
        if answer.status != 200 {
            bail!("login: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        let cookie = answer.header("set-cookie").unwrap_or_default();
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut self.cookie);
        Ok(())
    }

    /// Logs out, so that the session's processes end.
    pub(crate) fn log_out(&self) -> Result<()> {
        let mut page = crate::page::Page::open(self)?;
        page.say(&serde_json::json!({ "command": "logout", "disconnect": true }));
        page.flush()
    }
}
