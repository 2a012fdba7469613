//! The descriptions, one for each endpoint: a new one does not compile without.

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::description::Description;
use super::govern;
use super::model;
use super::parameter::{Parameter, filter, layer, of_findings, of_workloads, platform, sort};
use super::people;
use crate::report::advisories::AdvisoryItem;
use crate::report::clusters::{ClusterItem, UnresolvedItem};
use crate::report::document::ResultDocument;
use crate::report::event::EventItem;
use crate::report::format::Format;
use crate::report::image::ImageDocument;
use crate::report::layer::LayerDocument;
use crate::report::list::Page;
use crate::report::model::Listed;
use crate::report::nodes::{CheckBody, MAX_CHECK_BODY, NodeItem};
use crate::report::pulls::PullItem;
use crate::report::resources::{AffectedItem, ResourceItem};
use crate::report::route::Endpoint;
use crate::report::scans::{Asked, MAX_BODY, ScanItem};
use crate::report::schema::{DIGEST_PATTERN, NodeStateName};
use crate::report::shape::{ImageVulnerability, LayerItem, PackageItem};
use crate::report::tabs::{Comparison, FIX_SORTS, Fix, PACKAGE_SORTS, Tab, VULNERABILITY_SORTS};
use crate::workload::wire::{Accepted, MAX_BODY_BYTES};

/// A message of an agent; what is in it is told by docs/agent.md.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "stands for the messages in the description alone")]
struct AgentMessage(Map<String, Value>);

/// The description of an endpoint.
pub(in crate::report) fn describe(endpoint: Endpoint) -> Description {
    match endpoint {
        Endpoint::Advisories => Description::list::<Page<AdvisoryItem>>("Every feed of advisories, and how old it is"),
        Endpoint::AgentDeltas => agent("Changes of a cluster, from its agent"),
        Endpoint::AgentSnapshot => agent("A part of a cluster's state, from its agent"),
        Endpoint::AgentNode => Description::nothing("What a node found out of how it pulls, from the node", 204)
            .detail("For agents alone, with a token of theirs. It counts for 24 hours, and replaces what the node told before.")
            .body::<CheckBody>(MAX_CHECK_BODY)
            .refuses(408, "The body did not arrive in time."),
        Endpoint::Audit => govern::audit(),
        Endpoint::CancelException => govern::cancel(),
        Endpoint::CancelExceptions => govern::cancel_several(),
        Endpoint::CreateExceptions => govern::create(),
        Endpoint::Exception => govern::exception(),
        Endpoint::Exceptions => govern::exceptions(),
        Endpoint::ExportVex => govern::export_vex(),
        Endpoint::ImportVex => govern::import_vex(),
        Endpoint::Clusters => {
            Description::list::<Page<ClusterItem>>("The clusters weir watches, and how fresh each is")
                .takes(vec![Parameter::text("cluster", "This cluster.").repeats()])
        }
        Endpoint::Console(_) => Description::page(),
        Endpoint::Compare => Description::document::<Comparison>("Two images compared")
            .detail("Findings that the second mends, brings and keeps, changes of packages, and the layers both have.")
            .takes([vec![image("a"), image("b"), platform()], of_workloads(), of_findings()].concat())
            .refuses(404, "One of the images is not known here.")
            .refuses(409, "One of the digests names images of several platforms."),
        Endpoint::Events => {
            Description::list::<Page<EventItem>>("What opened, was rated anew and closed, newest first")
                .detail(
                    "`order=asc` is oldest first, and `after` begins there after an event. With `Accept: text/event-stream` events come as \
                     they happen (server-sent events).",
                )
                .takes([filter(), govern::of_events()].concat())
        }
        Endpoint::Image => Description::document::<ImageDocument>("An image by any digest it goes by")
            .detail("The digest of an index, of a platform's manifest, or of a configuration."),
        Endpoint::ImageFixes => {
            of_image::<Fix>("What to upgrade in an image, and what each upgrade clears", &FIX_SORTS)
        }
        Endpoint::ImageHistory => {
            Description::list::<Page<EventItem>>("What happened to an image's findings, newest first")
                .takes(vec![platform()])
                .refuses(409, SEVERAL)
        }
        Endpoint::ImageLayers => {
            tab::<LayerItem>("The layers of an image, bottom first, with the commands that made them")
        }
        Endpoint::ImagePackages => of_image::<PackageItem>("The packages of an image", &PACKAGE_SORTS),
        Endpoint::ImagePulls => Description::list::<Page<PullItem>>("Who pulled an image, newest first")
            .takes([of_pulls(), filter()].concat()),
        Endpoint::ImageReport => {
            let formats = Format::ALL.map(|format| Value::from(format.name())).to_vec();
            let format = Parameter::words("format", "The form, before what `Accept` says.", formats);
            Description::forms::<ResultDocument>(
                "All that is known of an image's content",
                Format::ALL.map(Format::media_type).to_vec(),
            )
            .takes(vec![platform(), format])
            .refuses(406, "No form that `Accept` names is written here.")
            .refuses(409, SEVERAL)
        }
        Endpoint::ImageResources => Description::list::<Page<AffectedItem>>("Where an image runs and ran")
            .takes([of_workloads(), vec![platform()]].concat()),
        Endpoint::ImageVulnerabilities => {
            of_image::<ImageVulnerability>("The findings of an image", &VULNERABILITY_SORTS)
        }
        Endpoint::Facets => model::facets(),
        Endpoint::Images => model::images(),
        Endpoint::Repositories => model::repositories(),
        Endpoint::Repository => model::repository(),
        Endpoint::Statistics => model::statistics(),
        Endpoint::Vulnerabilities => model::vulnerabilities(),
        Endpoint::Vulnerability => model::vulnerability(),
        Endpoint::Layer => Description::document::<LayerDocument>("What one layer holds, by its compressed digest"),
        Endpoint::Nodes => Description::list::<Listed<NodeItem>>("The nodes, and whether each pulls through weir").takes(vec![
            Parameter::text("cluster", "Nodes of this cluster.").repeats(),
            Parameter::words("state", "Nodes in this state.", NodeStateName::all()).repeats(),
            Parameter::text("q", "What the name of the node has in it.").at_most(256),
        ]),
        Endpoint::OpenApi => Description::document::<Map<String, Value>>("This description (OpenAPI 3.1)"),
        Endpoint::Pulls => Description::list::<Page<PullItem>>("Who pulled what, newest first").takes(
            [
                vec![
                    Parameter::form("image", "Pulls of this manifest, of a platform or an index.", DIGEST_PATTERN)
                        .repeats(),
                ],
                of_pulls(),
                filter(),
            ]
            .concat(),
        ),
        Endpoint::RefreshAdvisories => Description::nothing("Looks for newer advisories now", 202),
        Endpoint::RemoveCluster => Description::nothing("Forgets a cluster that is gone for good", 204)
            .refuses(409, "It is still heard of, or this server watches it itself."),
        Endpoint::RequestScan => Description::document::<ScanItem>("Asks for an image to be fetched and scanned")
            .detail("`Location` names the request, which tells how far it has come.")
            .body::<Asked>(MAX_BODY)
            .status(202)
            .refuses(422, "The reference or the platform is none, or its upstream is not configured."),
        Endpoint::Resources => Description::list::<Page<ResourceItem>>("The workloads, and the images they run")
            .takes(filter()),
        Endpoint::Scan => Description::document::<ScanItem>("A request for a scan, and how far it has come"),
        Endpoint::Scans => Description::list::<Page<ScanItem>>("The requests for scans, newest first"),
        Endpoint::CreateToken => people::create_token(),
        Endpoint::EndSession => people::end_session(),
        Endpoint::Me => people::me(),
        Endpoint::RevokeToken => people::revoke_token(),
        Endpoint::Sessions => people::sessions(),
        Endpoint::SignIn(_) => Description::page(),
        Endpoint::Tokens => people::tokens(),
        Endpoint::TestWebhook => govern::test_webhook(),
        Endpoint::Webhooks => govern::webhooks(),
        Endpoint::Unresolved => {
            Description::list::<Page<UnresolvedItem>>("Containers whose image could not be told").takes(of_workloads())
        }
    }
}

/// What is said of a digest of several platforms' images.
const SEVERAL: &str = "The digest names images of several platforms: `platform` is needed.";

/// A tab of an image.
fn tab<T: serde::Serialize + JsonSchema + Send + 'static>(summary: &'static str) -> Description {
    Description::list::<Tab<T>>(summary)
        .detail("`items` is null until there is something to tell; `scan` and `coverage` say how much is known.")
        .takes([of_findings(), of_workloads(), vec![platform()]].concat())
        .refuses(409, SEVERAL)
}

/// A tab that one layer narrows, and that can be sorted.
fn of_image<T: serde::Serialize + JsonSchema + Send + 'static>(summary: &'static str, sorts: &[&str]) -> Description {
    tab::<T>(summary).takes(vec![layer(), sort(sorts)])
}

fn of_pulls() -> Vec<Parameter> {
    vec![Parameter::text("node", "Pulls of this node.").repeats()]
}

fn image(name: &'static str) -> Parameter {
    Parameter::form(name, "Any digest an image goes by.", DIGEST_PATTERN).required()
}

fn agent(summary: &'static str) -> Description {
    Description::document::<Accepted>(summary)
        .detail("For agents alone, with a token of theirs: the bodies are described in docs/agent.md.")
        .body::<AgentMessage>(MAX_BODY_BYTES)
        .refuses(408, "The body did not arrive in time.")
        .refuses(409, "The server holds something else: a new snapshot is needed.")
}
