//! The endpoints of one image's tabs.
//!
//! Every answer says how far the image was read, which feeds spoke and how old they are, beside the items.

use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Platform};
use weir_scanner::verdict::SeverityCounts;
use weir_storage::index::{Index, IndexError};

use super::ask::{Ask, OF_FINDINGS};
use super::decision::Decisions;
use super::facts::{OneImage, counts};
use super::order::{Cut, Key, Part, Sort, cursor, cut};
use super::{Comparison, fixes, layers, packages, vulnerabilities};
use crate::clock::rfc3339;
use crate::http::Body;
use crate::report::document::{CoveragePart, ScanPart};
use crate::report::filter::OF_WORKLOADS;
use crate::report::image::{Known as Resolved, resolve};
use crate::report::list::{Listing, limit, reference};
use crate::report::problem::Problem;
use crate::report::schema::{DigestText, SeverityNumbers};
use crate::report::shape::{FindingException, ImageVulnerability, LayerItem, PackageItem};
use crate::report::{FleetView, Parameters, Report, json, parse_digest};

/// What a tab answers with.
#[derive(Serialize, JsonSchema)]
pub(in crate::report) struct Tab<T> {
    /// The platform manifest it is about.
    #[schemars(with = "DigestText")]
    digest: Digest,
    platform: Option<String>,
    scan: ScanPart,
    coverage: CoveragePart,
    /// The age of the oldest feed that spoke.
    advisories_as_of: Option<String>,
    matched_at: Option<String>,
    /// The exception its repository stands under.
    exception: Option<FindingException>,
    /// Distinct vulnerabilities that are meant, by severity; `null` until the image was read and matched.
    #[schemars(with = "Option<SeverityNumbers>")]
    vulnerabilities: Option<SeverityCounts>,
    /// `null` until there is something to tell.
    items: Option<Vec<T>>,
    next_cursor: Option<String>,
    /// Items on all pages.
    total: Option<u64>,
}

impl<T: Serialize + JsonSchema + Send + 'static> Listing for Tab<T> {
    type Item = T;

    fn items(&self) -> &[T] {
        self.items.as_deref().unwrap_or_default()
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// What a request for a tab asks for.
struct Wanted {
    ask: Ask,
    sort: Sort,
    after: Option<Key>,
    limit: usize,
    platform: Option<Platform>,
}

impl Wanted {
    fn parse(parameters: &Parameters, sorts: &[&'static str]) -> Result<Self, Problem> {
        let platform = parameters.get("platform").map(str::parse::<Platform>).transpose();
        Ok(Self {
            ask: Ask::parse(parameters)?,
            sort: Sort::parse(parameters, sorts)?,
            after: cursor(parameters)?,
            limit: limit(parameters)?,
            platform: platform.map_err(|error| Problem::bad_request(format!("platform: {error}")))?,
        })
    }
}

impl Report {
    pub(in crate::report) async fn image_vulnerabilities(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Tab<ImageVulnerability>, Problem> {
        known(parameters, &[&OF_FINDINGS, &["sort"]])?;
        let wanted = Wanted::parse(parameters, &vulnerabilities::SORTS)?;
        self.tab(digest, wanted, vulnerabilities, vulnerabilities::key).await
    }

    pub(in crate::report) async fn image_packages(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Tab<PackageItem>, Problem> {
        known(parameters, &[&OF_FINDINGS, &["sort"]])?;
        let wanted = Wanted::parse(parameters, &packages::SORTS)?;
        self.tab(digest, wanted, packages, packages::key).await
    }

    pub(in crate::report) async fn image_fixes(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Tab<fixes::Fix>, Problem> {
        known(parameters, &[&OF_FINDINGS, &["sort"]])?;
        let wanted = Wanted::parse(parameters, &fixes::SORTS)?;
        self.tab(digest, wanted, fixes, fixes::key).await
    }

    pub(in crate::report) async fn image_layers(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Tab<LayerItem>, Problem> {
        let own: Vec<&str> = OF_FINDINGS.into_iter().filter(|name| *name != "layer").collect();
        known(parameters, &[&own])?;
        let wanted = Wanted::parse(parameters, &[])?;
        let key =
            |item: &LayerItem, sort: &Sort| sort.key(|_| Part::from(0.0), Vec::new, vec![f64::from(item.index).into()]);
        self.tab(digest, wanted, layers, key).await
    }

    async fn tab<T: Send + 'static>(
        &self,
        digest: Digest,
        wanted: Wanted,
        list: fn(&OneImage, &Ask, &Decisions) -> Option<Vec<T>>,
        key: fn(&T, &Sort) -> Key,
    ) -> Result<Tab<T>, Problem> {
        let (decisions, view) = (self.decisions(), self.fleet.view());
        let (stale_after, now) = (i64::try_from(self.stale_after.as_secs()).unwrap_or(i64::MAX), self.clock.now());
        let load = move |index: &Index| -> Result<Result<Tab<T>, Problem>, IndexError> {
            let image = match find(index, &view, digest, wanted.platform.as_ref())? {
                Ok(image) => image,
                Err(problem) => return Ok(Err(problem)),
            };
            let cut = list(&image, &wanted.ask, &decisions).map(|items| {
                cut(items, |item| key(item, &wanted.sort), &wanted.sort, wanted.after.as_ref(), wanted.limit)
            });
            let meant = image.meant(&wanted.ask, &decisions);
            let (items, next_cursor, total) = match cut {
                Some(Cut { items, next_cursor, total }) => (Some(items), next_cursor, Some(total)),
                None => (None, None, None),
            };
            Ok(Ok(Tab {
                digest: image.digest,
                platform: image.platform.clone(),
                scan: image.scan(),
                coverage: image.coverage(stale_after, now),
                advisories_as_of: image.advisories_as_of().map(rfc3339),
                matched_at: image.matched_at().map(rfc3339),
                exception: decisions.of(&image, &wanted.ask).about_image(),
                vulnerabilities: meant.map(|meant| counts(&meant).vulnerabilities),
                items,
                next_cursor,
                total,
            }))
        };
        self.index.run(load).await?
    }

    /// Every decision, with what runs now.
    pub(in crate::report) fn decisions(&self) -> Decisions {
        Decisions::new(self.exceptions.rules(), self.fleet.view(), self.clock.now())
    }

    pub(in crate::report) async fn compare(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        let finding_parameters: Vec<&str> = OF_FINDINGS.into_iter().filter(|name| *name != "layer").collect();
        parameters.only(&[&["a", "b", "platform"][..], &OF_WORKLOADS, &finding_parameters].concat())?;
        let digest = |name: &str| match parameters.get(name) {
            Some(text) => parse_digest(text),
            None => Err(Problem::bad_request(format!("{name}: the digest of an image is needed"))),
        };
        let (a, b) = (digest("a")?, digest("b")?);
        let Wanted { ask, platform, .. } = Wanted::parse(parameters, &[])?;
        json(&self.compared(a, b, platform, ask).await?)
    }

    /// Two images compared, each by any digest it goes by.
    ///
    /// # Errors
    /// One of them is not known, or is of several platforms.
    pub(in crate::report) async fn compared(
        &self,
        a: Digest,
        b: Digest,
        platform: Option<Platform>,
        ask: Ask,
    ) -> Result<Comparison, Problem> {
        let (decisions, view) = (self.decisions(), self.fleet.view());
        let load = move |index: &Index| -> Result<Result<Comparison, Problem>, IndexError> {
            let name = |image: &OneImage| match &image.record {
                Some(record) => reference(index, image.digest, record),
                None => Ok(None),
            };
            let a = match find(index, &view, a, platform.as_ref())? {
                Ok(image) => image,
                Err(problem) => return Ok(Err(problem)),
            };
            let b = match find(index, &view, b, platform.as_ref())? {
                Ok(image) => image,
                Err(problem) => return Ok(Err(problem)),
            };
            let names = (name(&a)?, name(&b)?);
            Ok(Ok(super::compare((&a, names.0), (&b, names.1), &ask, &decisions)))
        };
        self.index.run(load).await?
    }
}

/// Refuses parameters that no tab knows, or not this one.
fn known(parameters: &Parameters, own: &[&[&str]]) -> Result<(), Problem> {
    parameters.only(&[&OF_WORKLOADS[..], &["platform", "limit", "cursor"], &own.concat()].concat())
}

/// The one image a digest and a platform mean, as far as anything is known of it.
pub(in crate::report) fn find(
    index: &Index,
    view: &FleetView,
    digest: Digest,
    platform: Option<&Platform>,
) -> Result<Result<OneImage, Problem>, IndexError> {
    let running = |digest: &Digest| view.images.get(digest).map(|image| image.status());
    let Some((_, known)) = resolve(index, digest)? else {
        // It may run all the same: then that much is known of it.
        let image = running(&digest).map(|status| OneImage::unseen(digest, None, status));
        return Ok(image.ok_or_else(|| Problem::not_found(digest)));
    };
    let listed: Vec<String> =
        known.iter().filter_map(Resolved::platform).map(|platform| platform.to_string()).collect();
    let is_meant = |known: &Resolved| {
        platform.is_none_or(|wanted| known.platform().is_some_and(|platform| platform.is_for(wanted)))
    };
    let meant: Vec<Resolved> = known.into_iter().filter(is_meant).collect();
    let seen = meant.iter().filter(|known| known.record.is_some()).count();
    // Of an index whose children are not all pulled, the pulled one is meant.
    let mut meant = meant.into_iter().filter(|known| seen == 0 || known.record.is_some());
    match (meant.next(), meant.next()) {
        (Some(Resolved { target, record: Some(record) }), None) => {
            Ok(Ok(OneImage::read(index, target.manifest, record)?))
        }
        (Some(unseen), None) => {
            let manifest = unseen.target.manifest;
            let status = running(&manifest).unwrap_or(ScanStatus::NeverSeen);
            let platform = unseen.platform().as_ref().map(ToString::to_string);
            Ok(Ok(OneImage::unseen(manifest, platform, status)))
        }
        (None, _) => {
            let wanted = platform.map(|wanted| format!(" for {wanted}")).unwrap_or_default();
            Ok(Err(Problem::not_found(format!("an image of {digest}{wanted}")).with("platforms", json!(listed))))
        }
        (Some(_), Some(_)) => {
            let detail = "the digest names images of several platforms: add ?platform=os/arch[/variant]";
            Ok(Err(Problem::new(StatusCode::CONFLICT, detail).with("platforms", json!(listed))))
        }
    }
}
