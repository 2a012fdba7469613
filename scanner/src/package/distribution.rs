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
    /// The ecosystem whose advisories speak for this release, where this version knows one.
    ///
    /// Names after the OSV schema: Debian by major version, Alpine by `vMAJOR.MINOR`, Ubuntu by release with `:LTS`.
    pub fn ecosystem(&self) -> Option<Ecosystem> {
        let mut parts = self.version.split('.');
        let major = parts.next().filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))?;
        let minor = parts.next();
        let release = match self.id.as_str() {
            "debian" => major.to_owned(),
            "alpine" => format!("v{major}.{}", minor?),
            "ubuntu" => {
                let minor = minor?;
                let long_term = minor == "04" && major.parse::<u32>().is_ok_and(|year| year % 2 == 0);
                format!("{major}.{minor}{}", if long_term { ":LTS" } else { "" })
            }
            _ => return None,
        };
        let name = match self.id.as_str() {
            "debian" => "Debian",
            "alpine" => "Alpine",
            _ => "Ubuntu",
        };
        Some(Ecosystem::new(name, Some(&release)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_its_ecosystem_as_the_osv_schema_does() {
        for (id, version, ecosystem) in [
            ("debian", "12", Some("Debian:12")),
            ("debian", "", None),
            ("alpine", "3.20.1", Some("Alpine:v3.20")),
            ("ubuntu", "22.04", Some("Ubuntu:22.04:LTS")),
            ("ubuntu", "23.10", Some("Ubuntu:23.10")),
            ("plan9", "4", None),
        ] {
            let distribution = Distribution { id: id.into(), version: version.into(), pretty_name: None };
            assert_eq!(distribution.ecosystem().map(|e| e.to_string()).as_deref(), ecosystem, "{id} {version}");
        }
    }
}
