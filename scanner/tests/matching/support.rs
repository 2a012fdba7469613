//! Images of a few packages, sources of a few records, and what matching the one with the other tells.

use std::fs::File;
use std::path::PathBuf;

use weir_scanner::advisory::archive::AdvisoryArchive;
use weir_scanner::advisory::{Advisory, MemoryAdvisories, osv};
use weir_scanner::finding::{Finding, ImageFindings, match_image};
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::layer::{Channel, ChannelKind};
use weir_scanner::package::{Distribution, Package, PackageType, SourcePackage, package_url};

/// Shared records by id, each read in place from its ecosystem's archive; `None` where the archives are not there.
pub(crate) fn shared(ecosystem: &str, ids: &[&str]) -> Option<MemoryAdvisories> {
    let mut source = MemoryAdvisories::new(i64::MAX);
    add(&mut source, ecosystem, ids)?;
    Some(source)
}

/// Every shared record of an ecosystem; `None` where its archive is not there.
pub(crate) fn all(ecosystem: &str) -> Option<Vec<Advisory>> {
    Some(archive(ecosystem)?.only(|_| true).map(Result::unwrap).collect())
}

/// Adds shared records to a source.
pub(crate) fn add(source: &mut MemoryAdvisories, ecosystem: &str, ids: &[&str]) -> Option<()> {
    let archive = archive(ecosystem)?;
    let mut found = 0;
    for record in archive.only(|id| ids.contains(&id)) {
        source.insert(record.unwrap());
        found += 1;
    }
    assert_eq!(found, ids.len(), "{ecosystem} has {ids:?}");
    Some(())
}

fn archive(ecosystem: &str) -> Option<AdvisoryArchive<File>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/advisories/osv");
    let path: PathBuf = [folder, ecosystem, "all.zip"].iter().collect();
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return None;
    };
    Some(AdvisoryArchive::open(file).unwrap())
}

/// Records written as JSON.
pub(crate) fn written(records: &[&str]) -> MemoryAdvisories {
    let mut source = MemoryAdvisories::new(i64::MAX);
    for json in records {
        let record: Advisory = osv::read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        source.insert(record);
    }
    source
}

/// An image being put together.
#[derive(Clone, Debug)]
pub(crate) struct Image(ImageInventory);

impl Image {
    /// Of a distribution given as `ID VERSION`, or of none.
    pub(crate) fn of(release: &str) -> Self {
        let distribution = release.split_once(' ').map(|(id, version)| Distribution {
            id: id.into(),
            version: version.into(),
            pretty_name: None,
        });
        Self(ImageInventory {
            status: ScanStatus::Complete,
            reasons: Vec::new(),
            distribution,
            channels: Vec::new(),
            packages: Vec::new(),
            risks: Vec::new(),
        })
    }

    /// With the name its release has for people.
    pub(crate) fn named(mut self, pretty_name: &str) -> Self {
        let distribution = self.0.distribution.as_mut().unwrap();
        distribution.pretty_name = Some(pretty_name.to_owned());
        self
    }

    pub(crate) fn channel(mut self, kind: ChannelKind, name: &str) -> Self {
        self.0.channels.push(Channel { kind, name: name.to_owned() });
        self
    }

    pub(crate) fn package(self, package_type: PackageType, name: &str, version: &str) -> Self {
        self.with(Package::new(package_type, name, version))
    }

    /// A package of a source package.
    pub(crate) fn built(self, package_type: PackageType, name: &str, version: &str, source: (&str, &str)) -> Self {
        let source = Some(SourcePackage { name: source.0.into(), version: source.1.into() });
        self.with(Package { source, ..Package::new(package_type, name, version) })
    }

    /// An RPM of a module and stream.
    pub(crate) fn modular(self, name: &str, version: &str, module: &str) -> Self {
        let module = Some(format!("{module}:8090020240101000000:a75119d5"));
        self.with(Package { module, ..Package::new(PackageType::Rpm, name, version) })
    }

    pub(crate) fn with(mut self, package: Package) -> Self {
        let purl = package_url(&package, self.0.distribution.as_ref());
        self.0.packages.push(ImagePackage { package, purl, layer: 0, paths: Vec::new(), owner: None });
        self
    }

    /// Makes the package added last the property of another, by its place.
    pub(crate) fn owned_by(mut self, index: usize) -> Self {
        let owner = self.0.packages[index].purl.clone();
        self.0.packages.last_mut().unwrap().owner = Some(owner);
        self
    }

    pub(crate) fn matched(&self, source: &MemoryAdvisories) -> ImageFindings {
        match_image(&self.0, source).unwrap()
    }

    /// Id, installed name and fix of each finding, sorted by id.
    pub(crate) fn told(&self, source: &MemoryAdvisories) -> Vec<(String, String, Option<String>)> {
        let mut told: Vec<_> = self.matched(source).findings.iter().map(tell).collect();
        told.sort();
        told
    }

    /// Only the ids of findings, sorted, each once.
    pub(crate) fn ids(&self, source: &MemoryAdvisories) -> Vec<String> {
        let mut ids: Vec<_> = self.matched(source).findings.into_iter().map(|finding| finding.id).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

fn tell(finding: &Finding) -> (String, String, Option<String>) {
    let name = finding.package.rsplit('/').next().unwrap();
    let name = name.split('@').next().unwrap();
    (finding.id.clone(), name.to_owned(), finding.fixed_version.clone())
}

/// The ids of findings for one package of a language.
pub(crate) fn ids_of(source: &MemoryAdvisories, package_type: PackageType, name: &str, version: &str) -> Vec<String> {
    Image::of("").package(package_type, name, version).ids(source)
}
