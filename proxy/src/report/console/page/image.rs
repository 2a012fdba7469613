//! `/images/{digest}`: one image: its header, its hierarchy, and its tabs.

mod body;
mod facts;
mod layers;

use askama::Template;
use hyper::Response;
use serde::de::IgnoredAny;
use serde_json::json;

use self::body::Body;
use self::layers::Layers;
use super::super::query;
use super::super::query::segment;
use super::super::read::{Child, ImageDocument, List, Tab};
use super::super::{Ask, Frame, Place, Query, Section, Visit, local, see_other, shown, written};
use crate::http::Body as HttpBody;
use crate::report::format::Said;
use crate::report::problem::Problem;
use crate::report::shape::{ImageItem, LayerItem};

pub(super) use self::facts::of_document;

/// Images of the same repository that can be gone to.
const SIBLINGS: usize = 40;

/// The tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Vulnerabilities,
    Packages,
    Resources,
    History,
    Exceptions,
    Risks,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Vulnerabilities, Self::Packages, Self::Resources, Self::History, Self::Exceptions, Self::Risks];

    fn name(self) -> &'static str {
        match self {
            Self::Vulnerabilities => "vulnerabilities",
            Self::Packages => "packages",
            Self::Resources => "resources",
            Self::History => "history",
            Self::Exceptions => "exceptions",
            Self::Risks => "risks",
        }
    }

    fn of(query: &Query) -> Result<Self, Problem> {
        let Some(name) = query.get("tab") else { return Ok(Self::default()) };
        let found = Self::ALL.into_iter().find(|tab| tab.name() == name);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|tab| tab.name()).collect();
            Problem::bad_request(format!("tab: expected one of {}, found {name:?}", known.join(", ")))
        })
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Vulnerabilities => "Vulnerabilities",
            Self::Packages => "Packages",
            Self::Resources => "Affected resources",
            Self::History => "History",
            Self::Exceptions => "Exceptions",
            Self::Risks => "Risks",
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "image.html")]
pub(super) struct Image {
    pub(super) frame: Frame,
    pub(super) title: String,
    pub(super) item: ImageItem,
    pub(super) repository: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) siblings: Vec<Sibling>,
    pub(super) platforms: Vec<Link>,
    pub(super) state: shown::ScanState,
    pub(super) said: Said,
    pub(super) layers: Option<Layers>,
    pub(super) chosen: Option<String>,
    pub(super) tab: Kind,
    pub(super) tabs: Vec<Link>,
    pub(super) body: Body,
    pub(super) asked: Query,
    /// What a form of the tab sends besides what it asks.
    pub(super) kept: Vec<(String, String)>,
    /// What a scan is asked for by.
    pub(super) scan_reference: String,
}

/// Another image of the repository.
pub(super) struct Sibling {
    pub(super) digest: String,
    pub(super) text: String,
    pub(super) link: Place,
    pub(super) current: bool,
}

/// A link among others.
pub(super) struct Link {
    pub(super) text: String,
    pub(super) link: Place,
    pub(super) current: bool,
    pub(super) count: Option<u64>,
}

/// A digest of images for several platforms.
#[derive(Template)]
#[template(path = "platforms.html")]
struct Platforms {
    frame: Frame,
    digest: String,
    images: Vec<Child>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<HttpBody>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let path = format!("/api/v1/images/{}", segment(visit.place));
    let document: ImageDocument = ask.get(&path, &Query::default()).await?;
    let wanted = here.query.get("platform");
    let mut meant = document.images.iter().filter(|child| wanted.is_none_or(|p| child.platform() == Some(p)));
    let item = match (meant.next(), meant.next()) {
        (Some(Child::Known(item)), None) => (**item).clone(),
        _ => {
            let frame = Frame::load(ask, Section::Repositories, "Choose a platform", here).await;
            return written(&Platforms { frame, digest: document.digest, images: document.images });
        }
    };
    if item.digest != document.digest {
        return Ok(see_other(
            &Place::new(format!("/images/{}", item.digest), here.query.without("platform")).to_string(),
        ));
    }
    let kind = Kind::of(&here.query)?;
    let path = format!("/api/v1/images/{}", item.digest);
    let (of_layers, all) = (format!("{path}/layers"), here.query.only(&["except"]).asked().and("limit", 1000));
    let (said, all_layers, siblings) = tokio::join!(
        facts::load(ask, &item),
        ask.find::<Tab<LayerItem>>(&of_layers, &all),
        siblings(ask, &here, &item),
    );
    let (said, all_layers, siblings) = (said?, all_layers?.unwrap_or_default(), siblings?);
    let body = body::load(ask, kind, &path, &here, &item).await?;
    let platforms = facts::platforms(ask, &here, &item).await?;
    let title = item.reference.clone().unwrap_or_else(|| shown::short(&item.digest).to_owned());
    let frame = Frame::load(ask, Section::Repositories, &title, here).await;
    written(&Image::new(Parts { frame, title, item, said, layers: all_layers.items, siblings, platforms, kind, body }))
}

/// What the page is made of.
pub(super) struct Parts {
    pub(super) frame: Frame,
    pub(super) title: String,
    pub(super) item: ImageItem,
    pub(super) said: Said,
    pub(super) layers: Option<Vec<LayerItem>>,
    pub(super) siblings: Vec<Sibling>,
    pub(super) platforms: Vec<Link>,
    pub(super) kind: Kind,
    pub(super) body: Body,
}

impl Image {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { frame, title, item, said, layers, siblings, platforms, kind, body } = parts;
        let here = &frame.here;
        let repository = item.repositories.first().cloned();
        let layers = layers.map(|layers| Layers::new(here, layers));
        let chosen = here.query.get("layer").map(|layer| shown::short(layer).to_owned());
        let tabs = Kind::ALL.into_iter().filter(|tab| *tab != Kind::Risks || !said.risks.is_empty());
        let tabs = tabs.map(|tab| Link {
            text: tab.title().to_owned(),
            link: here
                .with(here.query.only(&["layer", "except", "cluster", "namespace", "label"]).and("tab", tab.name())),
            current: tab == kind,
            count: match tab {
                Kind::Resources => Some(item.running_resources),
                Kind::Risks => u64::try_from(said.risks.len()).ok(),
                _ => None,
            },
        });
        let own = ["q", "severity", "fixable", "known_exploited", "except"];
        let kept = here.query.rest(&own).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            tags: own_tags(repository.as_deref(), &item.tags),
            state: shown::scan_state(&item.scan_status),
            tabs: tabs.collect(),
            asked: here.query.asked().without("limit"),
            kept: kept.collect(),
            scan_reference: scan_reference(&item),
            title,
            item,
            repository,
            siblings,
            platforms,
            said,
            layers,
            chosen,
            tab: kind,
            body,
            frame,
        }
    }
}

/// Tags, those of the repository that is shown without its name.
fn own_tags(repository: Option<&str>, tags: &[String]) -> Vec<String> {
    let own = |tag: &String| Some(tag.strip_prefix(repository?)?.strip_prefix(':')?.to_owned());
    tags.iter().map(|tag| own(tag).unwrap_or_else(|| tag.clone())).collect()
}

/// The name by which exactly this image can be asked for.
fn scan_reference(item: &ImageItem) -> String {
    let name = item.repositories.first().cloned().or_else(|| {
        let reference = item.reference.as_deref()?;
        let name = reference.split('@').next()?;
        let slash = name.rfind('/').map_or(0, |slash| slash + 1);
        Some(name.get(..name.get(slash..)?.find(':').map_or(name.len(), |colon| slash + colon))?.to_owned())
    });
    name.map(|name| format!("{name}@{}", item.digest)).unwrap_or_default()
}

/// The other images of its repository, newest first.
async fn siblings(ask: &Ask<'_>, here: &Place, item: &ImageItem) -> Result<Vec<Sibling>, Problem> {
    let Some(repository) = item.repositories.first() else { return Ok(Vec::new()) };
    let query = Query::default().and("repository", repository).and("except", "all").and("limit", SIBLINGS);
    let Some(images) = ask.find::<List<ImageItem>>("/api/v1/images", &query).await? else { return Ok(Vec::new()) };
    let kept = here.query.only(&["tab", "view", "severity", "fixable", "known_exploited", "except"]);
    Ok(images
        .items
        .into_iter()
        .map(|other| Sibling {
            link: Place::new(format!("/images/{}", other.digest), kept.clone()),
            text: sibling_text(repository, &other),
            current: other.digest == item.digest,
            digest: other.digest,
        })
        .collect())
}

fn sibling_text(repository: &str, image: &ImageItem) -> String {
    let own = image.tags.iter().filter_map(|tag| tag.strip_prefix(repository)?.strip_prefix(':'));
    let mut parts: Vec<String> = own.take(2).map(str::to_owned).collect();
    parts.extend(image.platform.clone());
    parts.push(image.image_status.clone());
    parts.push(format!("first seen {}", shown::day(&image.first_seen)));
    parts.join(" · ")
}

/// Asks for a scan of the image.
pub(super) async fn scan(visit: Visit<'_>) -> Result<Response<HttpBody>, Problem> {
    let reference = visit.form.get("reference").unwrap_or_default();
    let _: IgnoredAny = visit.ask.post("/api/v1/scans", &json!({ "reference": reference })).await?;
    let back = local(visit.form.get("back"), &format!("/images/{}", segment(visit.place)));
    Ok(see_other(&back.set("asked", "scan").to_string()))
}

#[cfg(test)]
mod tests;
