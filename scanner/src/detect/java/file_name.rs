//! What an archive's file name says: `artifact-1.2.3.jar`, `artifact-1.2.3-classifier.jar`, a bundle's `name_1.2.3.v2010.jar`.
//!
//! Artifacts and versions both hold hyphens and digits (`log4j-1.2-api-2.19.0`, `postgresql-9.4-1201-jdbc41`), so
//! that the version begins at the last component that is a number with a dot; a snapshot's time is none.

use super::{MAX_PART, part, version};

/// Classifiers: words behind the version that tell variants of one release apart and are no part of it.
const CLASSIFIERS: [&str; 21] = [
    "all",
    "bin",
    "boot",
    "dist",
    "exec",
    "fat",
    "indy",
    "jakarta",
    "jar",
    "javadoc",
    "natives",
    "no_aop",
    "nodeps",
    "plain",
    "runner",
    "shaded",
    "sources",
    "standalone",
    "test",
    "tests",
    "uber",
];
/// What classifiers of native code and of Java releases begin with.
const CLASSIFIER_HEADS: [&str; 6] = ["freebsd", "jdk", "linux", "osx", "macosx", "windows"];

/// A file name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName<'n> {
    /// All but the extension.
    pub(super) stem: &'n str,
    /// The artifact; all but the extension where there is no version.
    pub(super) artifact: &'n str,
    pub(super) version: Option<&'n str>,
}

impl<'n> FileName<'n> {
    /// Takes the last component of a path apart; `None` where it can name no artifact.
    pub(super) fn parse(path: &'n str) -> Option<Self> {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let (stem, _) = name.rsplit_once('.').filter(|(stem, _)| stem.len() <= MAX_PART)?;
        let Some(start) = version_start(stem).or_else(|| bundle_version_start(stem)) else {
            return Some(Self { stem, artifact: part(stem)?, version: None });
        };
        let number = without_classifier(&stem[start..]);
        // Debian names a whole series `3.x`.
        let number = version(number).filter(|number| !number.split(['.', '-']).any(|piece| piece == "x"));
        Some(Self { stem, artifact: part(&stem[..start - 1])?, version: number })
    }

    /// Whether the name is an artifact's, alone or with a version, wherever the version seemed to begin.
    pub(super) fn is_of(&self, artifact: &str) -> bool {
        let head = self.stem.get(..artifact.len()).filter(|head| plain(head) == plain(artifact));
        head.is_some_and(|head| match self.stem[head.len()..].strip_prefix('-') {
            Some(rest) => rest.starts_with(|first: char| first.is_ascii_digit()),
            None => head.len() == self.stem.len(),
        })
    }
}

/// A name without what tells spellings of one name apart.
pub(super) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_'], ".")
}

/// Where the version begins behind a hyphen.
fn version_start(stem: &str) -> Option<usize> {
    let starts = || stem.match_indices('-').map(|(at, _)| at + 1).filter(|at| *at > 1);
    let component = |at: usize| stem[at..].split('-').next().unwrap_or_default();
    let number = |at: &usize| component(*at).starts_with(|first: char| first.is_ascii_digit());
    let dotted = |at: &usize| component(*at).contains('.') && !is_time(component(*at));
    starts().filter(number).rfind(dotted).or_else(|| starts().find(number))
}

/// A snapshot's time: `20210131.123456`.
fn is_time(component: &str) -> bool {
    component.split_once('.').is_some_and(|(day, time)| {
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(day, 8) && digits(time, 6)
    })
}

/// Where the version begins behind an underscore: three numbers at least, since Scala's own version has two.
fn bundle_version_start(stem: &str) -> Option<usize> {
    let at = stem.rfind('_').filter(|at| *at > 0)? + 1;
    let mut numbers = stem[at..].split('.').take(3);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (stem[at..].matches('.').count() >= 2 && numbers.all(number)).then_some(at)
}

fn without_classifier(version: &str) -> &str {
    let known = |word: &str| {
        let word = word.to_ascii_lowercase();
        CLASSIFIERS.contains(&&*word) || CLASSIFIER_HEADS.iter().any(|head| word.starts_with(head))
    };
    let mut hyphens = version.match_indices('-').map(|(at, _)| at);
    let end = hyphens.find(|at| version[at + 1..].split('-').next().is_some_and(known));
    &version[..end.unwrap_or(version.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, artifact, version) in [
            ("log4j-core-2.14.1.jar", "log4j-core", Some("2.14.1")),
            ("WEB-INF/lib/spring-core-5.3.18.RELEASE.jar", "spring-core", Some("5.3.18.RELEASE")),
            ("log4j-1.2-1.2.17.jar", "log4j-1.2", Some("1.2.17")),
            ("log4j-1.2-api-2.19.0.jar", "log4j-1.2-api", Some("2.19.0")),
            ("guava-31.1-jre.jar", "guava", Some("31.1-jre")),
            ("app-1.0-SNAPSHOT.war", "app", Some("1.0-SNAPSHOT")),
            ("app-1.0-20210131.123456-7.jar", "app", Some("1.0-20210131.123456-7")),
            ("foo-1.0-beta-1.jar", "foo", Some("1.0-beta-1")),
            ("foo-1.0-2.jar", "foo", Some("1.0-2")),
            ("json-20210307.jar", "json", Some("20210307")),
            ("commons-io-20030203.000550.jar", "commons-io", Some("20030203.000550")),
            ("postgresql-9.4-1201-jdbc41.jar", "postgresql", Some("9.4-1201-jdbc41")),
            ("bcprov-jdk15on-1.68.jar", "bcprov-jdk15on", Some("1.68")),
            ("jsr305-3.0.2.jar", "jsr305", Some("3.0.2")),
            ("spark-core_2.12-3.1.2.jar", "spark-core_2.12", Some("3.1.2")),
            ("geronimo-servlet_3.0_spec-1.0.jar", "geronimo-servlet_3.0_spec", Some("1.0")),
            ("netty-tcnative-2.0.39.Final-linux-x86_64.jar", "netty-tcnative", Some("2.0.39.Final")),
            ("app-1.0-jar-with-dependencies.jar", "app", Some("1.0")),
            ("testng-6.8-jdk15.jar", "testng", Some("6.8")),
            ("org.eclipse.core.runtime_3.7.0.v20110110.jar", "org.eclipse.core.runtime", Some("3.7.0.v20110110")),
            ("kafka_2.13.jar", "kafka_2.13", None),
            ("spring3-core-3.x.jar", "spring3-core", None),
            ("guava-r09.jar", "guava-r09", None),
            ("app.jar", "app", None),
            ("a-.jar", "a-", None),
        ] {
            let parsed = FileName::parse(name).unwrap();
            assert_eq!((parsed.artifact, parsed.version), (artifact, version), "{name}");
        }
        for name in ["", "jar", "-1.0.jar", "my app.jar", "_1.2.3.jar/", "über-1.0.jar"] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_is_an_artifacts_by_its_beginning() {
        for (name, artifact, expected) in [
            ("log4j-1.2-api.jar", "log4j-1.2-api", true),
            ("log4j-1.2-api-2.19.0.jar", "log4j-1.2-api", true),
            ("Jackson_Core-2.jar", "jackson-core", true),
            ("netty-all-4.1.jar", "netty", false),
            ("ab.jar", "a", false),
            ("a.jar", "ab", false),
        ] {
            assert_eq!(FileName::parse(name).unwrap().is_of(artifact), expected, "{name} {artifact}");
        }
    }
}
