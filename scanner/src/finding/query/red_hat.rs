//! Which of Red Hat's products speak for a package. Its advisories name them by CPE: `enterprise_linux:9::appstream` for a stream of the
//! system, `rhel_eus:9.2::baseos` for extended support, `openshift:4.14::el9` for a product installed on top of it.
//!
//! The system's own streams always speak. Extended support and layered products speak where a content set of the image names them, since
//! they build packages of the same names as the system's. Whose a package then is shows in its release: `el9_4` is the system's build for a
//! minor, `el9ap` or `rhaos4.14.el9` a product's; plain `el9` is used by both.

use super::Standing;
use crate::layer::{Channel, ChannelKind};
use crate::package::Distribution;

/// Extended support, by the word in names of content sets and the product in advisories.
const EXTENDED: [(&str, &str); 4] =
    [("aus", "rhel_aus"), ("e4s", "rhel_e4s"), ("eus", "rhel_eus"), ("tus", "rhel_tus")];

/// Layered products: the head of their content sets, the product in advisories, and the mark of their builds.
const LAYERED: [(&str, &str, &str); 8] = [
    ("ansible-automation-platform", "ansible_automation_platform", "ap"),
    ("jb-coreservices", "jboss_core_services", "jbcs"),
    ("jb-eap", "jboss_enterprise_application_platform", "eap"),
    ("jws", "jboss_enterprise_web_server", "jws"),
    ("openstack", "openstack", "ost"),
    ("rhceph", "ceph_storage", "cp"),
    ("rhocp", "openshift", "rhaos"),
    ("satellite", "satellite", "sat"),
];

/// What an image and a package say of the products a package may come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedHatProducts {
    /// Extended support the content sets name, as advisories do: `rhel_eus:9.2`.
    extended: Vec<String>,
    /// Layered products the content sets name, as advisories do: `openshift:4.14`.
    layered: Vec<String>,
    /// Whether the package's release says that it is a build of `layered`.
    is_marked: bool,
}

impl RedHatProducts {
    /// Those the content sets of an image name.
    pub(super) fn of(distribution: &Distribution, channels: &[Channel]) -> Self {
        let sets = || channels.iter().filter(|channel| channel.kind == ChannelKind::ContentSet).map(|set| &*set.name);
        let major = distribution.version.split('.').next().unwrap_or_default();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names.dedup();
            names
        };
        Self {
            extended: sorted(sets().filter_map(|set| extended(set, &distribution.version)).collect()),
            layered: sorted(sets().filter_map(|set| layered(set, major)).collect()),
            is_marked: false,
        }
    }

    /// For a package of that version: a build of the system's is no product's, and a product's no other's.
    pub(super) fn for_version(mut self, version: &str) -> Self {
        if self.layered.is_empty() {
            return self;
        }
        let marks: Vec<&str> = version.split(['.', '-']).filter_map(mark).collect();
        if let Some((_, product, _)) = LAYERED.iter().find(|(.., mark)| marks.contains(mark)) {
            self.layered.retain(|known| known.split_once(':').is_some_and(|(name, _)| name == *product));
            self.is_marked = true;
        } else if marks.iter().any(|mark| mark.starts_with('_')) {
            self.layered.clear();
        }
        self
    }

    /// How an entry of `release` stands to a question of `own`, both named after CPEs.
    pub(super) fn standing(&self, own: &str, release: &str) -> Option<Standing> {
        let (product, version) = product(release)?;
        let (own_product, own_version) = self::product(own)?;
        let major = own_version.split('.').next()?;
        if product == own_product && version.split('.').next() == Some(major) {
            return Some(Standing::Own);
        }
        if self.extended.iter().any(|name| name.split_once(':') == Some((product, version))) {
            return Some(Standing::Special);
        }
        // `el9` says which system the builds are for; other streams say what they are part of.
        let stream = release.split(':').nth(3).and_then(|stream| stream.strip_prefix("el"));
        let is_for_system = stream.is_none_or(|system| system == major);
        let named =
            |name: &String| name.split_once(':').is_some_and(|(name, of)| name == product && holds(of, version));
        let speaks = is_for_system && self.layered.iter().any(named);
        speaks.then_some(if self.is_marked { Standing::Special } else { Standing::Layered })
    }
}

/// Product and version of a release named after a CPE, with or without its stream.
fn product(release: &str) -> Option<(&str, &str)> {
    let mut parts = release.split(':');
    Some((parts.next()?, parts.next().filter(|version| !version.is_empty())?))
}

/// Whether one version is the other, or a part of it: content sets and advisories do not always count to the same depth.
fn holds(one: &str, other: &str) -> bool {
    let begins =
        |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    begins(one, other) || begins(other, one)
}

/// The extended support a content set stands for: `rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_6`, or the release itself where the
/// set does not say which.
fn extended(set: &str, version: &str) -> Option<String> {
    let (name, minor) = set.split_once("__").map_or((set, None), |(name, minor)| (name, Some(minor)));
    let (_, product) = EXTENDED.iter().find(|(word, _)| name.split('-').any(|part| part == *word))?;
    let minor = minor.map(|minor| minor.replace("_DOT_", ".")).unwrap_or_else(|| version.to_owned());
    Some(format!("{product}:{minor}"))
}

/// The layered product a content set stands for on a system of that major: `rhocp-4.14-for-rhel-9-x86_64-rpms`,
/// `rhceph-6-tools-for-rhel-9-x86_64-rpms`.
fn layered(set: &str, major: &str) -> Option<String> {
    let (head, system) = set.split_once("-for-rhel-")?;
    if system.split('-').next() != Some(major) {
        return None;
    }
    let head = head.strip_suffix("-tools").unwrap_or(head);
    let (name, version) = head.rsplit_once('-')?;
    let (_, product, _) = LAYERED.iter().find(|(known, ..)| *known == name)?;
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| format!("{product}:{version}"))
}

/// What a part of an RPM's release says of who built it: `_4` of `el9_4`, `ap` of `el9ap`, `rhaos` of `rhaos4`.
fn mark(part: &str) -> Option<&str> {
    let digit = |c: char| c.is_ascii_digit();
    let mark = match part.strip_prefix("el") {
        Some(system) if system.starts_with(digit) => system.trim_start_matches(digit),
        _ => part.strip_prefix("rhaos").map(|_| "rhaos")?,
    };
    (!mark.is_empty()).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "enterprise_linux:9";

    fn products(sets: &[&str]) -> RedHatProducts {
        let distribution = Distribution { id: "rhel".into(), version: "9.2".into(), pretty_name: None };
        let sets = sets.iter().map(|set| Channel { kind: ChannelKind::ContentSet, name: (*set).to_owned() });
        RedHatProducts::of(&distribution, &sets.collect::<Vec<_>>())
    }

    #[test]
    fn every_stream_of_the_major_speaks_and_extended_support_where_the_image_has_it() {
        let plain = products(&["rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"]);
        let eus = products(&["rhel-9-for-x86_64-baseos-eus-rpms"]);
        let e4s = products(&["rhel-9-for-x86_64-appstream-e4s-rpms__9_DOT_0"]);
        for (products, release, standing) in [
            (&plain, "enterprise_linux:9::baseos", Some(Standing::Own)),
            (&plain, "enterprise_linux:9::appstream", Some(Standing::Own)),
            (&plain, "enterprise_linux:9::crb", Some(Standing::Own)),
            (&plain, "enterprise_linux:9", Some(Standing::Own)),
            (&plain, "enterprise_linux:9.4::baseos", Some(Standing::Own)),
            (&plain, "enterprise_linux:8::baseos", None),
            (&plain, "enterprise_linux:90::baseos", None),
            (&plain, "openshift:4.12::el9", None),
            (&plain, "rhel_eus:9.2::baseos", None),
            (&eus, "rhel_eus:9.2::baseos", Some(Standing::Special)),
            (&eus, "rhel_eus:9.0::baseos", None),
            (&eus, "rhel_e4s:9.2::baseos", None),
            (&e4s, "rhel_e4s:9.0::appstream", Some(Standing::Special)),
        ] {
            assert_eq!(products.standing(OWN, release), standing, "{products:?} {release}");
        }
    }

    #[test]
    fn a_layered_product_speaks_where_a_content_set_names_it() {
        let sets = [
            "rhocp-4.14-for-rhel-9-x86_64-rpms",
            "jws-5-for-rhel-9-x86_64-rpms",
            "rhceph-6-tools-for-rhel-9-x86_64-rpms",
        ];
        let with = products(&sets);
        let of_eight =
            products(&["rhocp-4.14-for-rhel-8-x86_64-rpms", "rhocp-for-rhel-9-x86_64-rpms", "other-1-for-rhel-9"]);
        for (products, release, standing) in [
            (&with, "openshift:4.14::el9", Some(Standing::Layered)),
            (&with, "openshift:4::el9", Some(Standing::Layered)),
            (&with, "openshift:4.14", Some(Standing::Layered)),
            (&with, "openshift:4.14::el8", None),
            (&with, "openshift:4.1::el9", None),
            (&with, "openshift:4.140::el9", None),
            (&with, "openshift_ironic:4.14::el9", None),
            (&with, "jboss_enterprise_web_server:5.7::el9", Some(Standing::Layered)),
            (&with, "ceph_storage:6.1::el9", Some(Standing::Layered)),
            (&with, "ansible_automation_platform:2.4::el9", None),
            (&of_eight, "openshift:4.14::el9", None),
        ] {
            assert_eq!(products.standing(OWN, release), standing, "{products:?} {release}");
        }
    }

    #[test]
    fn a_release_shows_whose_build_a_package_is() {
        let sets = ["rhocp-4.14-for-rhel-9-x86_64-rpms", "ansible-automation-platform-2.4-for-rhel-9-x86_64-rpms"];
        let (openshift, ansible) = ("openshift:4.14::el9", "ansible_automation_platform:2.4::el9");
        for (version, of_openshift, of_ansible) in [
            ("1.27.1-8.rhaos4.14.git3fecb83.el9", Some(Standing::Special), None),
            ("2.14.2-4.el9ap", None, Some(Standing::Special)),
            ("7.76.1-26.el9_3.2", None, None),
            ("4.14.0-1.el9", Some(Standing::Layered), Some(Standing::Layered)),
            ("1.0-1.el9fdp", Some(Standing::Layered), Some(Standing::Layered)), // a mark nobody here knows
            ("", Some(Standing::Layered), Some(Standing::Layered)),
        ] {
            let products = products(&sets).for_version(version);
            let standing = (products.standing(OWN, openshift), products.standing(OWN, ansible));
            assert_eq!(standing, (of_openshift, of_ansible), "{version}");
        }
    }
}
