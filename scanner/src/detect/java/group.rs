//! The group of an artifact that no `pom.properties` states: from a table of well-known ones, else from the bundle's name.

use std::collections::HashMap;
use std::sync::LazyLock;

/// File name's artifact to group and artifact.
static KNOWN: LazyLock<HashMap<&str, (&str, &str)>> = LazyLock::new(|| entries().collect());

fn entries() -> impl Iterator<Item = (&'static str, (&'static str, &'static str))> {
    let lines = include_str!("groups.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (name, coordinates) = line.split_once(' ')?;
        Some((name, coordinates.split_once(':')?))
    })
}

/// Group and artifact of a well-known library.
pub(super) fn known(artifact: &str) -> Option<(&'static str, &'static str)> {
    KNOWN.get(artifact).copied()
}

/// The group that, with `artifact`, makes the name Maven gives a bundle: `org.apache.felix` for `org.apache.felix.framework`.
///
/// The bundle plugin joins both by a dot, and leaves out of the artifact what the group ends with already. An artifact that
/// is the group's last component leaves no trace, so that without a hyphen in the artifact the group stays open
/// (`com.google.guava` of `guava` may be `com.google`).
pub(super) fn in_bundle_name<'b>(bundle: &'b str, artifact: &str) -> Option<&'b str> {
    let before = |tail: &str| bundle.strip_suffix(tail)?.strip_suffix('.').filter(|group| group.contains('.'));
    if !artifact.contains('-') {
        return None;
    }
    let shortened = artifact.match_indices('-').find_map(|(at, _)| {
        let (head, rest) = (&artifact[..at], &artifact[at + 1..]);
        let group = before(rest).or_else(|| before(&rest.replace('-', ".")).filter(|_| rest.contains('-')))?;
        (group.rsplit('.').next() == Some(head)).then_some(group)
    });
    before(artifact).or(shortened)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::part;
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let lines = include_str!("groups.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(lines.count(), KNOWN.len(), "a line is broken, or a name is there twice");
        let names: BTreeSet<_> = entries().map(|(name, _)| name).collect();
        assert_eq!(names.len(), KNOWN.len());
        for (name, (group, artifact)) in entries() {
            assert!([name, group, artifact].into_iter().all(|text| part(text) == Some(text)), "{name}");
        }
        assert_eq!(known("log4j-1.2"), Some(("log4j", "log4j")));
        assert_eq!(known("nobody-knows"), None);
    }

    #[test]
    fn the_bundle_name_gives_the_group_away_where_it_is_the_only_one() {
        for (bundle, artifact, group) in [
            ("com.fasterxml.jackson.core.jackson-core", "jackson-core", Some("com.fasterxml.jackson.core")),
            ("org.apache.logging.log4j.core", "log4j-core", Some("org.apache.logging.log4j")),
            ("org.apache.logging.log4j.1.2-api", "log4j-1.2-api", Some("org.apache.logging.log4j")),
            ("io.netty.common", "netty-common", Some("io.netty")),
            ("com.google.guava", "guava", None),
            ("spring.core", "spring-core", None),
            ("org.osgi.core", "org.osgi.core", None),
            ("org.example.other", "log4j-core", None),
            ("", "a-b", None),
        ] {
            assert_eq!(in_bundle_name(bundle, artifact), group, "{bundle} {artifact}");
        }
    }
}
