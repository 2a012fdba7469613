//! The words of the OCI specifications: digests, media types, references, manifests, platforms.
//!
//! Everything is parsed once at the edge; a value that exists is valid. Raw manifest bytes are never re-serialised.

mod config;
mod digest;
mod manifest;
mod media_type;
mod platform;
mod reference;

pub use config::{HealthCheck, HistoryEntry, ImageConfig, RootFs, RunConfig};
pub use digest::{Algorithm, Digest, DigestHasher, InvalidDigest};
pub use manifest::{Descriptor, Document, ImageManifest, Index, InvalidManifest, MAX_MANIFEST_BYTES};
pub use media_type::{LayerEncoding, MediaType};
pub use platform::{InvalidPlatform, Platform};
pub use reference::{InvalidReference, Reference, Repository, Selector, Tag};
