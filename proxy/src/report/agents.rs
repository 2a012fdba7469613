//! `agents/{cluster}/snapshot`, `…/deltas` and `…/nodes/{node}`: where agents and nodes report, by a token of their own.
//!
//! Owns the request: the token, the encoding and the size of its body, and what each refusal says. What a message means is the
//! intake's, and what a node tells is kept by its checks.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;
use weir_storage::index::{Index, TokenRole};

use super::access::verify;
use super::body::{read, read_json};
use super::json;
use super::nodes::{CheckBody, MAX_CHECK_BODY, NodeChecks};
use super::problem::Problem;
use crate::auth::{Tokens, Verified, is_cluster_name};
use crate::clock::Clock;
use crate::http::{Body, empty};
use crate::workload::intake::{Intake, IntakeError, Message};
use crate::workload::is_node_name;
use crate::workload::wire::{self, MAX_BODY_BYTES, WireError};

/// Bodies held in memory at once; a further one waits.
const BODIES: usize = 16;
/// When an agent that has to wait may come again, in seconds.
const RETRY_SECONDS: u32 = 5;

/// The agents' door. Clones share it.
#[derive(Clone)]
pub struct Agents {
    index: Index,
    clock: Clock,
    intake: Intake,
    checks: NodeChecks,
    bodies: Arc<Semaphore>,
}

impl Agents {
    /// A door before `intake` and `checks`; tokens are those of `index`.
    pub fn new(index: Index, clock: Clock, intake: Intake, checks: NodeChecks) -> Self {
        Self { index, clock, intake, checks, bodies: Arc::new(Semaphore::new(BODIES)) }
    }

    /// Answers one message of an agent about `cluster`.
    pub(super) async fn take<B>(
        &self,
        cluster: &str,
        message: Message,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let agent = self.admit(cluster, request.headers()).await?;
        let gzip = is_gzip(request.headers())?;
        let _room = self.bodies.acquire().await.map_err(|_| later("weir is stopping"))?;
        let body = read(request.into_body(), MAX_BODY_BYTES).await?;
        let body = if gzip { body } else { self.packed(body).await? };
        let accepted = self.intake.take(message, cluster, &agent, body).await?;
        json(&accepted)
    }

    /// Takes what a node of `cluster` tells of how it pulls. The cluster may be one that this server watches itself.
    pub(super) async fn take_check<B>(
        &self,
        cluster: &str,
        node: &str,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let agent = self.admit(cluster, request.headers()).await?;
        if !is_node_name(node) {
            return Err(Problem::bad_request(format!(
                "{node:?} is no node's name: small letters, digits, '-' and '.'"
            )));
        }
        if is_gzip(request.headers())? {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a check is plain JSON, and not packed"));
        }
        let _room = self.bodies.acquire().await.map_err(|_| later("weir is stopping"))?;
        let told = CheckBody::read(&read_json(request, MAX_CHECK_BODY).await?)?;
        let (checks, now) = (self.checks.clone(), self.clock.now());
        let (cluster, node) = (cluster.to_owned(), node.to_owned());
        let tell = move |index: &Index| {
            if agent.cluster.is_none() {
                // A token without a cluster belongs to the first it reports of.
                let own = Tokens::new(index.clone()).bind(&agent.id, &cluster)?;
                if own.as_deref() != Some(cluster.as_str()) {
                    return Err(IntakeError::OtherCluster);
                }
            }
            Ok(checks.tell(&cluster, &node, told, now)?)
        };
        self.index.run(tell).await?;
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// Whoever may report as `cluster`; nobody else gets to send a body.
    async fn admit(&self, cluster: &str, headers: &HeaderMap) -> Result<Verified, Problem> {
        let agent = verify(&self.index, self.clock.now(), headers).await?;
        if agent.role != TokenRole::Agent {
            return Err(Problem::new(StatusCode::FORBIDDEN, "a token of role agent is needed here"));
        }
        if !is_cluster_name(cluster) {
            return Err(Problem::bad_request(format!("{cluster:?} is no cluster's name")));
        }
        if agent.cluster.as_deref().is_some_and(|own| own != cluster) {
            return Err(IntakeError::OtherCluster.into());
        }
        Ok(agent)
    }

    /// What came plain, as it is kept. It may be long, so the threads that serve are left out of it.
    async fn packed(&self, body: Bytes) -> Result<Bytes, IntakeError> {
        let pack = move |_: &Index| wire::gzip(&body).map_err(|error| IntakeError::from(WireError::Gzip(error)));
        Ok(self.index.run(pack).await?.into())
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bodies are JSON, plain or with Content-Encoding: gzip",
        )),
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let status = match &error {
            IntakeError::Wire(WireError::TooLarge) | IntakeError::TooManyObjects(_) => StatusCode::PAYLOAD_TOO_LARGE,
            IntakeError::Wire(_) => StatusCode::BAD_REQUEST,
            IntakeError::Resync(_) => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).with("resync", Value::Bool(true));
            }
            IntakeError::OtherCluster | IntakeError::Local(_) => StatusCode::FORBIDDEN,
            IntakeError::Busy => return later("too many snapshots are on their way"),
            IntakeError::Index(cause) => {
                tracing::error!(error = %cause, "what an agent reported could not be kept");
                return later("the index cannot be used");
            }
        };
        Problem::new(status, error.to_string())
    }
}

/// The same request may be accepted later.
fn later(why: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(RETRY_SECONDS)
}
