//! Which library an archive itself is, from all that speaks of it.
//!
//! Every `pom.properties` names a library of its own, the archive's and those that were packed into it; that is [`super::search`]'s.
//! Here is what the archive is beside them. The rules, none of which ever invents a version or a group:
//!
//! 1. A manifest of Apache NiFi or Jenkins states all three parts.
//! 2. Else the version is the one the manifest states of its implementation, where it names the artifact too; else the file name's, since
//!    a manifest that names something else is often that of what was packed in, and a bundle's version is padded; else what the
//!    manifest has. Without one there is no package.
//! 3. The artifact is the file name's where that states the version too, or where the table knows it; else the manifest's title
//!    where it can be one, since applications are renamed (`app.jar`); else the file name's after all.
//! 4. The group is that of Maven's folder for the artifact, the table's, the one in the bundle's name, or the manifest's vendor ID.
//! 5. Without a group it is a package only if file name or manifest name the artifact together with the version, and nothing
//!    in the archive has coordinates of its own (`service-2.0.jar` around `com.acme:app`).
//! 6. A library that a `pom.properties` names is not named again, under its own or another spelling.

use super::file_name::{FileName, plain};
use super::manifest::Manifest;
use super::{Coordinates, group};

/// All that was found in one archive itself, not in those inside.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Its path or name.
    pub(super) path: String,
    /// What each `pom.properties` states.
    pub(super) poms: Vec<Coordinates>,
    /// Group and artifact of Maven's folders.
    pub(super) places: Vec<(String, String)>,
    pub(super) manifest: Manifest,
}

/// Where an artifact's group is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// From the artifact's own name.
    Artifact,
    /// From the manifest, which may be another archive's.
    Vendor,
}

impl Evidence {
    /// The archive's own coordinates, where no `pom.properties` states them.
    pub(super) fn own(&self) -> Option<Coordinates> {
        if let Some(stated) = self.manifest.coordinates() {
            return Some(stated).filter(|stated| !self.is_named(&stated.artifact));
        }
        let mut name = FileName::parse(&self.path)?;
        if self.poms.iter().any(|pom| name.is_of(&pom.artifact)) {
            return None;
        }
        // `log4j-1.2-api` ends with no version.
        if group::known(name.stem).is_some() {
            name = FileName { artifact: name.stem, version: None, ..name };
        }
        let artifact = self.artifact(name);
        let stated = self.manifest.implementation_version().filter(|_| self.manifest_names(artifact));
        let version = stated.or(name.version).or_else(|| self.manifest.version())?;
        let (artifact, group) = match self.group(artifact) {
            Some((group, known, source)) => (known, Some((group, source))),
            None => (artifact, None),
        };
        if self.is_named(artifact) {
            return None;
        }
        let is_own = match group {
            Some((_, Source::Artifact)) => true,
            // The manifest's group and version are those of what is inside, under a new file name.
            Some((group, Source::Vendor)) => {
                !self.poms.iter().any(|pom| pom.group.as_deref() == Some(group) && pom.version == version)
            }
            None => self.poms.is_empty() && (name.version.is_some() || self.manifest_names(artifact)),
        };
        is_own.then(|| Coordinates {
            group: group.map(|(group, _)| group.to_owned()),
            artifact: artifact.to_owned(),
            version: version.to_owned(),
        })
    }

    fn artifact<'e>(&'e self, name: FileName<'e>) -> &'e str {
        let renamed = || self.manifest.title().filter(|title| !title.eq_ignore_ascii_case(name.artifact));
        let fits = |(_, _, source)| source == Source::Artifact;
        if name.version.is_some() || self.group(name.artifact).is_some_and(fits) {
            return name.artifact;
        }
        renamed().unwrap_or(name.artifact)
    }

    /// The group of an artifact, and the artifact as repositories spell it.
    fn group<'e>(&'e self, artifact: &'e str) -> Option<(&'e str, &'e str, Source)> {
        let placed = self.places.iter().find(|(_, placed)| placed == artifact);
        if let Some((group, artifact)) = placed {
            return Some((group, artifact, Source::Artifact));
        }
        if let Some((group, known)) = group::known(artifact) {
            return Some((group, known, Source::Artifact));
        }
        let bundle = self.manifest.bundle().and_then(|bundle| group::in_bundle_name(bundle, artifact));
        let vendor = || Some((self.manifest.vendor_group()?, artifact, Source::Vendor));
        bundle.map(|group| (group, artifact, Source::Artifact)).or_else(vendor)
    }

    /// Whether a `pom.properties` names the artifact already.
    fn is_named(&self, artifact: &str) -> bool {
        self.poms.iter().any(|pom| plain(&pom.artifact) == plain(artifact))
    }

    /// Whether the manifest's version is one of the artifact, and not of whatever else the manifest is about.
    fn manifest_names(&self, artifact: &str) -> bool {
        let artifact = plain(artifact);
        let ends = |name: Option<&str>| {
            name.map(plain).is_some_and(|name| {
                name.strip_suffix(&*artifact).is_some_and(|head| head.is_empty() || head.ends_with('.'))
            })
        };
        ends(self.manifest.title()) || ends(self.manifest.bundle()) || ends(self.manifest.module())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(path: &str, manifest: &str) -> Evidence {
        Evidence { path: path.to_owned(), manifest: Manifest::read(manifest.as_bytes()), ..Evidence::default() }
    }

    fn coordinates(text: &str) -> Coordinates {
        let parts: Vec<_> = text.split(':').map(str::to_owned).collect();
        let [group, artifact, version] = &parts[..] else { panic!("{text}") };
        Coordinates {
            group: Some(group.clone()).filter(|group| !group.is_empty()),
            artifact: artifact.clone(),
            version: version.clone(),
        }
    }

    #[test]
    fn an_archive_is_named_by_file_name_and_manifest() {
        for (path, manifest, expected) in [
            ("a/commons-lang-2.6.jar", "", Some("commons-lang:commons-lang:2.6")),
            ("log4j-1.2-1.2.17.jar", "Bundle-SymbolicName: org.apache.log4j\n", Some("log4j:log4j:1.2.17")),
            (
                "spring-core.jar",
                "Implementation-Title: spring-core\nImplementation-Version: 5.3.1\n",
                Some("org.springframework:spring-core:5.3.1"),
            ),
            (
                "acme-util-1.0.jar",
                "Implementation-Vendor-Id: com.acme\nImplementation-Version: 9\n",
                Some("com.acme:acme-util:1.0"),
            ),
            ("acme-util-1.0.jar", "Bundle-SymbolicName: com.acme.util\n", Some("com.acme:acme-util:1.0")),
            (
                "acme-util-1.0.jar",
                "Implementation-Title: acme-util\nImplementation-Version: 1.0.1\n",
                Some(":acme-util:1.0.1"),
            ),
            (
                "acme-util-1.0.jar",
                "Bundle-SymbolicName: com.acme.util\nBundle-Version: 1.0.0\n",
                Some("com.acme:acme-util:1.0"),
            ),
            ("acme-util-1.0-sources.jar", "Implementation-Vendor-Id: org.apache\n", Some(":acme-util:1.0")),
            (
                "app.jar",
                "Implementation-Title: shop\nImplementation-Version: 0.1-SNAPSHOT\n",
                Some(":shop:0.1-SNAPSHOT"),
            ),
            ("util.jar", "Automatic-Module-Name: com.acme.util\nBundle-Version: 1.4.0\n", Some(":util:1.4.0")),
            (
                "git.hpi",
                "Short-Name: git\nGroup-Id: org.jenkins-ci.plugins\nPlugin-Version: 4.0\n",
                Some("org.jenkins-ci.plugins:git:4.0"),
            ),
            (
                "x.nar",
                "Nar-Id: a-nar\nNar-Group: org.apache.nifi\nNar-Version: 1.9\n",
                Some("org.apache.nifi:a-nar:1.9"),
            ),
            ("log4j-1.2-api.jar", "Implementation-Version: 2.1\n", Some("org.apache.logging.log4j:log4j-1.2-api:2.1")),
            ("app.jar", "", None),
            ("app.jar", "Implementation-Title: shop\n", None),
            ("jrt-fs.jar", "Implementation-Title: Java Runtime Environment\nImplementation-Version: 17.0.15\n", None),
            ("spring3-core-3.x.jar", "", None),
            ("my app-1.0.jar", "", None),
        ] {
            assert_eq!(evidence(path, manifest).own(), expected.map(coordinates), "{path} {manifest}");
        }
    }

    #[test]
    fn what_a_pom_names_is_not_named_again() {
        let with = |path: &str, manifest: &str, pom: &str| Evidence {
            poms: vec![coordinates(pom)],
            ..evidence(path, manifest)
        };
        for (path, manifest, pom, expected) in [
            ("guava-31.1.jar", "", "com.google.guava:guava:31.1-jre", None),
            ("Jackson_Core.jar", "Implementation-Version: 2.1\n", "com.fasterxml.jackson.core:jackson-core:2.1", None),
            ("service-2.0.jar", "", "com.acme:app:2.0", None),
            ("service-2.0.jar", "Implementation-Vendor-Id: com.acme\n", "com.acme:app:2.0", None),
            (
                "service-2.0.jar",
                "Implementation-Vendor-Id: com.acme\n",
                "org.other:lib:1.0",
                Some("com.acme:service:2.0"),
            ),
            ("netty-all-4.1.jar", "", "io.netty:netty-buffer:4.1", Some("io.netty:netty-all:4.1")),
            ("log4j-1.2-api.jar", "", "org.apache.logging.log4j:log4j-1.2-api:2.19.0", None),
            ("git.hpi", "Short-Name: git\nGroup-Id: a\nPlugin-Version: 4\n", "a:git:4", None),
        ] {
            assert_eq!(with(path, manifest, pom).own(), expected.map(coordinates), "{path} {manifest} {pom}");
        }
    }

    #[test]
    fn a_folder_of_maven_gives_the_group_without_a_version() {
        let place = vec![("org.acme".to_owned(), "acme-util".to_owned())];
        let own = Evidence { places: place, ..evidence("acme-util-1.0.jar", "") }.own();
        assert_eq!(own, Some(coordinates("org.acme:acme-util:1.0")));
    }
}
