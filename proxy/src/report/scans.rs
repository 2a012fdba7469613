//! `scans`: images that were asked to be scanned, and how far that has come.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Platform};
use weir_storage::index::{Index, IndexError, ScanRequestCursor, ScanRequestRecord, ScanRequestState};

use super::body::parsed;
use super::list::{Page, limit};
use super::problem::Problem;
use super::schema::{DigestText, ScanStatusName};
use super::{Parameters, Report, json};
use crate::clock::rfc3339;
use crate::http::Body;
use crate::pull::FetchReason;
use crate::scan::RequestRefused;

/// Longest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;
/// Seconds after which one who found no room may ask again.
const ASK_AGAIN: u32 = 30;

/// What is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScanRequest")]
pub(super) struct Asked {
    /// The image: `[registry/]repository[:tag][@digest]`.
    #[schemars(length(min = 1))]
    reference: String,
    /// Only this platform of an index: `os/architecture[/variant]`.
    #[serde(default)]
    #[schemars(extend("pattern" = super::openapi::PLATFORM))]
    platform: Option<String>,
}

/// One request.
#[derive(Serialize, JsonSchema)]
pub(super) struct ScanItem {
    id: String,
    reference: String,
    platform: Option<String>,
    state: &'static str,
    /// Why it failed, where it did.
    error: Option<ErrorPart>,
    /// The images the reference means, once that is known.
    images: Vec<ImagePart>,
    requested_at: String,
    updated_at: String,
}

#[derive(Serialize, JsonSchema)]
struct ErrorPart {
    code: String,
    detail: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScannedImage")]
struct ImagePart {
    #[schemars(with = "DigestText")]
    digest: Digest,
    platform: Option<String>,
    #[schemars(with = "ScanStatusName")]
    scan_status: ScanStatus,
}

impl ImagePart {
    fn load(index: &Index, digest: Digest) -> Result<Self, IndexError> {
        let row = index.images().get(&digest)?;
        let scan_status = row.as_ref().map_or(ScanStatus::NeverSeen, |row| row.status);
        let platform = match row.and_then(|row| row.platform) {
            Some(platform) => Some(platform),
            // Until the image's own configuration is read, an index's word counts.
            None => index.aliases().parents(&digest)?.into_iter().find_map(|edge| edge.platform),
        };
        Ok(Self { digest, platform: platform.as_ref().map(ToString::to_string), scan_status })
    }
}

impl ScanItem {
    fn load(index: &Index, request: ScanRequestRecord) -> Result<Self, IndexError> {
        let state = request.state.name();
        let error = match request.state {
            ScanRequestState::Failed { code, detail } => Some(ErrorPart { code, detail }),
            _ => None,
        };
        Ok(Self {
            id: request.id,
            reference: request.reference,
            platform: request.platform.as_ref().map(ToString::to_string),
            state,
            error,
            images: request
                .images
                .into_iter()
                .map(|digest| ImagePart::load(index, digest))
                .collect::<Result<_, _>>()?,
            requested_at: rfc3339(request.requested_at),
            updated_at: rfc3339(request.updated_at),
        })
    }
}

impl Report {
    pub(super) async fn request_scan<B>(
        &self,
        parameters: &Parameters,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parameters.only(&[])?;
        let asked: Asked = parsed(request, MAX_BODY).await?;
        let platform = asked.platform.as_deref().map(str::parse::<Platform>).transpose();
        let platform = platform.map_err(|error| Problem::unusable(format!("platform: {error}")))?;
        let request = self.scans.ask(&asked.reference, platform).await.map_err(refused)?;
        let place = format!("/api/v1/scans/{}", request.id);
        let item = self.index.run(move |index| ScanItem::load(index, request)).await?;
        let mut response = json(&item)?;
        *response.status_mut() = StatusCode::ACCEPTED;
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
        Ok(response)
    }

    pub(super) async fn scan_request(&self, id: &str, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let wanted = id.to_owned();
        let load = move |index: &Index| {
            let request = index.scan_requests().get(&wanted)?;
            request.map(|request| ScanItem::load(index, request)).transpose()
        };
        json(&self.index.run(load).await?.ok_or_else(|| Problem::not_found(format!("the scan {id:?}")))?)
    }

    pub(super) async fn scan_requests(&self, parameters: &Parameters) -> Result<Page<ScanItem>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let limit = limit(parameters)?;
        let after = parameters.get("cursor").map(str::parse::<ScanRequestCursor>).transpose();
        let after = after.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
        let load = move |index: &Index| -> Result<_, IndexError> {
            let page = index.scan_requests().list(after.as_ref(), limit)?;
            let items = page.requests.into_iter().map(|request| ScanItem::load(index, request));
            Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor: page.next.map(|next| next.to_string()) })
        };
        Ok(self.index.run(load).await?)
    }
}

fn refused(refused: RequestRefused) -> Problem {
    let coded =
        |failure: FetchReason| Problem::unusable(format!("reference: {refused}")).with("code", json!(failure.name()));
    match &refused {
        RequestRefused::Reference(_) => coded(FetchReason::BadReference),
        RequestRefused::UnknownUpstream(_) => coded(FetchReason::UnknownUpstream),
        RequestRefused::Full => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).retry_after(ASK_AGAIN)
        }
        RequestRefused::Index(_) => {
            tracing::error!(error = %refused, "a scan request could not be kept");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the index could not be read or written")
        }
    }
}
