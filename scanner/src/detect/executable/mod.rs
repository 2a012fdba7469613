//! Programs: what they say of the modules they were built from, and of their own version.
//!
//! Owns what is read from ELF, PE and Mach-O files, and the table of programs that images ship without a package manager. The head
//! decides what a file is; what is looked for is then found as the file passes, and only what was found is kept, so a
//! program of any size costs its search and no memory. Whether a file belongs to a distribution's package is
//! for [`crate::image`] to say.

mod binaries;
mod dotnet;
mod format;
mod go;
mod rust;
mod stream;

pub use binaries::{Cpe, cpe};

pub(crate) use binaries::Binaries;
pub(crate) use dotnet::{Assemblies, DependencyManifests};
pub(crate) use go::GoPrograms;
pub(crate) use rust::RustPrograms;
