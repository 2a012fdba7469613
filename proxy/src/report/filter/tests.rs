//! That the grammar means what it says; and how a filter is written again, which tests of the model ask with.

use super::*;

impl Choice {
    /// The values that were given, as they are written.
    fn values(self) -> impl Iterator<Item = &'static str> {
        [(self.yes, "true"), (self.no, "false")].into_iter().filter(|(is_given, _)| *is_given).map(|(_, value)| value)
    }
}

impl Filter {
    /// The query that means the same, its parameters in one order, without a `?`; empty where nothing is asked.
    pub(in crate::report) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        self.each(|name, value| {
            query.append_pair(name, value);
        });
        query.finish()
    }

    /// Tells each parameter and value, in the order of [`Filter::PARAMETERS`].
    fn each(&self, mut tell: impl FnMut(&str, &str)) {
        let WorkloadFilter { clusters, namespaces, labels } = &self.workloads;
        clusters.iter().for_each(|value| tell("cluster", value));
        namespaces.iter().for_each(|value| tell("namespace", value));
        for (key, value) in labels {
            match value {
                Some(value) => tell("label", &format!("{key}={value}")),
                None => tell("label", key),
            }
        }
        self.repositories.iter().for_each(|value| tell("repository", value));
        self.statuses.iter().for_each(|value| tell("image_status", value.name()));
        self.scan_statuses.iter().for_each(|value| tell("scan_status", value.name()));
        self.pulled.values().for_each(|value| tell("pulled", value));
        self.ran.values().for_each(|value| tell("ran", value));
        self.severities.iter().for_each(|value| tell("severity", value.name()));
        self.fixable.values().for_each(|value| tell("fixable", value));
        self.known_exploited.values().for_each(|value| tell("known_exploited", value));
        for layer in &self.layers {
            match layer {
                LayerChoice::Index(index) => tell("layer", &index.to_string()),
                LayerChoice::Digest(digest) => tell("layer", &digest.to_string()),
            }
        }
        if self.except != Except::default() {
            tell("except", self.except.name());
        }
        self.q.iter().for_each(|value| tell("q", value));
    }
}

fn workload(cluster: &str, namespace: &str, labels: &[(&str, &str)]) -> Workload {
    Workload {
        key: WorkloadKey {
            cluster: cluster.into(),
            namespace: namespace.into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        },
        created_at: None,
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        pods: 1,
        uses: Vec::new(),
    }
}

#[test]
fn parameters_narrow_repetitions_widen_and_labels_must_all_hold() {
    let web = workload("a", "shop", &[("app", "web"), ("tier", "front")]);
    for (query, takes) in [
        ("", true),
        ("cluster=a", true),
        ("cluster=b", false),
        ("cluster=b&cluster=a", true),
        ("cluster=a&namespace=other", false),
        ("namespace=other&namespace=shop", true),
        ("label=app", true),
        ("label=app=web&label=tier=front", true),
        ("label=app=web&label=tier=back", false),
        ("label=missing", false),
    ] {
        let filter = WorkloadFilter::parse(&Parameters::parse(query)).unwrap();
        assert_eq!(filter.takes(&web), takes, "{query}");
    }
    let pulled = ImageFacts { status: ImageStatus::Idle, scan_status: ScanStatus::Partial, pulled: true, ran: false };
    for (query, takes) in [
        ("", true),
        ("image_status=running", false),
        ("image_status=running&image_status=idle", true),
        ("image_status=idle&scan_status=complete", false),
        ("scan_status=complete&scan_status=partial", true),
        ("pulled=false", false),
        ("pulled=false&pulled=true", true),
        ("pulled=true&ran=true", false),
    ] {
        let filter = Filter::parse(&Parameters::parse(query)).unwrap();
        assert_eq!(filter.takes_facts(&pulled), takes, "{query}");
    }
}

#[test]
fn values_that_are_none_are_refused_with_those_that_are() {
    let long = format!("q={}", "a".repeat(MOST_BYTES + 1));
    let many = "cluster=a&".repeat(MOST_VALUES + 1);
    for (query, says) in [
        ("image_status=old", "running, idle, retired"),
        ("scan_status=fine", "never_seen"),
        ("pulled=perhaps", "true or false"),
        ("label==x", "has no key"),
        ("severity=bad", "critical, high"),
        ("fixable=", "true or false"),
        ("layer=top", "digest or the number"),
        ("except=none", "active, excepted, all"),
        ("except=all&except=active", "one value"),
        (&long, "at most 512 bytes"),
        (&many, "at most 100 values"),
    ] {
        let problem = Filter::parse(&Parameters::parse(query)).unwrap_err();
        assert!(format!("{problem:?}").contains(says), "{query}: {problem:?}");
    }
    assert!(Filter::of_list(&Parameters::parse("layer=1")).is_err());
    assert_eq!(Filter::of_facts(&Parameters::parse("")).unwrap().except, Except::All);
    assert_eq!(Filter::of_facts(&Parameters::parse("except=active")).unwrap().except, Except::Active);
}
