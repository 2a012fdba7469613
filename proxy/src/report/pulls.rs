//! `pulls` and `images/{digest}/pulls`: which node pulled what, newest first.

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::oci::Digest;
use weir_storage::index::{AliasKind, Index, IndexError, PullCursor, PullRecord};

use super::filter::{Filter as ImageFilter, repository_name};
use super::list::{Page, limit};
use super::model::Model;
use super::problem::Problem;
use super::schema::DigestText;
use super::{Parameters, Report, parse_digest};
use crate::clock::rfc3339;

/// Pulls looked through for one page; a page that ends here goes on by its cursor.
const MOST_READ: usize = 10_000;
/// Pulls read together, at least.
const READ_AT_ONCE: usize = 256;
/// Digests that pulls of one image are looked for under.
const MOST_DIGESTS: usize = 64;

/// One pull.
#[derive(Serialize, JsonSchema)]
pub(super) struct PullItem {
    id: String,
    at: String,
    /// The manifest asked for: a platform's, or an index.
    #[schemars(with = "DigestText")]
    image: Digest,
    /// The name it was asked for by, as far as it is known.
    reference: String,
    repository: String,
    tag: Option<String>,
    node: Option<String>,
    node_source: &'static str,
    cluster: Option<String>,
    address: String,
    agent: String,
}

impl PullItem {
    fn of(cursor: PullCursor, pull: PullRecord) -> Self {
        let repository = repository(&pull);
        let reference = match &pull.tag {
            Some(tag) => format!("{repository}:{tag}"),
            None => format!("{repository}@{}", pull.image),
        };
        Self {
            id: cursor.to_string(),
            at: rfc3339(pull.at),
            image: pull.image,
            reference,
            repository,
            tag: pull.tag.map(|tag| tag.to_string()),
            node: pull.node,
            node_source: pull.node_source.name(),
            cluster: pull.cluster,
            address: pull.address,
            agent: pull.agent,
        }
    }
}

fn repository(pull: &PullRecord) -> String {
    format!("{}/{}", pull.upstream, pull.repository)
}

/// Parameters of the one grammar that speak of the pull itself here.
const OF_PULLS: [&str; 2] = ["cluster", "repository"];

/// What pulls are asked for; an empty list takes any.
struct Filter {
    nodes: Vec<String>,
    /// Of the nodes.
    clusters: Vec<String>,
    repositories: Vec<String>,
    /// What is asked of the images, where anything is.
    of_images: Option<ImageFilter>,
}

impl Filter {
    fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let texts = |name| parameters.all(name).map(str::to_owned).collect();
        let mut of_images = ImageFilter::PARAMETERS.iter().filter(|name| !OF_PULLS.contains(name));
        let asks = of_images.any(|name| parameters.get(name).is_some());
        let images = ImageFilter { repositories: Vec::new(), ..ImageFilter::of_facts(parameters)? };
        Ok(Self {
            nodes: texts("node"),
            clusters: texts("cluster"),
            repositories: parameters.all("repository").map(repository_name).collect(),
            of_images: asks.then_some(images),
        })
    }

    fn takes_pull(&self, pull: &PullRecord) -> bool {
        let any = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
        };
        any(&self.nodes, pull.node.as_deref())
            && any(&self.clusters, pull.cluster.as_deref())
            && (self.repositories.is_empty() || any(&self.repositories, Some(&repository(pull))))
    }
}

/// The images that are meant.
struct Meant {
    /// `None` for all.
    manifests: Option<BTreeSet<Digest>>,
    /// What was found out of digests that pulls asked for.
    known: HashMap<Digest, bool>,
}

impl Meant {
    /// Blocks for as long as going through the findings of images takes.
    fn of(filter: &Filter, model: &Model) -> Self {
        Self { manifests: filter.of_images.as_ref().map(|images| model.meant(images)), known: HashMap::new() }
    }

    fn takes(&mut self, index: &Index, image: &Digest) -> Result<bool, IndexError> {
        let Some(meant) = &self.manifests else { return Ok(true) };
        if let Some(takes) = self.known.get(image) {
            return Ok(*takes);
        }
        let takes = index.aliases().resolve(image)?.iter().any(|target| meant.contains(&target.manifest));
        self.known.insert(*image, takes);
        Ok(takes)
    }
}

impl Report {
    pub(super) async fn pulls(&self, parameters: &Parameters) -> Result<Page<PullItem>, Problem> {
        parameters.only(&[&ImageFilter::PARAMETERS[..], &["image", "node", "limit", "cursor"]].concat())?;
        let images = parameters.all("image").map(parse_digest).collect::<Result<BTreeSet<_>, _>>()?;
        if images.len() > MOST_DIGESTS {
            return Err(Problem::bad_request(format!("image: at most {MOST_DIGESTS} digests")));
        }
        self.list_pulls((!images.is_empty()).then_some(images), parameters).await
    }

    pub(super) async fn image_pulls(&self, digest: Digest, parameters: &Parameters) -> Result<Page<PullItem>, Problem> {
        parameters.only(&[&ImageFilter::PARAMETERS[..], &["node", "limit", "cursor"]].concat())?;
        let digests = self.index.run(move |index| around(index, digest)).await?;
        self.list_pulls(Some(digests.ok_or_else(|| Problem::not_found(digest))?), parameters).await
    }

    /// The pulls of some manifests, or of all.
    async fn list_pulls(
        &self,
        images: Option<BTreeSet<Digest>>,
        parameters: &Parameters,
    ) -> Result<Page<PullItem>, Problem> {
        let limit = limit(parameters)?;
        let after = parameters.get("cursor").map(str::parse::<PullCursor>).transpose();
        let after = after.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
        let (filter, model) = (Filter::parse(parameters)?, self.model());
        let load = move |index: &Index| {
            let meant = Meant::of(&filter, &model);
            page(index, images.as_ref(), (&filter, meant), after, limit)
        };
        let (found, next) = self.index.run(load).await?;
        Ok(Page {
            items: found.into_iter().map(|(cursor, pull)| PullItem::of(cursor, pull)).collect::<Vec<_>>(),
            next_cursor: next.map(|next| next.to_string()),
        })
    }
}

type Listed = (PullCursor, PullRecord);

/// Up to `limit` pulls that the filter takes beyond `after`, and where to go on; both short of the end where too many had to be
/// looked through.
fn page(
    index: &Index,
    images: Option<&BTreeSet<Digest>>,
    (filter, mut meant): (&Filter, Meant),
    after: Option<PullCursor>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<PullCursor>), IndexError> {
    let (mut found, mut after, mut read) = (Vec::new(), after, 0);
    loop {
        let (pulls, more) = newest(index, images, after, READ_AT_ONCE.max(limit + 1))?;
        for (cursor, pull) in pulls {
            // One more than fits says that there is more.
            if found.len() == limit || read == MOST_READ {
                return Ok((found, after));
            }
            read += 1;
            after = Some(cursor);
            if filter.takes_pull(&pull) && meant.takes(index, &pull.image)? {
                found.push((cursor, pull));
            }
        }
        if !more {
            return Ok((found, None));
        }
    }
}

/// Up to `limit` pulls beyond `after`, newest first, and whether there are more.
fn newest(
    index: &Index,
    images: Option<&BTreeSet<Digest>>,
    after: Option<PullCursor>,
    limit: usize,
) -> Result<(Vec<Listed>, bool), IndexError> {
    let Some(images) = images else {
        let page = index.pulls().list(None, after, limit)?;
        return Ok((page.pulls, page.next.is_some()));
    };
    let (mut pulls, mut more) = (Vec::new(), false);
    for image in images {
        let page = index.pulls().list(Some(image), after, limit)?;
        more |= page.next.is_some();
        pulls.extend(page.pulls);
    }
    pulls.sort_unstable_by_key(|(cursor, _)| std::cmp::Reverse(*cursor));
    more |= pulls.len() > limit;
    pulls.truncate(limit);
    Ok((pulls, more))
}

/// The digests under which an image may have been pulled: itself; of an index, its children; of a manifest, the indexes that
/// name it; of a configuration, its manifests and theirs. `None` for a digest nobody knows.
fn around(index: &Index, digest: Digest) -> Result<Option<BTreeSet<Digest>>, IndexError> {
    let aliases = index.aliases();
    let Some(kind) = aliases.kind(&digest)? else { return Ok(None) };
    let manifests = aliases.resolve(&digest)?.into_iter().map(|target| target.manifest);
    let mut digests = BTreeSet::from([digest]);
    for manifest in manifests {
        let parents = if kind == AliasKind::Index { Vec::new() } else { aliases.parents(&manifest)? };
        for found in std::iter::once(manifest).chain(parents.into_iter().map(|edge| edge.parent)) {
            if digests.len() < MOST_DIGESTS {
                digests.insert(found);
            }
        }
    }
    Ok(Some(digests))
}

#[cfg(test)]
mod tests {
    use weir_scanner::oci::Repository;
    use weir_storage::index::PullNode;

    use super::*;

    fn pull(node: &str) -> PullRecord {
        PullRecord {
            at: 1,
            image: Digest::of(node.as_bytes()),
            upstream: "docker.io".into(),
            repository: Repository::parse("team/app").unwrap(),
            tag: None,
            node: Some(node.into()),
            node_source: PullNode::Header,
            cluster: None,
            address: "10.0.0.1".into(),
            agent: String::new(),
        }
    }

    #[test]
    fn a_page_that_finds_little_ends_early_and_goes_on() {
        let index = Index::in_memory();
        let mut pulls = vec![pull("rare")];
        pulls.resize(2 * MOST_READ + 1, pull("usual"));
        index.pulls().add(&pulls).unwrap();
        let filter = Filter::parse(&Parameters::parse("node=rare")).unwrap();
        let (mut counts, mut after) = (Vec::new(), None);
        loop {
            let meant = Meant::of(&filter, &Model::default());
            let (found, next) = page(&index, None, (&filter, meant), after, 10).unwrap();
            counts.push(found.len());
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(counts, [0, 0, 1]);
    }
}
