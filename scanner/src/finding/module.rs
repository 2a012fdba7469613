//! Modular RPMs: which advisories speak of the stream a package comes from.
//!
//! A module has several streams of one package in one repository, and an advisory is for one of them, or for a few: compared with
//! another's fix, every version of an older stream is affected and every one of a newer is not. The advisories have no field for it;
//! their summaries name `NAME:STREAM`. Where one does not, the version of the module's namesake tells the stream.

use super::query::Query;
use crate::advisory::{Advisory, RangeEvent};

/// What a version built as part of a module has in its release: `.module_el8.9.0+3646+acd210d0`, `.module+el8.8.0+…`.
const MARK: &str = ".module";

/// Whether a version was built as part of a module.
pub(super) fn is_modular(version: &str) -> bool {
    version.contains(MARK)
}

/// The version without the mark of the module's build, of which one source gets several; what follows it stays, being a
/// further release: `6.0.8-3.module_el8.8.0+3665+0b8dabc5.1` is `6.0.8-3.1`.
pub(super) fn without_build(version: &str) -> String {
    let Some(at) = version.find(MARK) else { return version.to_owned() };
    let (head, build) = version.split_at(at);
    // Platform, number and commit are joined by plus signs; the commit has no dot.
    let tail = build.rsplit_once('+').and_then(|(_, commit)| commit.split_once('.')).map(|(_, tail)| tail);
    tail.map_or_else(|| head.to_owned(), |tail| format!("{head}.{tail}"))
}

/// Whether a record speaks of the module and stream a question is for. A question without one, whose version says that it is modular
/// all the same, takes any.
pub(super) fn speaks_of_stream(advisory: &Advisory, query: &Query) -> bool {
    let Some((module, stream)) = query.module.as_deref().and_then(|module| module.split_once(':')) else {
        return true;
    };
    let mut named = streams(&advisory.summary).peekable();
    if named.peek().is_some() {
        return named.any(|named| named == (module, stream));
    }
    let mut fixes = advisory
        .affected
        .iter()
        .filter(|affected| affected.package == module && query.standing(&affected.ecosystem).is_some())
        .flat_map(|affected| &affected.ranges)
        .flat_map(|range| &range.events)
        .filter_map(|event| if let RangeEvent::Fixed(fix) = event { Some(fix.as_str()) } else { None })
        .peekable();
    let numbered = stream.starts_with(|first: char| first.is_ascii_digit());
    !numbered || fixes.peek().is_none() || fixes.any(|fix| begins_with(fix, stream))
}

/// Whether a version's upstream part is of a stream: `2:2.5.9-112…` of `2.5`.
fn begins_with(version: &str, stream: &str) -> bool {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    version.strip_prefix(stream).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// The modules and streams a summary names: `Important: nodejs:18 security update`, `httpd:2.4/mod_http2 …`.
fn streams(summary: &str) -> impl Iterator<Item = (&str, &str)> {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+'))
    };
    summary.split([' ', ',', '(', ')', ';']).filter_map(move |word| {
        let (module, stream) = word.split_once(':')?;
        let stream = stream.split('/').next().unwrap_or(stream);
        (plain(module) && plain(stream)).then_some((module, stream))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_name_streams() {
        for (summary, expected) in [
            ("Important: nodejs:18 security update", &[("nodejs", "18")][..]),
            ("Moderate: httpd:2.4/httpd security update", &[("httpd", "2.4")]),
            ("Important: mariadb:10.3, galera (galera:3) update", &[("mariadb", "10.3"), ("galera", "3")]),
            ("Important: container-tools:rhel8 security", &[("container-tools", "rhel8")]),
            ("Important: ruby security update", &[]),
        ] {
            assert_eq!(streams(summary).collect::<Vec<_>>(), expected, "{summary}");
        }
    }

    #[test]
    fn a_build_of_a_module_is_no_release() {
        for (version, without) in [
            ("2.4.37-62.module_el8.9.0+3646+acd210d0", "2.4.37-62"),
            ("1:18.17.1-1.module+el8.8.0+19757+8ca87034", "1:18.17.1-1"),
            ("6.0.8-3.module_el8.8.0+3665+0b8dabc5.1.alma.1", "6.0.8-3.1.alma.1"),
            ("3.0.9-1.el9", "3.0.9-1.el9"),
            ("1.module", "1"),
        ] {
            assert_eq!(without_build(version), without, "{version}");
        }
    }
}
