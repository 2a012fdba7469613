//! Where a repository lies.

use std::fmt;

use weir_scanner::oci::Repository;

/// Where a repository lies: an upstream's configured name and the repository there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The upstream's configured name.
    pub upstream: String,
    /// The repository on it.
    pub repository: Repository,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.upstream, self.repository)
    }
}
