//! A server on loopback and raw clients for it: bytes out, bytes in, nothing helped along.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use server::{Access, Config, Listener, StartError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: String,
    pub(crate) folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), StartError>>,
}

/// A small build of the interface.
pub(crate) fn build(folder: &Path) {
    let write = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write(
        "entries.json",
        r#"{"shell.js":"shell-1.js","shell.css":"shell-1.css","login.css":"login-1.css"}"#,
    );
    write("assets/shell-1.js", "console.log('plain')");
    write("assets/shell-1.js.br", "as brotli");
    write("assets/shell-1.css", "body{}");
    write("assets/login-1.css", "body{}");
    write("base1/cockpit.js", "// cockpit");
    write("static/branding.css", "/* */");
}

/// Settings for a server in `folder`.
pub(crate) fn settings(folder: &Path) -> Config {
    build(&folder.join("web"));
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        state_dir: folder.join("state"),
        web_dir: Some(folder.join("web")),
        ..Config::default()
    }
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = settings(folder.path());
        change(&mut config);
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let task = tokio::spawn(async move {
            let started = |started: &server::Started| tell.send(started.clone()).unwrap();
            server::run_until(config, Listener::Bind, Access::Login, started, async {
                let _either = stopped.await;
            })
            .await
        });
        let started = told.await.unwrap();
        let address = started.addresses[0];
        Self { address, fingerprint: started.fingerprint.to_string(), folder, stop, task }
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        config.enable_sni = false;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, self.plain().await)
            .await
            .unwrap()
    }

    /// Sends `bytes` over TLS, half-closes nothing, and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(self.tls().await, bytes.as_ref()).await
    }

    /// One request with `Connection: close`; `lines` are further header lines, each with its end.
    pub(crate) async fn ask(&self, request: &str, lines: &str) -> Answer {
        let host = if lines.to_ascii_lowercase().contains("host: ") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let text = format!("{request} HTTP/1.1\r\n{host}{lines}Connection: close\r\n\r\n");
        Answer::parse(&self.raw(text).await)
    }
}

/// Sends and reads until the end; what is reset counts as ended.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
) -> String {
    let mut answer = Vec::new();
    let talk = async {
        let _refused_early = stream.write_all(bytes).await;
        let _reset = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, talk)
        .await
        .expect("the server ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Tests look at the certificate's fingerprint where it matters.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
