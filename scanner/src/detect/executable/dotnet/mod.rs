//! .NET: the manifest beside an application, and what its assemblies say of themselves.

mod assembly;
mod manifest;
mod resource;

pub(crate) use assembly::Assemblies;
pub(crate) use manifest::DependencyManifests;
