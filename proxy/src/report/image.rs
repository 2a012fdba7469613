//! `images/{digest}` and `images/{digest}/report`: any digest an image goes by.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use weir_scanner::exception::Place;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Platform};
use weir_storage::index::{AliasKind, AliasTarget, ImageRecord, Index, IndexError};

use super::current::Current;
use super::document::{ResultInput, result};
use super::exceptions::{nothing_to_say, place, stand};
use super::format::{Format, negotiate, render};
use super::list::reference;
use super::problem::Problem;
use super::schema::{DigestText, KindName, ScanStatusName};
use super::shape::ImageItem;
use super::{Parameters, Report, json, unwritten};
use crate::http::{Body, full};

/// What a digest is that runs and that weir has not seen.
pub(super) const UNSEEN_KIND: &str = "unknown";

/// What `images/{digest}` answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct ImageDocument {
    /// The digest asked for.
    #[schemars(with = "DigestText")]
    digest: Digest,
    /// What it is: `index`, `manifest` or `config`; `unknown` for what runs and weir has not seen.
    #[schemars(with = "KindName")]
    kind: &'static str,
    /// The platform manifests it stands for.
    images: Vec<ChildItem>,
}

/// One of them.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum ChildItem {
    Known(Box<ImageItem>),
    /// An index names it; nobody asked for it yet.
    Unknown {
        #[schemars(with = "DigestText")]
        digest: Digest,
        platform: Option<String>,
        #[schemars(with = "ScanStatusName")]
        scan_status: ScanStatus,
    },
}

pub(super) struct Known {
    pub(super) target: AliasTarget,
    pub(super) record: Option<ImageRecord>,
}

impl Known {
    pub(super) fn platform(&self) -> Option<Platform> {
        self.target.platform.clone().or_else(|| self.record.as_ref()?.platform.clone())
    }
}

/// The platform manifests a digest stands for, each with its row where it was seen.
pub(super) fn resolve(index: &Index, digest: Digest) -> Result<Option<(AliasKind, Vec<Known>)>, IndexError> {
    let Some(kind) = index.aliases().kind(&digest)? else { return Ok(None) };
    let known = index.aliases().resolve(&digest)?.into_iter().map(|target| {
        let record = index.images().get(&target.manifest)?;
        Ok(Known { target, record })
    });
    Ok(Some((kind, known.collect::<Result<_, IndexError>>()?)))
}

impl Report {
    pub(super) async fn image(&self, digest: Digest, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let model = self.model();
        let load = move |index: &Index| -> Result<_, IndexError> {
            let Some((kind, known)) = resolve(index, digest)? else {
                // It may run all the same: then that much is known of it.
                let images = model.image_of(&digest).map(|image| vec![ChildItem::Known(Box::new(image))]);
                return Ok(images.map(|images| ImageDocument { digest, kind: UNSEEN_KIND, images }));
            };
            let images = known.into_iter().map(|known| {
                let (platform, digest) = (known.platform().as_ref().map(ToString::to_string), known.target.manifest);
                match model.image_of(&digest) {
                    Some(image) => {
                        let platform = image.platform.or(platform);
                        ChildItem::Known(Box::new(ImageItem { platform, ..image }))
                    }
                    None => ChildItem::Unknown { digest, platform, scan_status: ScanStatus::NeverSeen },
                }
            });
            Ok(Some(ImageDocument { digest, kind: kind_name(kind), images: images.collect() }))
        };
        let document = self.index.run(load).await?.ok_or_else(|| Problem::not_found(digest))?;
        json(&document)
    }

    /// The one image a digest and the parameter `platform` mean.
    pub(super) async fn chosen(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<(Digest, ImageRecord), Problem> {
        let wanted = parameters.get("platform").map(str::parse::<Platform>).transpose();
        let wanted = wanted.map_err(|error| Problem::bad_request(format!("platform: {error}")))?;
        let known = self.index.run(move |index| resolve(index, digest)).await?;
        let (_, known) = known.ok_or_else(|| Problem::not_found(digest))?;
        choose(digest, known, wanted.as_ref())
    }

    pub(super) async fn image_report(
        &self,
        digest: Digest,
        parameters: &Parameters,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&["platform", "format"])?;
        let format = negotiate(parameters.get("format"), headers)?;
        let (manifest, record) = self.chosen(digest, parameters).await?;
        let (stale_after, now) = (i64::try_from(self.stale_after.as_secs()).unwrap_or(i64::MAX), self.clock.now());
        let (rules, view) = (self.exceptions.rules(), self.fleet.view());
        let load = move |index: &Index| -> Result<_, IndexError> {
            let inventory = index.inventories().get(&manifest)?;
            let findings = index.findings().get(&manifest)?;
            let current = Current::read(index, findings.as_ref())?;
            let mut document = result(&ResultInput {
                digest: Some(manifest),
                reference: reference(index, manifest, &record)?,
                image: &record,
                inventory: inventory.as_ref().map(|stored| &stored.inventory),
                findings: findings.as_ref(),
                current: &current,
                stale_after,
                now,
            });
            let names: Vec<String> = record.names.iter().map(|(upstream, name)| format!("{upstream}/{name}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let users = view.images.get(&manifest).map(|running| running.users.as_slice()).unwrap_or_default();
            // What is said of the image to others must hold whatever runs it.
            let users = if format.is_of_image() { &[] } else { users };
            let places: Vec<Place<'_>> = users.iter().map(|at| place(view.workload(*at))).collect();
            stand(&mut document, &rules, (&manifest, &names), &places, now);
            if format == Format::OpenVex && !document.is_decided() {
                return Ok(Err(nothing_to_say()));
            }
            // Written here: a large report takes longer than a pull may wait for its thread.
            Ok(render(&document, format, now).map_err(unwritten))
        };
        let body = self.index.run(load).await??;
        let mut response = Response::new(full(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        Ok(response)
    }
}

/// What a digest is, as it is told.
pub(super) fn kind_name(kind: AliasKind) -> &'static str {
    match kind {
        AliasKind::Index => "index",
        AliasKind::Manifest => "manifest",
        AliasKind::Config => "config",
    }
}

/// The one image a report is about: the platform asked for, or the only one known here.
fn choose(digest: Digest, known: Vec<Known>, wanted: Option<&Platform>) -> Result<(Digest, ImageRecord), Problem> {
    let listed: Vec<String> = known.iter().filter_map(Known::platform).map(|platform| platform.to_string()).collect();
    let mut seen: Vec<Known> = known
        .into_iter()
        .filter(|known| known.record.is_some())
        .filter(|known| wanted.is_none_or(|wanted| known.platform().is_some_and(|platform| platform.is_for(wanted))))
        .collect();
    match (seen.len(), seen.pop()) {
        (1, Some(Known { target, record: Some(record) })) => Ok((target.manifest, record)),
        (0, _) => {
            let wanted = wanted.map(|wanted| format!(" for {wanted}")).unwrap_or_default();
            Err(Problem::not_found(format!("an image of {digest}{wanted}")).with("platforms", json!(listed)))
        }
        _ => {
            let problem = Problem::new(
                StatusCode::CONFLICT,
                "the digest names images of several platforms: add ?platform=os/arch[/variant]",
            );
            Err(problem.with("platforms", json!(listed)))
        }
    }
}
