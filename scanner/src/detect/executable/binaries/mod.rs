//! Programs that images ship without a package manager, by a table of rules in data.
//!
//! A rule applies to files of certain names and to no other, so that the rest cost a look at their name. Its pattern is looked for as
//! the file passes, and says by what the program itself prints which version it is; of a file with the
//! right name that does not say so, nothing is claimed. `binaries.toml` tells how rules are written.

mod rules;
mod watch;

use rules::TABLE;

pub(crate) use watch::Binaries;

/// Under which names the NVD keeps a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpe {
    /// Who makes it.
    pub vendor: String,
    /// What it is called.
    pub product: String,
}

/// The NVD's names of a program of the table, by its package's name.
pub fn cpe(name: &str) -> Option<&'static Cpe> {
    TABLE.rules.iter().find(|rule| rule.name == name).map(|rule| &rule.cpe)
}
