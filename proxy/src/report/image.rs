//! `images/{digest}` and `images/{digest}/report`: any digest an image goes by.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Platform};
use weir_storage::index::{AliasKind, AliasTarget, ImageRecord, Index, IndexError};

use super::current::Current;
use super::document::{ResultInput, result};
use super::format::{negotiate, render};
use super::images::{ImageContext, ImageItem};
use super::list::reference;
use super::problem::Problem;
use super::{Parameters, Report, json, unwritten};
use crate::http::{Body, full};

/// What `images/{digest}` answers.
#[derive(Serialize)]
struct ImageDocument {
    /// The digest asked for.
    digest: Digest,
    /// What it is: `index`, `manifest` or `config`; `unknown` for what runs and weir has not seen.
    kind: &'static str,
    /// The platform manifests it stands for.
    images: Vec<ChildItem>,
}

#[derive(Serialize)]
struct ChildItem {
    platform: Option<String>,
    scan_status: ScanStatus,
    #[serde(flatten)]
    image: Option<ImageItem>,
    digest: Digest,
}

struct Known {
    target: AliasTarget,
    record: Option<ImageRecord>,
}

impl Known {
    fn platform(&self) -> Option<Platform> {
        self.target.platform.clone().or_else(|| self.record.as_ref()?.platform.clone())
    }
}

/// The platform manifests a digest stands for, each with its row where it was seen.
fn resolve(index: &Index, digest: Digest) -> Result<Option<(AliasKind, Vec<Known>)>, IndexError> {
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
        let (view, idle_seconds, now) = (self.fleet.view(), self.idle_seconds(), self.clock.now());
        let load = move |index: &Index| -> Result<_, IndexError> {
            let context = ImageContext { index, view: &view, idle_seconds, now };
            let Some((kind, known)) = resolve(index, digest)? else {
                // It may run all the same: then that much is known of it.
                let running = view.images.get(&digest);
                return Ok(running.map(|running| ImageDocument {
                    digest,
                    kind: "unknown",
                    images: vec![ChildItem {
                        platform: None,
                        scan_status: running.status(),
                        image: Some(context.unseen(digest, running)),
                        digest,
                    }],
                }));
            };
            let images = known.into_iter().map(|known| {
                let (platform, manifest) = (known.platform().as_ref().map(ToString::to_string), known.target.manifest);
                let running = view.images.get(&manifest);
                let (scan_status, image) = match (&known.record, running) {
                    (Some(record), _) => (record.status, Some(context.item(manifest, record)?)),
                    (None, Some(running)) => (running.status(), Some(context.unseen(manifest, running))),
                    (None, None) => (ScanStatus::NeverSeen, None),
                };
                Ok(ChildItem { platform, scan_status, image, digest: manifest })
            });
            Ok(Some(ImageDocument {
                digest,
                kind: kind_name(kind),
                images: images.collect::<Result<_, IndexError>>()?,
            }))
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
        let load = move |index: &Index| -> Result<_, IndexError> {
            let inventory = index.inventories().get(&manifest)?;
            let findings = index.findings().get(&manifest)?;
            let current = Current::read(index, findings.as_ref())?;
            Ok(result(&ResultInput {
                digest: Some(manifest),
                reference: reference(index, manifest, &record)?,
                image: &record,
                inventory: inventory.as_ref().map(|stored| &stored.inventory),
                findings: findings.as_ref(),
                current: &current,
                stale_after,
                now,
            }))
        };
        let document = self.index.run(load).await?;
        let body = render(&document, format, now).map_err(unwritten)?;
        let mut response = Response::new(full(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        Ok(response)
    }
}

fn kind_name(kind: AliasKind) -> &'static str {
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
