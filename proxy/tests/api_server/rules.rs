//! The rights that `deploy/kubernetes/rbac.yaml` grants, as the test API server grants them.

use serde::Deserialize;
use serde_json::Value;

/// What grants weir its rights.
pub(crate) const MANIFEST: &str = include_str!("../../../deploy/kubernetes/rbac.yaml");

/// The rules of a ClusterRole.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

impl Rules {
    /// The rules of the manifest's only ClusterRole.
    pub(crate) fn of_manifest() -> Self {
        let documents: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).unwrap();
        let mut roles = documents.into_iter().filter(|document| document["kind"] == "ClusterRole");
        let role = roles.next().unwrap();
        assert!(roles.next().is_none(), "one role");
        Self(serde_json::from_value(role["rules"].clone()).unwrap())
    }

    pub(crate) fn allow(&self, group: &str, resource: &str, verb: &str) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|entry| entry == value);
        self.0
            .iter()
            .any(|rule| has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&rule.verbs, verb))
    }

    /// Every right on its own.
    pub(crate) fn pairs(&self) -> Vec<(String, String, String)> {
        let mut pairs = Vec::new();
        for rule in &self.0 {
            for group in &rule.api_groups {
                for resource in &rule.resources {
                    pairs.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
                }
            }
        }
        pairs
    }

    /// The same without one right.
    pub(crate) fn without(&self, (group, resource, verb): &(String, String, String)) -> Self {
        let pairs = self.pairs().into_iter().filter(|pair| (&pair.0, &pair.1, &pair.2) != (group, resource, verb));
        let rule =
            |(group, resource, verb)| Rule { api_groups: vec![group], resources: vec![resource], verbs: vec![verb] };
        Self(pairs.map(rule).collect())
    }
}
