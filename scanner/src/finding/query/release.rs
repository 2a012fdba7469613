//! Which releases of an ecosystem speak for a question, and in which order they are heard.

use super::red_hat::RedHatProducts;
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
    /// Every stream of a major release of Red Hat Enterprise Linux, and the products the image has besides.
    RedHat(RedHatProducts),
    /// A service pack of SUSE Linux Enterprise: its products, and the modules its packages come from.
    Suse,
}

/// How an entry stands to a question, the first to be heard first. Where a record has entries of several standings for a package, the
/// first alone decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Of a service or of extended support that the image has, or of the layered product that built the package.
    Special,
    /// Of Ubuntu Pro, which the package comes from or the image has.
    Pro,
    /// Of the release itself.
    Own,
    /// Of a product layered over the release, from which the package may come: heard where the release says nothing.
    Layered,
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
            "Red Hat" => Self::RedHat(RedHatProducts::of(distribution, channels)),
            "SUSE" => Self::Suse,
            _ => Self::Own,
        }
    }

    /// For a package that shows by its version whether it comes from Ubuntu Pro, whatever the image has now, or from a product of Red Hat's.
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
            Self::RedHat(products) => Self::RedHat(products.for_version(version)),
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
            Self::RedHat(products) => products.standing(own, release),
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
