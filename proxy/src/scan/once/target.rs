//! What a person may ask to be scanned, as text, and what can be wrong with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use weir_scanner::oci::{InvalidManifest, InvalidReference, Platform, Reference};

use crate::pull::PullError;

/// One image to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An image in a registry.
    Registry(Reference),
    /// `oci:DIR[:TAG]`: a directory in the OCI image layout.
    Layout {
        /// The directory.
        directory: PathBuf,
        /// The name of one of several images in it.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: the same in a tar file.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// The name of one of several images in it.
        tag: Option<String>,
    },
    /// `docker-archive:FILE`: what `docker save` writes.
    DockerArchive {
        /// The file.
        file: PathBuf,
    },
    /// `dir:ROOTFS`: a root file system.
    Tree(PathBuf),
}

/// Why a target cannot be scanned.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No reference, and none of the other forms.
    #[error(
        "{text:?} is no image: {source} (other forms: oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, dir:ROOTFS)"
    )]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: InvalidReference,
    },
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A document is not what it should be.
    #[error("{path}: {source}")]
    Document {
        /// The document.
        path: String,
        /// What is wrong with it.
        source: InvalidManifest,
    },
    /// The place holds something else than an image in the form that was named.
    #[error("{place} is {detail}")]
    NotThat {
        /// The place.
        place: String,
        /// What it is instead.
        detail: String,
    },
    /// Several images, and none was chosen.
    #[error("{place} holds several images: name one of {names}")]
    Several {
        /// The place.
        place: String,
        /// Their names.
        names: String,
    },
    /// The index has no image for the platform.
    #[error("{place} has no image for {platform}; it has {known}")]
    Platform {
        /// The place.
        place: String,
        /// The platform that was asked for.
        platform: Platform,
        /// Those it has.
        known: String,
    },
    /// The registry refused or failed.
    #[error(transparent)]
    Pull(#[from] PullError),
}

impl Target {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// [`TargetError::Reference`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (form, rest) = text.split_once(':').unwrap_or(("", text));
        let (place, tag) = split_tag(rest);
        Ok(match form {
            "oci" => Self::Layout { directory: place, tag },
            "oci-archive" => Self::OciArchive { file: place, tag },
            "docker-archive" => Self::DockerArchive { file: PathBuf::from(rest) },
            "dir" => Self::Tree(PathBuf::from(rest)),
            _ => {
                let reference = text.strip_prefix("docker://").unwrap_or(text);
                let parsed = reference.parse::<Reference>();
                Self::Registry(parsed.map_err(|source| TargetError::Reference { text: text.to_owned(), source })?)
            }
        })
    }
}

/// A path with, behind its last colon, a tag; a path that is there as a whole has none.
fn split_tag(text: &str) -> (PathBuf, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') && !Path::new(text).try_exists().unwrap_or(false) => {
            (PathBuf::from(path), Some(tag.to_owned()))
        }
        _ => (PathBuf::from(text), None),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tagged = |f: &mut fmt::Formatter<'_>, form: &str, path: &Path, tag: &Option<String>| {
            write!(f, "{form}:{}", path.display())?;
            tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
        };
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout { directory, tag } => tagged(f, "oci", directory, tag),
            Self::OciArchive { file, tag } => tagged(f, "oci-archive", file, tag),
            Self::DockerArchive { file } => write!(f, "docker-archive:{}", file.display()),
            Self::Tree(root) => write!(f, "dir:{}", root.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_images_in_many_ways() {
        let path = PathBuf::from;
        for (text, target) in [
            ("oci:a/b", Target::Layout { directory: path("a/b"), tag: None }),
            ("oci:a/b:v1", Target::Layout { directory: path("a/b"), tag: Some("v1".into()) }),
            ("oci:a:b/c", Target::Layout { directory: path("a:b/c"), tag: None }),
            ("oci-archive:x.tar:v1", Target::OciArchive { file: path("x.tar"), tag: Some("v1".into()) }),
            ("docker-archive:x.tar", Target::DockerArchive { file: path("x.tar") }),
            ("dir:/", Target::Tree(path("/"))),
        ] {
            assert_eq!(Target::parse(text).unwrap(), target);
            assert_eq!(target.to_string(), text);
        }
        for text in ["nginx", "docker://nginx:1.27", "localhost:5000/a/b@sha256:00"] {
            let parsed = Target::parse(text);
            assert!(matches!(parsed, Ok(Target::Registry(_)) | Err(TargetError::Reference { .. })), "{text}");
        }
        let error = Target::parse("UPPER CASE").unwrap_err().to_string();
        assert!(error.contains("UPPER CASE") && error.contains("oci-archive:FILE"), "{error}");
    }
}
