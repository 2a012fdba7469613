//! The identity of a Linux distribution, as its release files state it.

use super::Ecosystem;

/// Which distribution an image is, after os-release(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distribution {
    /// `ID`: `debian`, `alpine`, `ubuntu`, …
    pub id: String,
    /// `VERSION_ID`; empty where the release states none (Debian's testing and unstable).
    pub version: String,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: Option<String>,
}

impl Distribution {
    /// The ecosystem whose advisories speak for this release, where the OSV schema has one name for it.
    ///
    /// Red Hat's advisories are filed by product and stream, of which an image has several: what is named here is the
    /// major release that they share.
    pub fn ecosystem(&self) -> Option<Ecosystem> {
        let (name, release) = match self.id.as_str() {
            "debian" | "raspbian" => ("Debian", self.major()?),
            "ubuntu" => ("Ubuntu", self.ubuntu_release()?),
            "alpine" => ("Alpine", format!("v{}", self.minor()?)),
            "wolfi" => return Some(Ecosystem::new("Wolfi", None)),
            "chainguard" => return Some(Ecosystem::new("Chainguard", None)),
            "minimos" => return Some(Ecosystem::new("MinimOS", None)),
            "alpaquita" => ("Alpaquita", self.rolling()?),
            "bellsoft-hardened-containers" => ("BellSoft Hardened Containers", self.rolling()?),
            "almalinux" => ("AlmaLinux", self.major()?),
            "rocky" => ("Rocky Linux", self.major()?),
            "rhel" => ("Red Hat", format!("enterprise_linux:{}", self.major()?)),
            "azurelinux" | "mariner" => ("Azure Linux", self.major()?),
            "mageia" => ("Mageia", self.major()?),
            "photon" => ("Photon OS", self.minor()?),
            "openeuler" => ("openEuler", self.open_euler_release()?),
            "opensuse-tumbleweed" => ("openSUSE", "Tumbleweed".to_owned()),
            // Leap 42 called itself "opensuse".
            "opensuse-leap" | "opensuse" => ("openSUSE", format!("Leap {}", self.minor()?)),
            "opensuse-leap-micro" => ("openSUSE", format!("Leap Micro {}", self.minor()?)),
            "sles" | "sled" | "sles_sap" | "sle-micro" | "sl-micro" | "sle-micro-rancher" | "sle_hpc" => {
                ("SUSE", self.pretty_name.as_deref()?.trim_start_matches("SUSE ").to_owned())
            }
            _ => return None,
        };
        Some(Ecosystem::new(name, Some(&release)))
    }

    /// The first component of a numeric version.
    fn major(&self) -> Option<String> {
        let major = self.version.split('.').next().unwrap_or_default();
        is_number(major).then(|| major.to_owned())
    }

    /// The first two components of a numeric version.
    fn minor(&self) -> Option<String> {
        let mut parts = self.version.split('.');
        let (major, minor) = (parts.next()?, parts.next()?);
        (is_number(major) && !minor.is_empty()).then(|| format!("{major}.{minor}"))
    }

    /// Every second April's release has long-term support.
    fn ubuntu_release(&self) -> Option<String> {
        let release = self.minor()?;
        let (year, month) = release.split_once('.')?;
        let long_term = month == "04" && year.parse::<u32>().is_ok_and(|year| year % 2 == 0);
        Some(format!("{release}{}", if long_term { ":LTS" } else { "" }))
    }

    /// The first component of the version, or `stream` for the release that has no number.
    fn rolling(&self) -> Option<String> {
        let unnumbered = matches!(&*self.version, "" | "stream");
        self.major().or_else(|| unnumbered.then(|| "stream".to_owned()))
    }

    /// `24.03-LTS-SP1`, which only the name for people tells in full: `openEuler 24.03 (LTS-SP1)`.
    fn open_euler_release(&self) -> Option<String> {
        let version = self.minor()?;
        let name = self.pretty_name.as_deref().unwrap_or_default();
        let suffix = name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(suffix, _)| suffix.trim());
        Some(suffix.filter(|suffix| !suffix.is_empty()).map_or(version.clone(), |suffix| format!("{version}-{suffix}")))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_its_ecosystem_as_the_osv_schema_does() {
        for (id, version, ecosystem) in [
            ("debian", "12", Some("Debian:12")),
            ("debian", "", None),
            ("raspbian", "11", Some("Debian:11")),
            ("alpine", "3.20.1", Some("Alpine:v3.20")),
            ("alpine", "3", None),
            ("ubuntu", "22.04", Some("Ubuntu:22.04:LTS")),
            ("ubuntu", "23.10", Some("Ubuntu:23.10")),
            ("ubuntu", "23.04", Some("Ubuntu:23.04")),
            ("wolfi", "20230201", Some("Wolfi")),
            ("chainguard", "20230214", Some("Chainguard")),
            ("minimos", "20241031", Some("MinimOS")),
            ("alpaquita", "23", Some("Alpaquita:23")),
            ("alpaquita", "stream", Some("Alpaquita:stream")),
            ("alpaquita", "", Some("Alpaquita:stream")),
            ("bellsoft-hardened-containers", "25", Some("BellSoft Hardened Containers:25")),
            ("almalinux", "9.3", Some("AlmaLinux:9")),
            ("rocky", "9.3", Some("Rocky Linux:9")),
            ("azurelinux", "3.0", Some("Azure Linux:3")),
            ("mariner", "2.0", Some("Azure Linux:2")),
            ("mageia", "9", Some("Mageia:9")),
            ("photon", "5.0", Some("Photon OS:5.0")),
            ("opensuse-leap", "15.5", Some("openSUSE:Leap 15.5")),
            ("opensuse", "42.3", Some("openSUSE:Leap 42.3")),
            ("opensuse-leap-micro", "5.5", Some("openSUSE:Leap Micro 5.5")),
            ("opensuse-tumbleweed", "20240101", Some("openSUSE:Tumbleweed")),
            ("sles", "15.5", None),
            ("rhel", "9.3", Some("Red Hat:enterprise_linux:9")),
            ("centos", "9", None),
            ("ol", "9.3", None),
            ("plan9", "4", None),
        ] {
            let distribution = Distribution { id: id.into(), version: version.into(), pretty_name: None };
            assert_eq!(distribution.ecosystem().map(|e| e.to_string()).as_deref(), ecosystem, "{id} {version}");
        }
    }

    #[test]
    fn some_releases_are_known_by_their_name_for_people() {
        for (id, version, name, ecosystem) in [
            ("sles", "15.5", "SUSE Linux Enterprise Server 15 SP5", "SUSE:Linux Enterprise Server 15 SP5"),
            ("sle-micro", "5.5", "SUSE Linux Enterprise Micro 5.5", "SUSE:Linux Enterprise Micro 5.5"),
            ("openeuler", "24.03", "openEuler 24.03 (LTS-SP1)", "openEuler:24.03-LTS-SP1"),
            ("openeuler", "23.09", "openEuler 23.09", "openEuler:23.09"),
        ] {
            let distribution = Distribution { id: id.into(), version: version.into(), pretty_name: Some(name.into()) };
            assert_eq!(distribution.ecosystem().unwrap().as_str(), ecosystem);
        }
    }
}
