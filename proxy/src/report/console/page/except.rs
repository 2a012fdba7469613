//! `/exceptions/new`: the form that sets exceptions, with what they would except now.
//!
//! What is selected is in the form's address. What the form says besides is sent as its body, since the proof that it is weir's own has no
//! place in an address. Nothing is saved whose preview was not shown: what was previewed has a mark, and a form whose mark is another's gets
//! the preview first.

mod form;

use std::collections::BTreeSet;

use askama::Template;
use hyper::{Response, StatusCode};
use serde_json::Value;
use weir_scanner::oci::Digest;

use self::form::Form;
use super::super::read::{Cluster, List};
use super::super::{Ask, Frame, Place, Query, Section, Visit, local, see_other, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::{ExceptionItem, Preview, PreviewedException};

/// Examples of a preview.
const EXAMPLES: usize = 8;

/// The page.
#[derive(Template)]
#[template(path = "except.html")]
pub(super) struct Except {
    pub(super) frame: Frame,
    pub(super) form: Form,
    pub(super) problem: Option<String>,
    pub(super) preview: Shown,
}

/// What is shown of what would be excepted.
pub(super) struct Shown {
    pub(super) told: Option<Preview>,
    pub(super) warnings: BTreeSet<String>,
    /// Why there is none.
    pub(super) silence: String,
    /// Tells this from any other preview.
    pub(super) mark: String,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let query = visit.here.query.clone();
    page(&visit.ask, visit.here, &query, None).await
}

/// The form as it stands, over its preview.
async fn page(ask: &Ask<'_>, here: Place, query: &Query, problem: Option<String>) -> Result<Response<Body>, Problem> {
    let clusters: List<Cluster> = ask.get("/api/v1/clusters", &Query::default().and("limit", 1000)).await?;
    let clusters = clusters.items.into_iter().map(|cluster| cluster.name).collect();
    let form = Form::read(query, local(query.get("back"), "/exceptions"), clusters, ask.now());
    let (preview, refused) = preview(ask, &form).await?;
    let frame = Frame::load(ask, Section::Exceptions, "Except", here).await;
    written(&Except { frame, form, problem: problem.or(refused), preview })
}

/// What the form would except, or what is wrong with it.
async fn preview(ask: &Ask<'_>, form: &Form) -> Result<(Shown, Option<String>), Problem> {
    let mark = mark(form);
    let silent = |silence: &str| Shown {
        told: None,
        warnings: BTreeSet::new(),
        silence: silence.to_owned(),
        mark: mark.clone(),
    };
    if form.selection.is_empty() {
        return Ok((silent("Say what is to be excepted, and press Preview."), None));
    }
    let drafts = form.drafts("preview");
    match ask.post::<List<PreviewedException>>("/api/v1/exceptions?dry_run=true", &drafts).await {
        Ok(previewed) => {
            let warnings = previewed.items.iter().filter_map(|one| one.preview.warning.clone()).collect();
            let told = Some(together(form, previewed.items.into_iter().map(|one| one.preview)));
            Ok((Shown { told, warnings, silence: String::new(), mark }, None))
        }
        Err(problem) if is_of_form(&problem) => Ok((silent("Nothing to preview yet."), Some(words(&problem)))),
        Err(problem) => Err(problem),
    }
}

/// What several decisions of a form would except. They may be about the same things: of those the most that one of them has is sure.
fn together(form: &Form, previews: impl Iterator<Item = Preview>) -> Preview {
    let mut all = Preview::default();
    for preview in previews {
        all.findings += preview.findings;
        all.images = all.images.max(preview.images);
        all.workloads = all.workloads.max(preview.workloads);
        if form.is_repository {
            all.vulnerabilities = all.vulnerabilities.max(preview.vulnerabilities);
            all.repositories += preview.repositories;
        } else {
            all.vulnerabilities += preview.vulnerabilities;
            all.repositories = all.repositories.max(preview.repositories);
        }
        all.examples.extend(preview.examples);
    }
    if !form.is_repository {
        // One vulnerability in several packages is one.
        let ids: BTreeSet<&str> = form.selection.iter().map(|selected| selected.id.as_str()).collect();
        all.vulnerabilities = all.vulnerabilities.min(u64::try_from(ids.len()).unwrap_or(u64::MAX));
    }
    all.examples.truncate(EXAMPLES);
    all
}

/// What tells what a form would except from what another would.
fn mark(form: &Form) -> String {
    let drafts = Value::from(form.drafts("preview")).to_string();
    Digest::of(drafts.as_bytes()).hex().chars().take(16).collect()
}

/// Whether a problem is one that the form can mend.
fn is_of_form(problem: &Problem) -> bool {
    [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::CONFLICT].contains(&problem.status())
}

fn words(problem: &Problem) -> String {
    problem.detail().to_owned()
}

/// Saves what the form says, where its preview was shown and is not asked for again; else shows that.
pub(super) async fn save(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, query) = (&visit.ask, &visit.form);
    let back = local(query.get("back"), "/exceptions");
    let form = Form::read(query, back.clone(), Vec::new(), ask.now());
    let here = Place::new("/exceptions/new", query.without("csrf").without("mark").without("do"));
    if query.get("do") == Some("preview") {
        return page(ask, here, query, None).await;
    }
    let problem = if form.selection.is_empty() {
        Some("Say what is to be excepted.".to_owned())
    } else if form.reason.trim().is_empty() {
        Some("A reason is needed.".to_owned())
    } else if query.get("mark") != Some(&mark(&form)) {
        Some("The selection or its scope changed: look at what it would except now, then save again.".to_owned())
    } else {
        None
    };
    if problem.is_some() {
        return page(ask, here, query, problem).await;
    }
    match ask.post::<List<ExceptionItem>>("/api/v1/exceptions", &form.drafts(&form.reason)).await {
        Ok(made) => {
            let back = back.settled();
            let query = made.items.iter().take(100).fold(back.query.clone(), |query, item| query.and("made", &item.id));
            Ok(see_other(&back.with(query).to_string()))
        }
        Err(problem) if is_of_form(&problem) => page(ask, here, query, Some(words(&problem))).await,
        Err(problem) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn form(query: &str) -> Form {
        Form::read(&Query::parse(query), local(None, "/exceptions"), vec!["prod-eu".into()], sample::NOW)
    }

    #[test]
    fn a_form_says_what_it_would_except_before_it_is_saved() {
        let query = "target=vulnerability&vulnerability=CVE-2026-1111+pkg:deb/debian/openssl@3.0&image=sha256:aa\
                     &repository=docker.io/library/nginx";
        let told = Some(Preview {
            images: 3,
            repositories: 1,
            findings: 9,
            vulnerabilities: 1,
            workloads: 14,
            warning: None,
            examples: vec![sample::example()],
        });
        let warnings = ["It holds everywhere.".to_owned()].into();
        let preview = Shown { told, warnings, silence: String::new(), mark: mark(&form(query)) };
        let frame = sample::frame(Section::Exceptions, "Except", "/exceptions/new");
        let text = sample::keep("except", &Except { frame, form: form(query), problem: None, preview });
        for said in
            ["<b>9 findings</b>", "It holds everywhere.", "2027-02-27", "name=\"csrf\" value=\"proof\"", "required"]
        {
            assert!(text.contains(said), "{said}");
        }
    }

    #[test]
    fn what_several_decisions_share_is_not_counted_twice() {
        let preview = || Preview {
            images: 3,
            repositories: 1,
            findings: 2,
            vulnerabilities: 1,
            workloads: 4,
            ..Preview::default()
        };
        let told = |form: &Form| {
            let all = together(form, [preview(), preview()].into_iter());
            (all.findings, all.vulnerabilities, all.images, all.repositories, all.workloads)
        };
        let packages = "target=vulnerability&vulnerability=CVE-1+pkg:npm/a@1&vulnerability=CVE-1+pkg:npm/b@1";
        assert_eq!(told(&form(packages)), (4, 1, 3, 1, 4));
        assert_eq!(told(&form("target=repository&repository=a/b&repository=a/c")), (4, 1, 3, 2, 4));
    }

    #[test]
    fn a_mark_is_of_what_and_where_and_not_of_why() {
        let one = form("target=vulnerability&vulnerability=CVE-1&scope=everywhere&reason=a");
        let same = form("target=vulnerability&vulnerability=CVE-1&scope=everywhere&reason=b");
        let wider = form("target=vulnerability&vulnerability=CVE-1&vulnerability=CVE-2&scope=everywhere&reason=a");
        assert_eq!(mark(&one), mark(&same));
        assert_ne!(mark(&one), mark(&wider));
    }
}
