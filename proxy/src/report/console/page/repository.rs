//! `/repositories/{name}`: the digests of one repository, and what changed from one to the next.

use askama::Template;
use hyper::Response;

use super::super::facet::Filters;
use super::super::query::segments;
use super::super::read::{Delta, RepositoryDocument, RepositoryImage};
use super::super::{Frame, Place, Query, ROWS, Section, Visit, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::{Counts, ImageItem, Statistics};

/// The page.
#[derive(Template)]
#[template(path = "repository.html")]
pub(super) struct Repository {
    pub(super) frame: Frame,
    pub(super) name: String,
    pub(super) exception: Option<String>,
    pub(super) statistics: Statistics,
    pub(super) sure: bool,
    pub(super) filters: Filters,
    pub(super) asked: Query,
    pub(super) except: Query,
    pub(super) narrowed: String,
    pub(super) rows: Vec<Row>,
    pub(super) most: u64,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// A row: one image.
pub(super) struct Row {
    pub(super) item: ImageItem,
    /// Its tags in this repository.
    pub(super) tags: Vec<String>,
    pub(super) counts: Option<Counts>,
    pub(super) sure: bool,
    pub(super) silence: &'static str,
    pub(super) change: Option<Change>,
}

/// What is different from the image before it, of the same platform.
pub(super) struct Change {
    pub(super) text: String,
    pub(super) compare: Place,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here, name) = (&visit.ask, visit.here, visit.place.to_owned());
    let path = format!("/api/v1/repositories/{}", segments(&name));
    let (list, narrowed) = (here.query.list(ROWS), here.query.filter().and("repository", &name));
    let (repository, statistics) = tokio::join!(
        ask.get::<RepositoryDocument>(&path, &list),
        ask.get::<Statistics>("/api/v1/statistics", &narrowed),
    );
    let (repository, statistics) = (repository?, statistics?);
    let frame = Frame::load(ask, Section::Repositories, &name, here).await;
    written(&Repository::new(frame, name, repository, statistics))
}

impl Repository {
    pub(super) fn new(frame: Frame, name: String, repository: RepositoryDocument, statistics: Statistics) -> Self {
        let RepositoryDocument { exception, digests: images } = repository;
        let here = &frame.here;
        let narrowed =
            here.query.only(&["cluster", "namespace", "label", "severity", "fixable", "known_exploited", "except"]);
        let narrowed = narrowed.asked().to_string();
        let complete = statistics.scan_statuses.get("complete").copied().unwrap_or_default();
        let except = Query::default().and("target", "repository").and("repository", &name).and("back", frame.back());
        let counts = images.items.iter().filter_map(|listed| listed.image.vulnerabilities.as_ref());
        let most = counts.map(shown::total).max();
        let rows = images.items.into_iter().map(|listed| row(&name, listed));
        Self {
            sure: complete == statistics.images && statistics.scanned_images == statistics.images,
            filters: Filters::new(here, Vec::new()),
            asked: here.query.filter().and("repository", &name),
            except,
            narrowed: if narrowed.is_empty() { narrowed } else { format!("?{narrowed}") },
            rows: rows.collect(),
            most: most.unwrap_or_default(),
            next: images.next_cursor,
            total: images.total,
            exception,
            statistics,
            name,
            frame,
        }
    }
}

fn row(name: &str, listed: RepositoryImage) -> Row {
    let RepositoryImage { image: item, delta } = listed;
    let counts = item.vulnerabilities.map(|vulnerabilities| Counts {
        vulnerabilities,
        fixable: item.fixable.unwrap_or_default(),
        known_exploited: item.known_exploited.unwrap_or_default(),
    });
    let own = item.tags.iter().filter_map(|tag| tag.strip_prefix(name)?.strip_prefix(':')).map(str::to_owned);
    Row {
        tags: own.collect(),
        counts,
        sure: item.scan_status == "complete",
        silence: if ["complete", "partial"].contains(&item.scan_status.as_str()) {
            "not known: no feed has spoken"
        } else {
            "not known: not read"
        },
        change: delta.map(|delta| change(&item, &delta)),
        item,
    }
}

/// What is different from the image before it, with the way to see it.
fn change(item: &ImageItem, delta: &Delta) -> Change {
    let query = Query::default().and("a", &delta.previous).and("b", &item.digest);
    let text = match (delta.added, delta.removed) {
        (0, 0) => "the same".to_owned(),
        (added, removed) => format!("+{} −{}", shown::number(added), shown::number(removed)),
    };
    Change { text, compare: Place::new("/compare", query) }
}

#[cfg(test)]
mod tests {
    use super::super::super::read::List;
    use super::super::super::sample;
    use super::*;

    fn document(images: Vec<(ImageItem, Option<Delta>)>) -> RepositoryDocument {
        let items = images.into_iter().map(|(image, delta)| RepositoryImage { image, delta }).collect();
        RepositoryDocument { exception: None, digests: List { items, next_cursor: None, total: Some(4) } }
    }

    #[test]
    fn an_image_is_laid_beside_the_one_before_it() {
        let delta = |added, removed| Some(Delta { previous: sample::digest('c'), added, removed });
        let mut unread = sample::image('d');
        (unread.vulnerabilities, unread.scan_status) = (None, "failed".to_owned());
        let images = vec![
            (sample::image('a'), delta(2, 6)),
            (sample::image('b'), delta(0, 0)),
            (sample::image('c'), None),
            (unread, None),
        ];
        let frame = sample::frame(Section::Repositories, "x", "/repositories/docker.io/library/nginx?cluster=prod-eu");
        let page = Repository::new(frame, "docker.io/library/nginx".into(), document(images), sample::statistics());
        let text = sample::keep("repository", &page);
        assert!(text.contains(">+2 −6</a>") && text.contains(">the same</a>"));
        assert!(text.contains("/compare?a=sha256%3Accc") && text.contains("not known: not read"));
    }

    #[test]
    fn a_repository_with_a_hostile_name_is_only_shown() {
        let frame = sample::frame(Section::Repositories, sample::HOSTILE, "/repositories/x");
        let mut image = sample::image('a');
        image.tags = vec![format!("{}:<b>tag</b>", sample::HOSTILE)];
        let page = Repository::new(frame, sample::HOSTILE.into(), document(vec![(image, None)]), sample::statistics());
        assert!(!sample::keep("repository-hostile", &page).contains("<b>tag"));
    }
}
