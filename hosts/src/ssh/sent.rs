//! The bridges that can be sent to machines which have none: files beside the program, one for each architecture.
//!
//! `make debug` and `make release` build `pilothouse-bridge.x86_64` beside `pilothouse`, a static program; packages install
//! it there. It is a file and not a part of `pilothouse` so that every process of ours need not carry it, and so that any
//! `cargo build` makes a whole program; who could replace the file could replace the program beside it. Its digest is made
//! from the file as it is, once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Largest bridge that is sent, in bytes.
const LARGEST: u64 = 64 << 20;

/// A kind of processor, by its name in uname(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub(super) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// A bridge that can be sent.
#[derive(Debug, Clone)]
pub(super) struct SentBridge {
    pub(super) architecture: Architecture,
    /// Its length in bytes.
    pub(super) size: usize,
    path: Arc<Path>,
    digest: String,
}

impl SentBridge {
    /// Those that lie in `folder`. Waits for the disk.
    pub(super) fn all_in(folder: &Path) -> Vec<Self> {
        Architecture::ALL
            .into_iter()
            .filter_map(|architecture| {
                let path = folder.join(format!("pilothouse-bridge.{}", architecture.name()));
                Self::at(architecture, path)
            })
            .collect()
    }

    fn at(architecture: Architecture, path: PathBuf) -> Option<Self> {
        let length = std::fs::metadata(&path).ok()?.len();
        if length > LARGEST {
            return None;
        }
        let content = std::fs::read(&path).ok()?;
        let mut digest = String::new();
        for byte in Sha256::digest(&content) {
            let _to_a_text = write!(digest, "{byte:02x}");
        }
        Some(Self { architecture, size: content.len(), path: path.into(), digest })
    }

    /// Its SHA-256 digest in hexadecimal.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Its content. The other machine checks that it is what the digest was made from.
    pub(super) async fn open(&self) -> std::io::Result<tokio::fs::File> {
        tokio::fs::File::open(&self.path).await
    }
}
