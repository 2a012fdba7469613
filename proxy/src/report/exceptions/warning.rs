//! What to think of before a decision is made. What it would except is counted by [`crate::report::model`].

use weir_scanner::exception::Exception;

/// What to think of before a decision is made that would except something of so many images; `None` for nothing.
pub(in crate::report) fn warning(exception: &Exception, images: u64) -> Option<String> {
    let scope = &exception.scope;
    let mut said: Vec<String> = Vec::new();
    if scope.repository.is_none() && scope.image.is_none() && scope.package.is_none() {
        let place = if scope.is_of_workloads() { format!("in {scope}") } else { "everywhere".to_owned() };
        let end = if exception.expires_at.is_none() { ", and without an end" } else { "" };
        said.push(format!("It holds for any package of any image {place}, also for those that come later{end}."));
    }
    if images == 0 {
        said.push("It matches nothing that is there now.".to_owned());
    }
    (!said.is_empty()).then(|| said.join(" "))
}

#[cfg(test)]
mod tests {
    use weir_scanner::exception::{Kind, Scope, Target};

    use super::*;

    fn exception(scope: Scope) -> Exception {
        Exception {
            id: String::new(),
            target: Target::Vulnerability,
            kind: Kind::FalsePositive,
            vulnerability: vec!["CVE-1".into()],
            scope,
            justification: None,
            reason: "x".into(),
            created_by: "ada".into(),
            created_at: 0,
            expires_at: None,
            expire_on_fix: false,
            cancelled: None,
            document: None,
        }
    }

    #[test]
    fn broad_scopes_and_those_that_match_nothing_are_warned_of() {
        let everywhere = warning(&exception(Scope::default()), 3).unwrap();
        assert!(everywhere.contains("everywhere") && everywhere.contains("without an end"), "{everywhere}");
        let cluster = Scope { cluster: Some("east".into()), ..Scope::default() };
        let ends = Exception { expires_at: Some(9), ..exception(cluster) };
        let cluster = warning(&ends, 3).unwrap();
        assert!(cluster.contains("in cluster east") && !cluster.contains("without an end"), "{cluster}");
        let narrow = exception(Scope { package: Some("pkg:npm/a".into()), ..Scope::default() });
        assert_eq!(warning(&narrow, 1), None);
        assert_eq!(warning(&narrow, 0).as_deref(), Some("It matches nothing that is there now."));
    }
}
