//! Which releases of an ecosystem speak for a question, and in which order they are heard.

use crate::layer::{Channel, ChannelKind};
use crate::package::{Distribution, Ecosystem};

/// Which releases of the question's ecosystem speak for it. Entries that name no release speak for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Releases {
    /// The question's own.
    Own,
    /// Every one, each a repository of one namespace of packages (Maven's, Packagist's).
    Any,
    /// An Ubuntu release and what Ubuntu Pro adds to it.
    Ubuntu {
        /// Whether the package comes from Pro, or Pro is enabled: then Pro's word is the last one.
        pro: bool,
        /// Releases of further services that are enabled: `Pro:FIPS:20.04:LTS`.
        services: Vec<String>,
    },
    /// Every stream of a major release of Red Hat Enterprise Linux.
    RedHat {
        /// The extended support the image's content sets name, as advisories do: `rhel_eus:9.2`.
        extended: Vec<String>,
    },
    /// A service pack of SUSE Linux Enterprise: its products, and the modules its packages come from.
    Suse,
}

/// How an entry stands to a question, the first to be heard first. Where a record has entries of several standings for a package, the
/// first alone decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Of a service or of extended support that the image has.
    Special,
    /// Of Ubuntu Pro, which the package comes from or the image has.
    Pro,
    /// Of the release itself.
    Own,
    /// Of Ubuntu Pro, which the image does not have, or of SUSE's long-term support, which no image shows: the fixes are on offer.
    Offered,
}

/// Ubuntu Pro's further services, by the names of the client, and the release of their advisories around the base release.
const SERVICES: [(&str, &str, &str); 4] = [
    ("fips", "Pro:FIPS:", ""),
    ("fips-preview", "Pro:FIPS-preview:", ""),
    ("fips-updates", "Pro:FIPS-updates:", ""),
    ("realtime-kernel", "Pro:", ":Realtime:Kernel"),
];

/// Red Hat's extended support, by the word in names of content sets and the product in its advisories.
const EXTENDED: [(&str, &str); 4] =
    [("aus", "rhel_aus"), ("e4s", "rhel_e4s"), ("eus", "rhel_eus"), ("tus", "rhel_tus")];

impl Releases {
    /// Those of a distribution's ecosystem, with what an image's channels enable.
    pub(super) fn of_distribution(ecosystem: &Ecosystem, distribution: &Distribution, channels: &[Channel]) -> Self {
        let named = |kind: ChannelKind| {
            channels.iter().filter(move |channel| channel.kind == kind).map(|channel| channel.name.as_str())
        };
        match ecosystem.name() {
            "Ubuntu" => {
                let base = ecosystem.release().unwrap_or_default();
                let services = named(ChannelKind::UbuntuPro);
                let pro = services.clone().any(|service| matches!(service, "esm-infra" | "esm-apps"));
                let further = SERVICES.iter().filter(|(name, ..)| services.clone().any(|service| service == *name));
                Self::Ubuntu { pro, services: further.map(|(_, head, tail)| format!("{head}{base}{tail}")).collect() }
            }
            "Red Hat" => {
                let mut extended: Vec<String> =
                    named(ChannelKind::ContentSet).filter_map(|set| extended(set, &distribution.version)).collect();
                extended.sort();
                extended.dedup();
                Self::RedHat { extended }
            }
            "SUSE" => Self::Suse,
            _ => Self::Own,
        }
    }

    /// For a package that shows by its version that it comes from Ubuntu Pro, whatever the image has now.
    pub(super) fn for_version(self, base: Option<&str>, version: &str) -> Self {
        match self {
            Self::Ubuntu { pro, mut services } => {
                let base = base.unwrap_or_default();
                if version.contains("fips") {
                    services.extend(SERVICES[..3].iter().map(|(_, head, tail)| format!("{head}{base}{tail}")));
                    services.sort();
                    services.dedup();
                }
                Self::Ubuntu { pro: pro || version.contains("esm"), services }
            }
            other => other,
        }
    }

    /// How an entry of `release` stands to a question of `own`.
    pub(super) fn standing(&self, own: Option<&str>, release: Option<&str>) -> Option<Standing> {
        let Some(release) = release else { return Some(Standing::Own) };
        let own = own.unwrap_or_default();
        match self {
            Self::Any => Some(Standing::Own),
            Self::Own => (release == own).then_some(Standing::Own),
            Self::Ubuntu { pro, services } => {
                if release == own {
                    return Some(Standing::Own);
                }
                if services.iter().any(|service| service == release) {
                    return Some(Standing::Special);
                }
                let of_pro = release.strip_prefix("Pro:") == Some(own);
                of_pro.then_some(if *pro { Standing::Pro } else { Standing::Offered })
            }
            Self::RedHat { extended } => {
                let (product, version) = product(release)?;
                let (own_product, major) = product_of_own(own)?;
                if product == own_product && version.split('.').next() == Some(major) {
                    return Some(Standing::Own);
                }
                let known = |name: &String| name.split_once(':') == Some((product, version));
                extended.iter().any(known).then_some(Standing::Special)
            }
            Self::Suse => suse(own, release),
        }
    }
}

/// SUSE files an advisory under each product and module that gets the update: `Linux Enterprise Module for Basesystem 15 SP5`,
/// `Linux Enterprise Server 15 SP5-LTSS`. Modules of version 12 name no service pack.
fn suse(own: &str, release: &str) -> Option<Standing> {
    let (_, own_version) = own.split_at(own.find(|c: char| c.is_ascii_digit())?);
    let (product, version) = release.split_at(release.find(|c: char| c.is_ascii_digit())?);
    if !product.starts_with("Linux Enterprise") {
        return None;
    }
    let of_major = product.starts_with("Linux Enterprise Module") && own_version.split(' ').next() == Some(version);
    match version.strip_prefix(own_version) {
        Some("") => Some(Standing::Own),
        Some(support) if support.starts_with("-LTSS") => Some(Standing::Offered),
        _ => of_major.then_some(Standing::Own),
    }
}

/// Product and version of a release named after a CPE: `enterprise_linux:9::appstream`, with or without its stream.
fn product(release: &str) -> Option<(&str, &str)> {
    let mut parts = release.split(':');
    Some((parts.next()?, parts.next().filter(|version| !version.is_empty())?))
}

fn product_of_own(own: &str) -> Option<(&str, &str)> {
    let (product, version) = product(own)?;
    Some((product, version.split('.').next()?))
}

/// The extended support a content set stands for: `rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_6`, or the release itself where the
/// set does not say which.
fn extended(set: &str, version: &str) -> Option<String> {
    let (name, minor) = set.split_once("__").map_or((set, None), |(name, minor)| (name, Some(minor)));
    let (_, product) = EXTENDED.iter().find(|(word, _)| name.split('-').any(|part| part == *word))?;
    let minor = minor.map(|minor| minor.replace("_DOT_", ".")).unwrap_or_else(|| version.to_owned());
    Some(format!("{product}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ubuntu_pro_is_on_offer_until_the_image_or_the_package_has_it() {
        let own = Some("20.04:LTS");
        let without = Releases::Ubuntu { pro: false, services: Vec::new() };
        let with = without.clone().for_version(own, "1.0-1ubuntu0.1+esm1");
        for (releases, release, standing) in [
            (&without, "20.04:LTS", Some(Standing::Own)),
            (&without, "Pro:20.04:LTS", Some(Standing::Offered)),
            (&with, "Pro:20.04:LTS", Some(Standing::Pro)),
            (&with, "Pro:18.04:LTS", None),
            (&with, "22.04:LTS", None),
            (&with, "Pro:FIPS:20.04:LTS", None),
            (&with.clone().for_version(own, "1.1.1f-1ubuntu2.fips.22"), "Pro:FIPS:20.04:LTS", Some(Standing::Special)),
        ] {
            assert_eq!(releases.standing(own, Some(release)), standing, "{releases:?} {release}");
        }
    }

    #[test]
    fn services_that_are_enabled_speak() {
        let distribution = Distribution { id: "ubuntu".into(), version: "22.04".into(), pretty_name: None };
        let channel = |name: &str| Channel { kind: ChannelKind::UbuntuPro, name: name.into() };
        let ecosystem = distribution.ecosystem().unwrap();
        let of = |channels: &[Channel]| Releases::of_distribution(&ecosystem, &distribution, channels);
        assert_eq!(of(&[]), Releases::Ubuntu { pro: false, services: Vec::new() });
        let realtime = "Pro:22.04:LTS:Realtime:Kernel".to_owned();
        assert_eq!(
            of(&[channel("esm-apps"), channel("realtime-kernel"), channel("livepatch")]),
            Releases::Ubuntu { pro: true, services: vec![realtime] }
        );
    }

    #[test]
    fn every_stream_of_red_hats_major_speaks_and_extended_support_where_the_image_has_it() {
        let distribution = Distribution { id: "rhel".into(), version: "9.2".into(), pretty_name: None };
        let ecosystem = distribution.ecosystem().unwrap();
        let of = |sets: &[&str]| {
            let sets = sets.iter().map(|set| Channel { kind: ChannelKind::ContentSet, name: (*set).to_owned() });
            Releases::of_distribution(&ecosystem, &distribution, &sets.collect::<Vec<_>>())
        };
        let plain = of(&["rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"]);
        let eus = of(&["rhel-9-for-x86_64-baseos-eus-rpms"]);
        let e4s = of(&["rhel-9-for-x86_64-appstream-e4s-rpms__9_DOT_0"]);
        for (releases, release, standing) in [
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
            assert_eq!(releases.standing(ecosystem.release(), Some(release)), standing, "{releases:?} {release}");
        }
    }

    #[test]
    fn suses_products_and_modules_of_a_service_pack_speak() {
        let own = Some("Linux Enterprise Server 15 SP5");
        for (release, standing) in [
            ("Linux Enterprise Server 15 SP5", Some(Standing::Own)),
            ("Linux Enterprise Module for Basesystem 15 SP5", Some(Standing::Own)),
            ("Linux Enterprise Server 15 SP5-LTSS", Some(Standing::Offered)),
            ("Linux Enterprise Module for Basesystem 15 SP4", None),
            ("Linux Enterprise Server 15", None),
            ("Linux Enterprise Micro 5.5", None),
            ("Manager Server 4.3", None),
        ] {
            assert_eq!(Releases::Suse.standing(own, Some(release)), standing, "{release}");
        }
        let twelve = Some("Linux Enterprise Server 12 SP5");
        let module = Some("Linux Enterprise Module for Containers 12");
        assert_eq!(Releases::Suse.standing(twelve, module), Some(Standing::Own));
        assert_eq!(Releases::Suse.standing(own, module), None);
    }
}
