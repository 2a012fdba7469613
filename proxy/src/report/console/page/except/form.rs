//! What the form for exceptions holds, and the decisions it asks for.

use serde_json::{Value, json};

use super::super::super::{Place, Query};
use crate::clock::rfc3339;

/// Days that an exception is good for unless something else is said.
const DEFAULT_DAYS: i64 = 90;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The form.
pub(in super::super) struct Form {
    pub(super) target: &'static str,
    pub(super) is_repository: bool,
    /// The parameter that what is selected stands in.
    pub(super) selects: &'static str,
    pub(super) selection: Vec<Selected>,
    pub(super) image: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) scopes: Vec<Choice>,
    pub(super) scope: String,
    pub(super) one_image: bool,
    pub(super) narrowed: bool,
    pub(super) cluster: String,
    pub(super) namespace: String,
    pub(super) labels: String,
    pub(super) clusters: Vec<String>,
    pub(super) kind: String,
    pub(super) kinds: Vec<Choice>,
    pub(super) justification: String,
    pub(super) justifications: Vec<Choice>,
    pub(super) until: String,
    pub(super) expire_on_fix: bool,
    pub(super) reason: String,
    pub(super) back: Place,
}

/// One thing that is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Selected {
    /// As it is sent: an id, with a package URL behind it where it was selected in an image.
    pub(super) value: String,
    pub(super) id: String,
    pub(super) package: Option<String>,
}

/// One of several.
pub(in super::super) struct Choice {
    pub(super) value: &'static str,
    pub(super) text: String,
    pub(super) chosen: bool,
}

impl Form {
    /// The form as a query or a body says it, else as it is at first.
    pub(in super::super) fn read(query: &Query, back: Place, clusters: Vec<String>, now: i64) -> Self {
        let text = |name| query.get(name).unwrap_or_default().to_owned();
        let is_repository = query.get("target") == Some("repository");
        let (target, selects) =
            if is_repository { ("repository", "repository") } else { ("vulnerability", "vulnerability") };
        let mut selection: Vec<Selected> = query.all(selects).map(|value| selected(value, is_repository)).collect();
        selection.dedup();
        let (image, repository) = (query.get("image").map(str::to_owned), query.get("repository").map(str::to_owned));
        let has_package = selection.iter().any(|selected| selected.package.is_some());
        let offered = offered(is_repository, image.is_some(), repository.is_some(), has_package);
        let scope = query.get("scope").filter(|scope| offered.iter().any(|(value, _)| value == scope));
        let scope = scope.or(offered.first().map(|(value, _)| *value)).unwrap_or_default().to_owned();
        let kind = query.get("kind").unwrap_or("accepted_risk").to_owned();
        let justification = text("justification");
        // A form that was sent without a day means none; one that was never sent gets the usual.
        let until = match query.get("kind") {
            Some(_) => text("until"),
            None => rfc3339(now + DEFAULT_DAYS * DAY).chars().take(10).collect(),
        };
        Self {
            scopes: offered
                .into_iter()
                .map(|(value, text)| Choice { value, text: text.to_owned(), chosen: value == scope })
                .collect(),
            one_image: scope.ends_with("image"),
            kinds: choices(&kind, kinds(is_repository)),
            justifications: choices(&justification, &JUSTIFICATIONS),
            narrowed: ["cluster", "namespace", "labels"].iter().any(|name| query.get(name).is_some()),
            cluster: text("cluster"),
            namespace: text("namespace"),
            labels: text("labels"),
            expire_on_fix: query.get("expire_on_fix").is_some(),
            reason: text("reason"),
            target,
            is_repository,
            selects,
            selection,
            image,
            repository,
            scope,
            clusters,
            kind,
            justification,
            until,
            back,
        }
    }

    /// The decisions it asks for, as the API takes them.
    pub(in super::super) fn drafts(&self, reason: &str) -> Vec<Value> {
        let mut drafts: Vec<Value> = Vec::new();
        for selected in &self.selection {
            let mut scope = json!({});
            let labels: Vec<&str> = self.labels.split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
            for (name, value) in [("cluster", &self.cluster), ("namespace", &self.namespace)] {
                if !value.trim().is_empty() {
                    scope[name] = value.trim().into();
                }
            }
            if !labels.is_empty() {
                scope["labels"] = labels.into();
            }
            if self.is_repository {
                scope["repository"] = selected.id.as_str().into();
            } else {
                self.place(&mut scope, selected);
            }
            let mut draft = json!({"target": self.target, "kind": self.kind, "scope": scope, "reason": reason});
            if !self.is_repository {
                draft["vulnerability"] = selected.id.as_str().into();
                draft["expire_on_fix"] = self.expire_on_fix.into();
            }
            if !self.justification.is_empty() && self.kind == "false_positive" {
                draft["justification"] = self.justification.as_str().into();
            }
            if !self.until.is_empty() {
                draft["expires_at"] = format!("{}T23:59:59Z", self.until).into();
            }
            // Without its package a vulnerability that was selected in several is one decision.
            if !drafts.contains(&draft) {
                drafts.push(draft);
            }
        }
        drafts
    }

    /// Puts into a scope what the chosen one of [`offered`] says.
    fn place(&self, scope: &mut Value, selected: &Selected) {
        if self.scope.ends_with("image") {
            scope["image"] = self.image.as_deref().into();
        } else if self.scope.ends_with("repository") {
            scope["repository"] = self.repository.as_deref().into();
        }
        if self.scope.starts_with("package") {
            let plain = selected.package.as_deref().map(|purl| purl.split(['?', '#']).next().unwrap_or(purl));
            // A repository will have other versions; one image will not.
            let versionless = plain.and_then(|purl| purl.rsplit_once('@')).map(|(name, _)| name);
            scope["package"] = if self.one_image { plain } else { versionless.or(plain) }.into();
        }
    }
}

fn selected(value: &str, is_repository: bool) -> Selected {
    let (id, package) = match value.split_once(' ') {
        Some((id, package)) if !is_repository => (id, Some(package.to_owned())),
        _ => (value, None),
    };
    Selected { value: value.to_owned(), id: id.trim().to_owned(), package: package.filter(|purl| !purl.is_empty()) }
}

/// The scopes that can be chosen with what is known of the selection, the usual one first.
fn offered(is_repository: bool, image: bool, repository: bool, package: bool) -> Vec<(&'static str, &'static str)> {
    let all = [
        (repository, "repository", "Every image of this repository, now and later"),
        (repository && package, "package-repository", "Only this package, in every image of this repository"),
        (image, "image", "This image alone"),
        (image && package, "package-image", "Only this package, in this image alone"),
        (package, "package", "Only this package, everywhere"),
        (true, "everywhere", "Everywhere"),
    ];
    let fits = all.into_iter().filter(|(fits, ..)| *fits);
    if is_repository {
        return vec![("everywhere", "Wherever the repository runs")];
    }
    fits.map(|(_, value, text)| (value, text)).collect()
}

fn kinds(is_repository: bool) -> &'static [(&'static str, &'static str)] {
    if is_repository { &KINDS[..2] } else { &KINDS }
}

/// What can be decided.
const KINDS: [(&str, &str); 3] = [
    ("accepted_risk", "Accepted risk: it is so, and is lived with"),
    ("false_positive", "False positive: it is not so"),
    ("under_investigation", "Under investigation: said beside the finding, which still counts"),
];

/// Why something is not affected, by the words of VEX.
const JUSTIFICATIONS: [(&str, &str); 5] = [
    ("component_not_present", "The component is not in the image"),
    ("vulnerable_code_not_present", "The vulnerable code is not in the component"),
    ("vulnerable_code_not_in_execute_path", "The vulnerable code is never run"),
    ("vulnerable_code_cannot_be_controlled_by_adversary", "An attacker cannot reach the code"),
    ("inline_mitigations_already_exist", "Something keeps it from being exploited"),
];

fn choices(chosen: &str, known: &'static [(&'static str, &'static str)]) -> Vec<Choice> {
    let choice = |(value, text): &(&'static str, &'static str)| Choice {
        value,
        text: (*text).to_owned(),
        chosen: *value == chosen,
    };
    known.iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafts(query: &str) -> Vec<Value> {
        Form::read(&Query::parse(query), Place::new("/", Query::default()), Vec::new(), 0).drafts("why")
    }

    const ROW: &str = "vulnerability=CVE-1+pkg:deb/debian/openssl@3.0%3Fdistro=x&vulnerability=CVE-1+pkg:deb/debian/libssl@3.0\
                       &image=sha256:aa&repository=docker.io/library/nginx";

    #[test]
    fn a_scope_goes_from_everywhere_down_to_one_package_in_one_image() {
        for (scope, places) in [
            ("", vec![json!({"repository": "docker.io/library/nginx"})]),
            ("everywhere", vec![json!({})]),
            ("image", vec![json!({"image": "sha256:aa"})]),
            (
                "package",
                vec![json!({"package": "pkg:deb/debian/openssl"}), json!({"package": "pkg:deb/debian/libssl"})],
            ),
            (
                "package-image",
                vec![
                    json!({"image": "sha256:aa", "package": "pkg:deb/debian/openssl@3.0"}),
                    json!({"image": "sha256:aa", "package": "pkg:deb/debian/libssl@3.0"}),
                ],
            ),
        ] {
            let found: Vec<Value> =
                drafts(&format!("{ROW}&scope={scope}")).iter().map(|d| d["scope"].clone()).collect();
            assert_eq!(found, places, "{scope:?}");
        }
        let narrowed = drafts("vulnerability=CVE-1&cluster=a&namespace=b&labels=app%3Dx,+tier");
        assert_eq!(narrowed[0]["scope"], json!({"cluster": "a", "namespace": "b", "labels": ["app=x", "tier"]}));
    }

    #[test]
    fn it_ends_after_ninety_days_unless_a_form_says_otherwise() {
        assert_eq!(drafts("vulnerability=CVE-1")[0]["expires_at"], "1970-04-01T23:59:59Z");
        assert_eq!(drafts("vulnerability=CVE-1&kind=false_positive&until=")[0]["expires_at"], Value::Null);
        let draft = &drafts("vulnerability=CVE-1&kind=accepted_risk&justification=component_not_present")[0];
        assert_eq!(draft["justification"], Value::Null, "only a false positive has one");
    }

    #[test]
    fn a_repository_is_excepted_whole() {
        let found = drafts("target=repository&repository=a/b&repository=a/c&scope=image&expire_on_fix=true");
        assert_eq!(found.iter().map(|d| d["scope"]["repository"].clone()).collect::<Vec<_>>(), ["a/b", "a/c"]);
        assert!(found[0].get("expire_on_fix").is_none() && found[0].get("vulnerability").is_none());
    }
}
