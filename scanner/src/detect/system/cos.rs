//! Container-Optimized OS: `etc/cos-package-info.json` lists the Portage packages it was built from. Those of the build alone
//! are not in the image and left out.

use serde::Deserialize;

use super::super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Cos;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Packages {
    installed_packages: Vec<Installed>,
}

#[derive(Deserialize)]
struct Installed {
    category: String,
    name: String,
    version: String,
}

impl Detector for Cos {
    fn name(&self) -> &'static str {
        "cos"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "etc/cos-package-info.json").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Ok(Packages { installed_packages }) = serde_json::from_slice(bytes) else {
            return facts.malformed(path, "this is no list of the packages of Container-Optimized OS");
        };
        for Installed { category, name, version } in installed_packages {
            if name.is_empty() || version.is_empty() {
                facts.malformed(path, "a package has no name or version");
                continue;
            }
            facts.push(Fact::Package(Package::new(PackageType::Ebuild, format!("{category}/{name}"), version)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, named, says_unread};
    use super::*;

    #[test]
    fn installed_packages_count_and_build_tools_do_not() {
        let text = br#"{"installedPackages":[{"category":"app-arch","name":"gzip","version":"1.12","ebuild_version":"1.12-r1"}],
            "buildTimePackages":[{"category":"virtual","name":"pkgconfig","version":"2"}]}"#;
        assert_eq!(named(&facts(&Cos, "etc/cos-package-info.json", text)), [("app-arch/gzip", "1.12")]);
        assert!(says_unread(&facts(&Cos, "etc/cos-package-info.json", b"{}")));
    }
}
