//! What is wrong with how an image is configured to run, and how it was built.
//!
//! Owns the rules over image configurations: pure, of one configuration. A base image's own steps are not its users' to mend, so
//! history is judged above the base only; what a container starts with is judged wherever it comes from.

use crate::detect::secret::{in_text, is_placeholder, mask};
use crate::finding::Severity;
use crate::oci::{ImageConfig, RunConfig};

use super::history::history_risks;
use super::{Risk, RiskKind};

/// Words in a variable's name that say its value is secret.
const SECRET_WORDS: [&str; 9] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS", "PWD"];
/// The same, of two words.
const SECRET_PAIRS: [&str; 4] = ["API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "ENCRYPTION_KEY"];
/// Last words of names that speak about a secret without being one: where it lies, how long it lives.
const ABOUT: [&str; 21] = [
    "FILE",
    "PATH",
    "DIR",
    "URL",
    "URI",
    "ENDPOINT",
    "HOST",
    "NAME",
    "ID",
    "TTL",
    "EXPIRY",
    "LENGTH",
    "SIZE",
    "TIMEOUT",
    "TYPE",
    "ENABLED",
    "REQUIRED",
    "VERSION",
    "ALGORITHM",
    "HASH",
    "ISSUER",
];
/// Values that switch something.
const SWITCHES: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "none", "null", "enabled", "disabled"];
/// The shortest value that is taken for a secret by its name alone, in bytes.
const MIN_VALUE: usize = 4;

/// The risks of an image's configuration. Entries of its history before `base_history` are its base image's.
pub fn configuration_risks(image: &ImageConfig, base_history: usize) -> Vec<Risk> {
    let run = &image.config;
    // Windows has no root; its containers' default user is no administrator of the node.
    let root = image.os != "windows" && is_root(&run.user);
    let mut risks = Vec::new();
    if root {
        risks.push(configuration(
            "root-user",
            Severity::Medium,
            "containers run as root where nothing else is asked for",
        ));
    }
    if run.exposed_ports.iter().any(|port| matches!(&**port, "22" | "22/tcp")) {
        risks.push(configuration("exposed-ssh", Severity::Medium, "port 22 is exposed, where SSH listens"));
    }
    if !has_health_check(run) {
        risks.push(configuration("no-health-check", Severity::Low, "no command checks the container's health"));
    }
    let secret = |variable: &&String| secret_in_variable(variable, "secret-in-env");
    let (variables, secrets): (Vec<&String>, Vec<Risk>) =
        run.env.iter().filter_map(|variable| Some((variable, secret(&variable)?))).unzip();
    risks.extend(secrets);
    let known: Vec<&str> = variables.iter().filter_map(|variable| Some(variable.split_once('=')?.1)).collect();
    risks.extend(history_risks(&image.history, base_history, &known));
    risks
}

/// A risk of kind [`RiskKind::Configuration`].
pub(super) fn configuration(rule: &str, severity: Severity, detail: impl Into<String>) -> Risk {
    Risk { kind: RiskKind::Configuration, rule: rule.to_owned(), severity, detail: detail.into(), line: None }
}

/// The secret in `NAME=value`: what the rules for secrets find in it, else by its name.
pub(super) fn secret_in_variable(variable: &str, rule: &str) -> Option<Risk> {
    let (name, value) = variable.split_once('=')?;
    let shown: String = name.chars().take(100).collect();
    let secret = |severity, what: &str| {
        let detail = format!("{shown}: {what}");
        Some(Risk { kind: RiskKind::Secret, rule: rule.to_owned(), severity, detail, line: None })
    };
    if let Some(found) = in_text(variable).into_iter().max_by_key(|found| found.severity) {
        return secret(found.severity, &found.detail);
    }
    let by_name = is_secret_name(name) && is_secret_value(value);
    if by_name { secret(Severity::High, &format!("value {}", mask(value))) } else { None }
}

/// Whether a variable's name says that its value is secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let words: Vec<&str> = name.split('_').collect();
    // PWD alone is the working directory, as is OLDPWD.
    let secret = words.iter().any(|word| SECRET_WORDS.contains(word)) && words != ["PWD"];
    let paired = words.windows(2).any(|pair| SECRET_PAIRS.contains(&&*pair.join("_")));
    (secret || paired) && !words.last().is_some_and(|last| ABOUT.contains(last))
}

/// Whether the value of a variable with such a name is one, and not a place, a switch or a placeholder.
fn is_secret_value(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let number = value.bytes().all(|byte| byte.is_ascii_digit()) && value.len() < 6;
    let place = value.starts_with('/') || value.contains("://");
    let switch = SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch));
    value.len() >= MIN_VALUE && !number && !place && !switch && !is_placeholder(value)
}

/// Whether the user of a configuration is root: by name, by number, or because there is none.
fn is_root(user: &str) -> bool {
    let user = user.split(':').next().unwrap_or_default().trim();
    user.is_empty() || user == "root" || user.parse::<u32>() == Ok(0)
}

fn has_health_check(run: &RunConfig) -> bool {
    let test = run.healthcheck.as_ref().map(|check| &check.test[..]).unwrap_or_default();
    test.first().is_some_and(|kind| kind != "NONE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{HealthCheck, HistoryEntry};

    fn image(run: RunConfig) -> ImageConfig {
        ImageConfig { os: "linux".into(), config: run, ..ImageConfig::default() }
    }

    fn rules(image: &ImageConfig) -> Vec<String> {
        configuration_risks(image, 0).into_iter().map(|risk| risk.rule).collect()
    }

    #[test]
    fn a_careful_image_has_no_risks() {
        let run = RunConfig {
            user: "1000:0".into(),
            env: vec!["PATH=/bin".into(), "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D".into()],
            exposed_ports: ["8080/tcp".to_owned(), "22/udp".to_owned()].into(),
            healthcheck: Some(HealthCheck { test: vec!["CMD".into(), "true".into()] }),
            ..RunConfig::default()
        };
        assert!(rules(&image(run)).is_empty());
    }

    #[test]
    fn root_is_known_by_name_number_and_absence() {
        for (user, root) in [
            ("", true),
            ("0", true),
            ("root", true),
            ("0:0", true),
            ("root:app", true),
            (":5", true),
            ("00", true),
            ("app", false),
            ("10", false),
            ("rooted", false),
            ("app:0", false),
            ("app:root", false),
        ] {
            assert_eq!(is_root(user), root, "{user}");
        }
        let windows = ImageConfig { os: "windows".into(), ..ImageConfig::default() };
        assert_eq!(rules(&windows), ["no-health-check"]);
    }

    #[test]
    fn ports_and_health_checks_are_looked_at() {
        let run = RunConfig {
            user: "app".into(),
            exposed_ports: ["22/tcp".to_owned()].into(),
            healthcheck: Some(HealthCheck { test: vec!["NONE".into()] }),
            ..RunConfig::default()
        };
        assert_eq!(rules(&image(run)), ["exposed-ssh", "no-health-check"]);
    }

    #[test]
    fn variables_are_secrets_by_name_or_by_value() {
        let token = format!("ghp_{}", "aZ3kQ9mX7pL2vB8nR4tW6yC1dF5gH0jSeU01");
        for (variable, detail) in [
            ("DB_PASSWORD=correct-horse", Some("DB_PASSWORD: value co****")),
            ("npm_token=u8sd7f6a", Some("npm_token: value u****")),
            ("AWS_SECRET_ACCESS_KEY=u8sd7f6a", Some("AWS_SECRET_ACCESS_KEY: value u****")),
            ("STRIPE_API_KEY=u8sd7f6a99", Some("STRIPE_API_KEY: value u8****")),
            (&*format!("ANY={token}"), Some("ANY: GitHub token: ghp_****")),
            ("DB_PASSWORD=", None),
            ("DB_PASSWORD=changeme", None),
            ("DB_PASSWORD=${PASS}", None),
            ("DB_PASSWORD_FILE=/run/secrets/db", None),
            ("TOKEN_TTL=360000", None),
            ("SECRET_KEY_PATH=abcdefghi", None),
            ("REQUIRE_PASSWORD=true", None),
            ("PWD=/home/app", None),
            ("COMPASS=north-east", None),
            ("TOKENIZERS_PARALLELISM=disabled1", None),
            ("no equals sign", None),
        ] {
            let found = secret_in_variable(variable, "secret-in-env").map(|risk| risk.detail);
            assert_eq!(found.as_deref(), detail, "{variable}");
        }
    }

    #[test]
    fn a_secret_is_told_once_though_its_step_is_in_the_history() {
        let variable = "DB_PASSWORD=correct-horse".to_owned();
        let step = HistoryEntry { created_by: Some(format!("ENV {variable}")), ..HistoryEntry::default() };
        let run = RunConfig { env: vec![variable], ..RunConfig::default() };
        let image = ImageConfig { history: vec![step], ..image(run) };
        assert_eq!(rules(&image), ["root-user", "no-health-check", "secret-in-env"]);
        assert_eq!(configuration_risks(&image, 7).len(), 3);
    }
}
