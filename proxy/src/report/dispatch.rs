//! Leads a request to what answers it, by its route.
//!
//! Owns the order of what is asked first: whether a page of another site sends it, who sends it, and whether its parameters are known.

use bytes::Bytes;
use hyper::{Method, Request, Response};

use super::access::allow;
use super::csrf::guarded;
use super::origin::refuse_cross_site;
use super::problem::Problem;
use super::route::{Endpoint, Need, Route};
use super::{Parameters, Report, openapi, parse_digest};
use crate::auth::Caller;
use crate::http::{Body, ConnInfo};
use crate::workload::intake::Message;

/// One request for a list: its pages come from a method of the report, as JSON or as CSV.
macro_rules! list {
    ($self:ident, $request:ident, $parameters:ident, $name:literal, |$report:ident, $asked:ident| $page:expr) => {
        $self
            .listed(
                $request.headers(),
                $parameters,
                $name,
                move |$report: Report, $asked: Parameters| async move { $page },
            )
            .await
    };
}

impl Report {
    /// Answers a request that is of a route, whose places the path fills with `places`.
    pub(super) async fn take<B>(
        &self,
        route: &Route,
        places: &[String],
        request: Request<B>,
        connection: &ConnInfo,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if route.method != Method::GET {
            refuse_cross_site(&request, self.public_url.as_ref())?;
        }
        let place = places.first().map(String::as_str).unwrap_or_default();
        let caller = match route.endpoint {
            // Agents have a token of their own, so what the report shows to whom is not asked.
            Endpoint::AgentDeltas => return self.agents.take(place, Message::Deltas, request).await,
            Endpoint::AgentSnapshot => return self.agents.take(place, Message::Snapshot, request).await,
            Endpoint::AgentNode => {
                let node = places.get(1).map(String::as_str).unwrap_or_default();
                return self.agents.take_check(place, node, request).await;
            }
            _ => self.admit(route, &self.asking(request.headers(), request.uri(), connection)).await?,
        };
        let request = guarded(route, &caller, request).await?;
        match route.endpoint {
            Endpoint::SignIn(step) => self.sign_in(step, &caller, connection, request).await,
            _ => self.take_as(route, places, request, caller).await,
        }
    }

    /// Answers a request that `caller` makes and was let through to make, as one of this process may too. Whether their role is enough is
    /// asked here.
    pub(super) async fn take_as<B>(
        &self,
        route: &Route,
        places: &[String],
        request: Request<B>,
        caller: Caller,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let caller = match route.need {
            Need::Role(needed) => allow(route, caller, needed)?,
            Need::Nothing | Need::Agent => caller,
        };
        let place = places.first().map(String::as_str).unwrap_or_default();
        // What was heard before a restart is shown from the first answer on; pulls do not wait for it, and neither does the style of
        // the page people sign in on.
        if route.need != Need::Nothing {
            self.fleet.made().await;
        }
        if let Endpoint::Console(screen) = route.endpoint {
            return self.console(screen, place, request, caller).await;
        }
        let parameters = Parameters::of(request.uri().query().unwrap_or_default())?;
        openapi::describe(route.endpoint).check(&parameters)?;
        // Whoever changed something sees it in what they ask for next.
        let (fleet, exceptions, now) = (self.fleet.clone(), self.exceptions.clone(), self.clock.now());
        self.index.run(move |index| fleet.refresh(index, exceptions.rules(), now)).await?;
        if route.path.starts_with("/api/v1/images/") {
            return self.take_of_image(route.endpoint, place, parameters, &request).await;
        }
        if route.method == Method::GET {
            return self.take_read(route.endpoint, place, parameters, &request, &caller).await;
        }
        self.take_change(route.endpoint, place, &parameters, &caller, request).await
    }

    /// What is asked of one image.
    async fn take_of_image<B>(
        &self,
        endpoint: Endpoint,
        place: &str,
        parameters: Parameters,
        request: &Request<B>,
    ) -> Result<Response<Body>, Problem> {
        let digest = parse_digest(place)?;
        match endpoint {
            Endpoint::Image => self.image(digest, &parameters).await,
            Endpoint::ImageFixes => {
                list!(self, request, parameters, "image-fixes", |report, asked| report
                    .image_fixes(digest, &asked)
                    .await)
            }
            Endpoint::ImageHistory => {
                list!(self, request, parameters, "image-history", |report, asked| {
                    report.image_history(digest, &asked).await
                })
            }
            Endpoint::ImageLayers => {
                list!(self, request, parameters, "image-layers", |report, asked| {
                    report.image_layers(digest, &asked).await
                })
            }
            Endpoint::ImagePackages => {
                list!(self, request, parameters, "image-packages", |report, asked| {
                    report.image_packages(digest, &asked).await
                })
            }
            Endpoint::ImagePulls => {
                list!(self, request, parameters, "image-pulls", |report, asked| report
                    .image_pulls(digest, &asked)
                    .await)
            }
            Endpoint::ImageReport => self.image_report(digest, &parameters, request.headers()).await,
            Endpoint::ImageResources => {
                list!(self, request, parameters, "image-resources", |report, asked| {
                    report.image_resources(digest, &asked).await
                })
            }
            Endpoint::ImageVulnerabilities => {
                list!(self, request, parameters, "image-vulnerabilities", |report, asked| {
                    report.image_vulnerabilities(digest, &asked).await
                })
            }
            _ => Err(Problem::not_found(place)),
        }
    }

    /// What is read of everything else.
    async fn take_read<B>(
        &self,
        endpoint: Endpoint,
        place: &str,
        parameters: Parameters,
        request: &Request<B>,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem> {
        match endpoint {
            Endpoint::Advisories => {
                list!(self, request, parameters, "advisories", |report, asked| report.advisories(&asked).await)
            }
            Endpoint::Audit => {
                list!(self, request, parameters, "audit", |report, asked| report.list_audit(&asked).await)
            }
            Endpoint::Clusters => {
                list!(self, request, parameters, "clusters", |report, asked| report.list_clusters(&asked))
            }
            Endpoint::Compare => self.compare(&parameters).await,
            Endpoint::Events => match self.event_stream(&parameters, request.headers()).await {
                Some(stream) => stream,
                None => list!(self, request, parameters, "events", |report, asked| report.events(&asked).await),
            },
            Endpoint::Exception => self.exception(place, &parameters),
            Endpoint::Exceptions => {
                list!(self, request, parameters, "exceptions", |report, asked| report.exceptions(&asked))
            }
            Endpoint::ExportVex => self.give_vex(&parameters).await,
            Endpoint::Images => {
                list!(self, request, parameters, "images", |report, asked| report.list_images(&asked).await)
            }
            Endpoint::Facets => self.facets(&parameters).await,
            Endpoint::Layer => self.layer(parse_digest(place)?, &parameters).await,
            Endpoint::Me => self.me(caller, &parameters),
            Endpoint::Nodes => {
                list!(self, request, parameters, "nodes", |report, asked| report.list_nodes(&asked))
            }
            Endpoint::OpenApi => openapi::answer(),
            Endpoint::Pulls => list!(self, request, parameters, "pulls", |report, asked| report.pulls(&asked).await),
            Endpoint::Repositories => {
                list!(self, request, parameters, "repositories", |report, asked| report.list_repositories(&asked).await)
            }
            Endpoint::Repository => self.one_repository(place, &parameters).await,
            Endpoint::Resources => {
                list!(self, request, parameters, "resources", |report, asked| report.resources(&asked).await)
            }
            Endpoint::Scan => self.scan_request(place, &parameters).await,
            Endpoint::Scans => {
                list!(self, request, parameters, "scans", |report, asked| report.scan_requests(&asked).await)
            }
            Endpoint::Sessions => {
                let caller = caller.clone();
                self.listed(request.headers(), parameters, "sessions", move |report, asked| {
                    let caller = caller.clone();
                    async move { report.list_sessions(&caller, &asked).await }
                })
                .await
            }
            Endpoint::Statistics => self.statistics(&parameters).await,
            Endpoint::Tokens => list!(self, request, parameters, "tokens", |report, asked| report.tokens(&asked).await),
            Endpoint::Unresolved => {
                list!(self, request, parameters, "unresolved", |report, asked| report.unresolved(&asked))
            }
            Endpoint::Vulnerabilities => {
                list!(self, request, parameters, "vulnerabilities", |report, asked| report
                    .list_vulnerabilities(&asked)
                    .await)
            }
            Endpoint::Vulnerability => self.one_vulnerability(place, &parameters).await,
            Endpoint::Webhooks => {
                list!(self, request, parameters, "webhooks", |report, asked| report.list_webhooks(&asked).await)
            }
            _ => Err(Problem::not_found(place)),
        }
    }

    /// What changes something.
    async fn take_change<B>(
        &self,
        endpoint: Endpoint,
        place: &str,
        parameters: &Parameters,
        caller: &Caller,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match endpoint {
            Endpoint::CancelException => self.cancel_exception(place, parameters, request, caller).await,
            Endpoint::CancelExceptions => self.cancel_several(parameters, request, caller).await,
            Endpoint::CreateExceptions => self.create_exceptions(parameters, request, caller).await,
            Endpoint::CreateToken => self.create_token(caller, parameters, request).await,
            Endpoint::ImportVex => self.take_vex(parameters, request, caller).await,
            Endpoint::EndSession => self.end_session(caller, place, parameters).await,
            Endpoint::RefreshAdvisories => self.refresh_feeds(parameters),
            Endpoint::RemoveCluster => self.remove_cluster(caller, place, parameters).await,
            Endpoint::RequestScan => self.request_scan(parameters, request).await,
            Endpoint::RevokeToken => self.revoke_token(caller, place, parameters).await,
            Endpoint::TestWebhook => self.test_webhook(place, parameters, caller).await,
            _ => Err(Problem::not_found(place)),
        }
    }
}
