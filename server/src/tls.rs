//! TLS: versions, suites, tickets, and a certificate that can be replaced while connections are open (T15).
//!
//! Callers: [`crate::run`] loads and reloads, `listen` accepts with [`server_config`]. Never here: client
//! certificates.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use certs::{CertError, Certificate, Fingerprint, Issuer, Names};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::{Config, TlsFiles};

/// The certificate in use; nothing before the first [`Certificates::load`].
#[derive(Debug, Default)]
pub(crate) struct Certificates(ArcSwapOption<InUse>);

#[derive(Debug)]
struct InUse {
    key: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
    expires: SystemTime,
    /// DER of a self-signed one, for `/ca.cer`.
    self_signed: Option<Bytes>,
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// Key and certificate do not belong together, or the key's kind is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Certificates {
    /// Takes the certificate of the settings, making or renewing our own; open connections go on with the old one.
    ///
    /// # Errors
    ///
    /// The one in use stays.
    pub(crate) fn load(&self, config: &Config, now: SystemTime) -> Result<Fingerprint, TlsError> {
        let certificate = match &config.tls {
            TlsFiles::SelfSigned => {
                let directory = config.state_dir.join("serve/tls");
                certs::load_or_make(&directory, &Names::of_this_machine(), now)?
            }
            TlsFiles::Imported { certificate, key } => certs::import(certificate, key)?,
        };
        let Certificate { chain, key, issuer, expires, fingerprint } = certificate;
        let self_signed = match (issuer, chain.first()) {
            (Issuer::Itself, Some(first)) => Some(Bytes::copy_from_slice(first)),
            (Issuer::Itself | Issuer::Authority, _) => None,
        };
        let key = Arc::new(CertifiedKey::from_der(chain, key, &provider())?);
        if self.fingerprint() != Some(fingerprint) {
            tracing::info!(%fingerprint, ?issuer, "certificate in use");
        }
        self.0
            .store(Some(Arc::new(InUse { key, fingerprint, expires, self_signed })));
        Ok(fingerprint)
    }

    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.load().as_ref().map(|used| used.fingerprint)
    }

    /// Until when the one in use is valid.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        self.0.load().as_ref().map(|used| used.expires)
    }

    /// DER of the certificate if it is self-signed.
    pub(crate) fn self_signed(&self) -> Option<Bytes> {
        self.0
            .load()
            .as_ref()
            .and_then(|used| used.self_signed.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|used| Arc::clone(&used.key))
    }
}

/// TLS 1.3 and 1.2 with authenticated encryption only; tickets whose keys change every few hours; no early data.
pub(crate) fn server_config(certificates: Arc<Certificates>) -> Result<ServerConfig, TlsError> {
    // ring has no suite but AEAD ones, and its first group is X25519.
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let mut config = builder
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
