//! Ubuntu and Ubuntu Pro, which is kept apart.

use weir_scanner::finding::FixState;
use weir_scanner::layer::ChannelKind;
use weir_scanner::package::PackageType;
use weir_scanner::verdict::Verdict;

use crate::support::{Image, shared, written};

#[test]
fn a_fix_that_only_pro_has_is_on_offer() {
    let Some(source) = shared("Ubuntu", &["UBUNTU-CVE-2005-1515"]) else { return };
    let image =
        |version: &str| Image::of("ubuntu 14.04").built(PackageType::Deb, "qmail", version, ("netqmail", version));
    let found = image("1.06-5").matched(&source);
    let finding = &found.findings[0];
    assert_eq!((finding.id.as_str(), finding.fix_state), ("CVE-2005-1515", FixState::Pro));
    assert_eq!(finding.fixed_version.as_deref(), Some("1.06-6.2~deb10u1build0.14.04.1+esm1"));
    assert_eq!(Verdict::of(&found).fixable, 0, "not by this image");
    let enabled = image("1.06-5").channel(ChannelKind::UbuntuPro, "esm-infra").matched(&source);
    assert_eq!((enabled.findings[0].fix_state, Verdict::of(&enabled).fixable), (FixState::Fixed, 1));
    assert!(image("1.06-6.2~deb10u1build0.14.04.1+esm1").matched(&source).findings.is_empty());
    // In a release with standard support the fix is everybody's.
    let xenial = Image::of("ubuntu 16.04").package(PackageType::Deb, "netqmail", "1.06-5").matched(&source);
    assert_eq!(xenial.findings[0].fix_state, FixState::Fixed);
}

const BOTH: &str = r#"{"id":"UBUNTU-CVE-2024-1","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2024-1"],
    "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},{"type":"Ubuntu","score":"low"}],
    "affected":[
      {"package":{"ecosystem":"Ubuntu:20.04:LTS","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]},
      {"package":{"ecosystem":"Ubuntu:Pro:20.04:LTS","name":"a"},
       "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.0-1ubuntu0.1~esm2"}]}]},
      {"package":{"ecosystem":"Ubuntu:Pro:FIPS:20.04:LTS","name":"a"},
       "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.0-1ubuntu0.fips.9"}]}]}]}"#;

#[test]
fn pro_has_the_last_word_where_the_image_has_pro() {
    let source = written(&[BOTH]);
    let image = |version: &str| Image::of("ubuntu 20.04").package(PackageType::Deb, "a", version);
    let state = |image: &Image| image.matched(&source).findings.first().map(|finding| finding.fix_state);
    assert_eq!(state(&image("1.0-1")), Some(FixState::Pro));
    assert_eq!(state(&image("1.0-1").channel(ChannelKind::UbuntuPro, "esm-apps")), Some(FixState::Fixed));
    // The standard entry knows no fix, but this is Pro's build.
    assert_eq!(state(&image("1.0-1ubuntu0.1~esm2")), None);
    assert_eq!(state(&image("1.0-1ubuntu0.1~esm1")), Some(FixState::Fixed));
    // A version above Pro's fix that is not Pro's: the standard entry decides.
    assert_eq!(state(&image("2.0-1")), Some(FixState::None));
}

#[test]
fn services_that_are_not_enabled_do_not_speak() {
    let source = written(&[BOTH]);
    let fips = |version: &str| {
        Image::of("ubuntu 20.04").channel(ChannelKind::UbuntuPro, "fips").package(PackageType::Deb, "a", version)
    };
    assert!(fips("1.0-1ubuntu0.fips.9").ids(&source).is_empty());
    assert_eq!(fips("1.0-1ubuntu0.fips.8").ids(&source), ["CVE-2024-1"]);
    let fix = Image::of("ubuntu 20.04").package(PackageType::Deb, "a", "1.0-1").told(&source)[0].2.clone();
    assert_eq!(fix.as_deref(), Some("1.0-1ubuntu0.1~esm2"), "not FIPS's");
}

#[test]
fn ubuntus_priority_goes_before_the_vector_beside_it() {
    let found = Image::of("ubuntu 20.04").package(PackageType::Deb, "a", "1.0-1").matched(&written(&[BOTH]));
    let finding = &found.findings[0];
    assert_eq!((finding.severity.name(), finding.rated_by.as_deref()), ("low", Some("Ubuntu")));
    assert_eq!(finding.ratings.len(), 2, "both are kept");
    let feeds: Vec<_> = found.feeds.iter().map(|feed| feed.ecosystem.as_str()).collect();
    assert_eq!(feeds, ["Ubuntu:20.04:LTS", "Ubuntu:Pro:20.04:LTS"]);
}

#[test]
fn nvidias_builds_are_another_release() {
    let source = written(&[r#"{"id":"UBUNTU-CVE-2024-2","modified":"2024-01-01T00:00:00Z","affected":[
        {"package":{"ecosystem":"Ubuntu:22.04:LTS:for:NVIDIA:BlueField","name":"a"},
         "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#]);
    let found = Image::of("ubuntu 22.04").package(PackageType::Deb, "a", "1").matched(&source);
    assert_eq!((found.findings.len(), found.missing_feeds.join(" ")), (0, "Ubuntu:22.04:LTS".into()));
}
