//! The advisories of the console's world: a few, well known, with every property the console shows, the same on every machine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::write_feed;

/// A vulnerability as the world's feeds have it.
pub(super) struct Known {
    pub(super) cve: &'static str,
    ecosystem: &'static str,
    package: &'static str,
    fixed: Option<&'static str>,
    vector: &'static str,
    is_exploited: bool,
    epss: &'static str,
    summary: &'static str,
}

/// Published after everything was read.
pub(super) const LATER: &str = "CVE-2024-34069";
/// Rated lower at first.
pub(super) const RERATED: &str = "CVE-2022-36359";
/// Known to be exploited only later.
pub(super) const LISTED: &str = "CVE-2023-4863";
/// Withdrawn after everything was read.
pub(super) const WITHDRAWN: &str = "CVE-2019-19844";

const DEBIAN: &str = "Debian:12";
const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const HIGH_REMOTE: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H";
const HIGH_CRASH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
const HIGH_LOCAL: &str = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H";
const MEDIUM: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L";
const LOW: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N";

macro_rules! known {
    ($($cve:literal $ecosystem:tt $package:literal $fixed:expr, $vector:ident, $epss:literal $exploited:literal $summary:literal;)*) => {
        &[$(Known {
            cve: $cve, ecosystem: $ecosystem, package: $package, fixed: $fixed, vector: $vector, epss: $epss,
            is_exploited: $exploited, summary: $summary,
        }),*]
    };
}

/// All of them. None of the Debian ones is fixed in the demo image, whose packages are today's, except where `fixed` is older.
pub(super) const KNOWN: &[Known] = known! {
    "CVE-2022-28346" "PyPI" "django" Some("3.2.13"), CRITICAL, "0.06" false "SQL injection through crafted annotations";
    "CVE-2022-34265" "PyPI" "django" Some("3.2.14"), CRITICAL, "0.93" false "SQL injection through Trunc and Extract arguments";
    "CVE-2022-36359" "PyPI" "django" Some("3.2.15"), HIGH_REMOTE, "0.02" false "Reflected file download through Content-Disposition";
    "CVE-2023-23969" "PyPI" "django" Some("3.2.17"), HIGH_CRASH, "0.03" false "Denial of service through Accept-Language headers";
    "CVE-2019-19844" "PyPI" "django" None, MEDIUM, "0.01" false "Potential account hijack through the password reset form";
    "CVE-2023-4863" "PyPI" "pillow" Some("10.0.1"), HIGH_REMOTE, "0.94" true "Heap buffer overflow in libwebp";
    "CVE-2023-50447" "PyPI" "pillow" Some("10.2.0"), CRITICAL, "0.01" false "Arbitrary code execution through the environment parameter";
    "CVE-2020-28493" "PyPI" "jinja2" Some("2.11.3"), MEDIUM, "0.01" false "Regular expression denial of service in urlize";
    "CVE-2024-34069" "PyPI" "werkzeug" Some("3.0.3"), HIGH_REMOTE, "0.02" false "The debugger executes code on a developer's machine";
    "CVE-2019-10744" "npm" "lodash" Some("4.17.12"), CRITICAL, "0.02" false "Prototype pollution in defaultsDeep";
    "CVE-2021-23337" "npm" "lodash" Some("4.17.21"), HIGH_REMOTE, "0.01" false "Command injection through template";
    "CVE-2020-8203" "npm" "lodash" Some("4.17.19"), HIGH_CRASH, "0.02" false "Prototype pollution in zipObjectDeep";
    "CVE-2023-4911" "Debian:12" "glibc" Some("2.36-9+deb12u3"), HIGH_LOCAL, "0.72" true "Buffer overflow in ld.so's GLIBC_TUNABLES";
    "CVE-2023-5363" "Debian:12" "openssl" Some("3.0.11-1~deb12u2"), HIGH_CRASH, "0.01" false "Key and IV lengths are processed wrongly";
    "CVE-2023-45853" "Debian:12" "zlib" None, CRITICAL, "0.01" false "Integer overflow in MiniZip";
    "CVE-2022-0563" "Debian:12" "util-linux" None, MEDIUM, "0.01" false "Partial disclosure of files in chfn and chsh";
    "CVE-2011-3374" "Debian:12" "apt" None, LOW, "0.01" false "apt-key does not validate signatures correctly";
    "CVE-2023-31484" "Debian:12" "perl" None, HIGH_REMOTE, "0.01" false "CPAN.pm does not verify certificates";
    "CVE-2023-24329" "Debian:12" "python3.11" None, HIGH_CRASH, "0.01" false "urllib.parse takes URLs with leading blanks";
    "CVE-2024-25062" "Debian:12" "libxml2" None, HIGH_CRASH, "0.01" false "Use after free in xmlTextReader";
    "CVE-2005-2541" "Debian:12" "tar" None, LOW, "0.03" false "tar does not warn about setuid and setgid files";
};

/// What the feeds say when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    First,
    Later,
}

/// The files weir reads advisories from.
pub(super) struct Feeds {
    pub(super) osv: PathBuf,
    pub(super) kev: PathBuf,
    pub(super) epss: PathBuf,
}

impl Feeds {
    /// Writes them below the directory, as they are at first.
    pub(super) fn write(directory: &Path) -> Self {
        let osv = directory.join("osv");
        write_all(&osv, Time::First);
        let kev = directory.join("kev.json");
        write_catalogue(&kev, Time::First);
        let epss = directory.join("epss.csv");
        let rows = KNOWN.iter().map(|known| format!("{},{},0.5\n", known.cve, known.epss)).collect::<String>();
        let head = "#model_version:test,score_date:2024-01-01T00:00:00Z\ncve,epss,percentile\n";
        std::fs::write(&epss, head.to_owned() + &rows).unwrap();
        Self { osv, kev, epss }
    }

    /// Writes them as they are later: one more, one rated anew, one known to be exploited, one withdrawn.
    pub(super) fn go_on(&self) {
        write_all(&self.osv, Time::Later);
        write_catalogue(&self.kev, Time::Later);
    }
}

fn write_catalogue(file: &Path, time: Time) {
    let exploited = KNOWN.iter().filter(|known| known.is_exploited && (time == Time::Later || known.cve != LISTED));
    let entry = |known: &Known| {
        json!({"cveID": known.cve, "dateAdded": "2023-11-21", "dueDate": "2023-12-12",
               "shortDescription": known.summary, "knownRansomwareCampaignUse": "Unknown"})
    };
    let entries: Vec<Value> = exploited.map(entry).collect();
    let catalogue = json!({"title": "made for a test", "catalogVersion": "2024.01.01",
        "dateReleased": "2024-01-01T00:00:00Z", "count": entries.len(), "vulnerabilities": entries});
    std::fs::write(file, catalogue.to_string()).unwrap();
}

fn write_all(osv: &Path, time: Time) {
    for (folder, ecosystem) in [("PyPI", "PyPI"), ("npm", "npm"), ("Debian", DEBIAN)] {
        let of_it = KNOWN.iter().filter(|known| known.ecosystem == ecosystem);
        let of_it = of_it.filter(|known| time == Time::Later || known.cve != LATER);
        write_feed(osv, folder, of_it.map(|known| known.record(time)));
    }
}

impl Known {
    /// Its record in the form of OSV. Debian's name what they are about upstream, the others are aliases of each other.
    fn record(&self, time: Time) -> Value {
        let vector = if self.cve == RERATED && time == Time::First { MEDIUM } else { self.vector };
        let mut events = vec![json!({"introduced": "0"})];
        events.extend(self.fixed.map(|version| json!({"fixed": version})));
        let is_debian = self.ecosystem == DEBIAN;
        let number = self.cve.trim_start_matches("CVE-");
        let id = match self.ecosystem {
            "PyPI" => format!("PYSEC-{number}"),
            "npm" => format!("GHSA-{:0>4}-0000-0000", number.rsplit('-').next().unwrap().get(..4).unwrap()),
            _ => format!("DEBIAN-{}", self.cve),
        };
        let modified = if time == Time::First { "2024-01-01T00:00:00Z" } else { "2024-02-01T00:00:00Z" };
        let mut record = json!({
            "schema_version": "1.6.0", "id": id, "modified": modified, "published": "2023-12-01T00:00:00Z",
            "aliases": if is_debian { json!([]) } else { json!([self.cve]) },
            "upstream": if is_debian { json!([self.cve]) } else { json!([]) },
            "summary": self.summary, "details": self.summary,
            "severity": [{"type": "CVSS_V3", "score": vector}],
            "affected": [{"package": {"ecosystem": self.ecosystem, "name": self.package},
                          "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
        });
        if self.cve == WITHDRAWN && time == Time::Later {
            record["withdrawn"] = json!(modified);
        }
        record
    }
}
