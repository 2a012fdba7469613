//! What an image's build steps show that they had better not done.
//!
//! Steps are read as builders record them: `/bin/sh -c COMMAND` and `/bin/sh -c #(nop) INSTRUCTION` by the old one,
//! `RUN |1 ARG=value /bin/sh -c COMMAND # buildkit` and `INSTRUCTION # buildkit` by BuildKit.

use std::sync::LazyLock;

use regex::Regex;

use super::configuration::{configuration, secret_in_variable};
use super::{Risk, RiskKind};
use crate::detect::secret::in_text;
use crate::finding::Severity;
use crate::oci::HistoryEntry;

/// A rule over the command of one step.
struct StepRule {
    name: &'static str,
    severity: Severity,
    detail: &'static str,
    /// Matches steps it is about.
    about: Regex,
    /// Matches those of them that are fine all the same.
    except: Option<Regex>,
}

static STEP_RULES: LazyLock<Vec<StepRule>> = LazyLock::new(|| {
    let rule = |name, severity, detail, about: &str, except: Option<&str>| {
        let regex = |text: &str| Regex::new(text).expect("a literal that the tests build");
        StepRule { name, severity, detail, about: regex(about), except: except.map(regex) }
    };
    vec![
        rule(
            "add-from-url",
            Severity::Low,
            "ADD fetches a URL, and nothing says what it must hold",
            r"^ADD (?:--\S+ )*https?://",
            Some(r"--checksum=|^ADD (?:--\S+ )*https?://\S+\.git\b"),
        ),
        rule(
            "pipe-to-shell",
            Severity::Medium,
            "what a server answers is run as it comes",
            r"^RUN .*\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/)?(?:ba|da|z|k|a)?sh\b",
            None,
        ),
        rule("sudo-in-build", Severity::Low, "a step runs sudo", r"^RUN (?:.*[;&|(]\s*)?sudo\s", None),
        rule(
            "package-lists-left",
            Severity::Low,
            "the package manager's lists or downloads stay in the layer",
            r"^RUN (?:.*[;&|(]\s*)?(?:apt-get|apt|apk)\s+(?:-\S+\s+)*(?:update|install|add)\b",
            Some(r"/var/lib/apt|/var/cache/apk|--no-cache|--mount=type=(?:cache|tmpfs)|apk[^;&|]*\s-U?c\s"),
        ),
        rule(
            "world-writable-by-chmod",
            Severity::Medium,
            "a step lets everyone write",
            r"^RUN (?:.*[;&|(]\s*)?chmod\s+(?:-\S+\s+)*(?:0?777|a\+rwx|ugo\+rwx)\s",
            None,
        ),
    ]
});

/// The risks of build steps from the one with index `base` on; `known` are values told elsewhere.
pub(super) fn history_risks(history: &[HistoryEntry], base: usize, known: &[&str]) -> Vec<Risk> {
    let mut risks = Vec::new();
    for (index, entry) in history.iter().enumerate().skip(base) {
        let step = Step::read(entry.created_by.as_deref().unwrap_or_default());
        let told = STEP_RULES.iter().filter(|rule| {
            rule.about.is_match(&step.text) && !rule.except.as_ref().is_some_and(|except| except.is_match(&step.text))
        });
        // By its number: a command may hold a password that no rule knows.
        let at = |what: &str| format!("{what}: step {} of the history", index + 1);
        risks.extend(told.map(|rule| configuration(rule.name, rule.severity, at(rule.detail))));
        risks.extend(step.secrets(known).into_iter().map(|risk| Risk { detail: at(&risk.detail), ..risk }));
    }
    risks
}

/// One step: its instruction first, as in the file it was built from.
struct Step {
    text: String,
    /// Values that builds were started with, and variables of the image: words of the form `NAME=value`.
    variables: Vec<String>,
}

impl Step {
    fn read(recorded: &str) -> Self {
        let text = recorded.trim().strip_suffix("# buildkit").unwrap_or(recorded).trim();
        let text = text.strip_prefix("RUN ").unwrap_or(text);
        // `|2 A=1 B=2 /bin/sh -c …`: the number of values, then those.
        let (values, text) = match text.strip_prefix('|') {
            Some(values) => values.find(" /").map_or((values, ""), |end| (&values[..end], &values[end + 1..])),
            None => ("", text),
        };
        let shell = ["/bin/sh -c ", "/bin/bash -c ", "/bin/ash -c "].iter().find_map(|shell| text.strip_prefix(shell));
        let text = match (shell, shell.and_then(|command| command.strip_prefix("#(nop)"))) {
            (_, Some(instruction)) => instruction.trim().to_owned(),
            (Some(command), None) => format!("RUN {}", command.trim()),
            (None, _) if recorded.starts_with("RUN ") => format!("RUN {text}"),
            (None, _) => text.to_owned(),
        };
        let assigned = if text.starts_with("ENV ") || text.starts_with("ARG ") { &*text } else { "" };
        let words = values.split_whitespace().chain(assigned.split_whitespace());
        let variables = words.filter(|word| word.contains('=')).map(str::to_owned).collect();
        Self { text, variables }
    }

    fn secrets(&self, known: &[&str]) -> Vec<Risk> {
        let is_known = |text: &str| known.iter().any(|value| !value.is_empty() && text.contains(value));
        let variables = self.variables.iter().filter(|variable| !is_known(variable));
        let mut secrets: Vec<Risk> =
            variables.filter_map(|variable| secret_in_variable(variable, "secret-in-history")).collect();
        if self.variables.is_empty() {
            let text = known
                .iter()
                .filter(|value| !value.is_empty())
                .fold(self.text.clone(), |text, value| text.replace(value, ""));
            secrets.extend(in_text(&text).into_iter().map(|found| Risk {
                kind: RiskKind::Secret,
                rule: "secret-in-history".to_owned(),
                line: None,
                ..found
            }));
        }
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risks(created_by: &str) -> Vec<(String, String)> {
        let entry = HistoryEntry { created_by: Some(created_by.to_owned()), ..HistoryEntry::default() };
        history_risks(&[entry], 0, &[]).into_iter().map(|risk| (risk.rule, risk.detail)).collect()
    }

    #[test]
    fn steps_are_judged_as_either_builder_records_them() {
        for (step, rule) in [
            ("ADD https://a.example/b.tar.gz /opt/ # buildkit", Some("add-from-url")),
            ("/bin/sh -c #(nop) ADD https://a.example/b /opt/", Some("add-from-url")),
            ("ADD --checksum=sha256:ab https://a.example/b /opt/ # buildkit", None),
            ("ADD rootfs.tar / # buildkit", None),
            ("RUN /bin/sh -c curl -fsSL https://a.example/i.sh | sh # buildkit", Some("pipe-to-shell")),
            ("/bin/sh -c wget -qO- https://a.example | /bin/bash -s -- -y", Some("pipe-to-shell")),
            ("RUN /bin/sh -c curl https://a.example | sha256sum -c # buildkit", None),
            ("RUN /bin/sh -c cd /a && sudo make install # buildkit", Some("sudo-in-build")),
            ("RUN /bin/sh -c rm -f sudo && echo sudo # buildkit", None),
            ("RUN |1 V=1 /bin/sh -c apt-get update && apt-get install -y a # buildkit", Some("package-lists-left")),
            ("RUN /bin/sh -c apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/* # buildkit", None),
            ("RUN /bin/sh -c apk add --no-cache a # buildkit", None),
            ("/bin/sh -c apk add a", Some("package-lists-left")),
            ("RUN /bin/sh -c chmod -R 777 /srv # buildkit", Some("world-writable-by-chmod")),
            ("RUN /bin/sh -c chmod 755 /srv # buildkit", None),
            ("CMD [\"bash\"]", None),
            ("", None),
            ("RUN |", None),
        ] {
            let found = risks(step);
            assert_eq!(
                found.iter().map(|risk| &*risk.0).collect::<Vec<_>>(),
                rule.into_iter().collect::<Vec<_>>(),
                "{step}"
            );
        }
    }

    #[test]
    fn values_given_to_a_build_stay_in_its_history() {
        let found = risks("RUN |2 MODE=fast NPM_TOKEN=u8sd7f6a99 /bin/sh -c npm ci # buildkit");
        assert_eq!(
            found,
            [("secret-in-history".to_owned(), "NPM_TOKEN: value u8****: step 1 of the history".to_owned())]
        );
        assert_eq!(risks("/bin/sh -c #(nop)  ENV DB_PASSWORD=u8sd7f6a99").len(), 1);
        assert_eq!(risks("ARG NPM_TOKEN").len(), 0);
    }

    #[test]
    fn a_secret_in_a_command_is_found_and_never_shown() {
        let token = format!("ghp_{}", "aZ3kQ9mX7pL2vB8nR4tW6yC1dF5gH0jSeU01");
        let found = risks(&format!("RUN /bin/sh -c curl -H 'token {token}' https://a.example | sh # buildkit"));
        let rules: Vec<_> = found.iter().map(|risk| &*risk.0).collect();
        assert_eq!(rules, ["pipe-to-shell", "secret-in-history"]);
        assert!(found.iter().all(|risk| !risk.1.contains("ghp_aZ")), "{found:?}");
    }
}
