//! Whom a page trusts to be the service, and who it says that it is itself.
//!
//! Without a word from the page: whom this machine trusts. Source: RFC 5280, RFC 9525.
//! Caller: `connection`. Text: docs/protocol.md, "http-stream2".

use std::sync::Arc;

use protocol::problem::Problem;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde::Deserialize;

use crate::channel::Closed;

/// The `tls` member of `open`. It may hold a private key, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Tls {
    authority: Option<Pem>,
    #[serde(default = "yes")]
    validate: bool,
    certificate: Option<Pem>,
    key: Option<Pem>,
}

fn yes() -> bool {
    true
}

/// Certificates or a key as text, or the file that holds them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pem {
    File(String),
    Data(String),
}

/// Where distributions keep the authorities that they trust, the commonest first.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Tls {
    /// What rustls needs to know. Waits for the disk.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Closed> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificate.certificates()?, key.key()?)
                .map_err(|error| refused(&error))?,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Closed::protocol_error("tls: certificate and key belong together"));
            }
        };
        Ok(Arc::new(config))
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Closed> {
        if !self.validate {
            return Ok(Arc::new(Unchecked(Arc::clone(provider))));
        }
        let pinned = match &self.authority {
            Some(authority) => authority.certificates()?,
            None => Vec::new(),
        };
        let roots = match &self.authority {
            Some(_) => roots(pinned.clone())?,
            None => roots(system_authorities())?,
        };
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| {
                    Closed::new(Problem::UnknownHostkey, format!("no authority to trust: {error}"))
                })?;
        Ok(Arc::new(Checked { chain, pinned }))
    }
}

impl Pem {
    fn text(&self) -> Result<std::borrow::Cow<'_, str>, Closed> {
        match self {
            Self::Data(text) => Ok(text.into()),
            Self::File(path) => std::fs::read_to_string(path)
                .map(Into::into)
                .map_err(|error| Closed::from_io(path, &error)),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Closed> {
        let text = self.text()?;
        CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| Closed::protocol_error("tls: no certificate where one was promised"))
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, Closed> {
        let text = self.text()?;
        PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| Closed::protocol_error("tls: no private key where one was promised"))
    }
}

fn refused(error: &rustls::Error) -> Closed {
    Closed::protocol_error(format!("tls: {error}"))
}

fn system_authorities() -> Vec<CertificateDer<'static>> {
    let found = SYSTEM_AUTHORITIES
        .iter()
        .find_map(|path| std::fs::read(path).ok());
    CertificateDer::pem_slice_iter(&found.unwrap_or_default())
        .filter_map(Result::ok)
        .collect()
}

fn roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Closed> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    match added {
        0 => Err(Closed::new(Problem::UnknownHostkey, "there is no authority to trust")),
        _ => Ok(roots),
    }
}

/// Checks the chain of certificates; one that the page named itself needs none.
#[derive(Debug)]
struct Checked {
    chain: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.chain
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Takes any certificate, because the page said `"validate": false`.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
