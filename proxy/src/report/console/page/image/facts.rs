//! What the header of an image says beside its item: in words, and for which other platforms it is there.

use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError};

use super::super::super::read::{Child, ImageDocument};
use super::super::super::{Ask, Place, Query};
use super::Link;
use crate::report::format::{Said, said};
use crate::report::list::reference;
use crate::report::problem::Problem;
use crate::report::shape::ImageItem;
use crate::report::{Current, ResultDocument, ResultInput, result};

/// What is known and not known of an image, in words; nothing where weir has no row of it.
pub(super) async fn load(ask: &Ask<'_>, item: &ImageItem) -> Result<Said, Problem> {
    Ok(of_document(ask, &item.digest, said).await?.unwrap_or_default())
}

/// What `tell` makes of an image's result; nothing where weir has no row of it.
pub(in super::super) async fn of_document<T: Send + 'static>(
    ask: &Ask<'_>,
    digest: &str,
    tell: impl FnOnce(&ResultDocument) -> T + Send + 'static,
) -> Result<Option<T>, Problem> {
    let Ok(digest) = Digest::parse(digest) else { return Ok(None) };
    let report = ask.report();
    let (stale_after, now) = (i64::try_from(report.stale_after.as_secs()).unwrap_or(i64::MAX), ask.now());
    let load = move |index: &Index| -> Result<Option<T>, IndexError> {
        let Some(record) = index.images().get(&digest)? else { return Ok(None) };
        let inventory = index.inventories().get(&digest)?;
        let findings = index.findings().get(&digest)?;
        let current = Current::read(index, findings.as_ref())?;
        Ok(Some(tell(&result(&ResultInput {
            digest: Some(digest),
            reference: reference(index, digest, &record)?,
            image: &record,
            inventory: inventory.as_ref().map(|stored| &stored.inventory),
            findings: findings.as_ref(),
            current: &current,
            stale_after,
            now,
        }))))
    };
    Ok(report.index.run(load).await?)
}

/// The platforms that the image's tags have, with the image of each.
pub(super) async fn platforms(ask: &Ask<'_>, here: &Place, item: &ImageItem) -> Result<Vec<Link>, Problem> {
    let Ok(digest) = Digest::parse(&item.digest) else { return Ok(Vec::new()) };
    let parents = ask.report().index.run(move |index| index.aliases().parents(&digest)).await?;
    let Some(parent) = parents.first() else { return Ok(Vec::new()) };
    let path = format!("/api/v1/images/{}", parent.parent);
    let Some(document) = ask.find::<ImageDocument>(&path, &Query::default()).await? else { return Ok(Vec::new()) };
    let kept = here.query.only(&["tab", "view"]);
    let link = |child: Child| {
        Some(Link {
            text: child.platform()?.to_owned(),
            current: child.digest() == item.digest,
            link: Place::new(format!("/images/{}", child.digest()), kept.clone()),
            count: None,
        })
    };
    Ok(document.images.into_iter().filter_map(link).collect())
}
