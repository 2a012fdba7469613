//! What an image's layers add up to: the one fold of the mirror and of `weir scan`.

use weir_scanner::image::{ImageInventory, ImageReason, ImageRisk, LayerInput, ScanStatus, compose};
use weir_scanner::layer::{LayerInventory, Reason, ReasonCode};
use weir_scanner::oci::{Digest, ImageConfig, MediaType};
use weir_scanner::risk::configuration_risks;
use weir_storage::index::LayerOutcome;

/// An image as its layers and its configuration show it.
pub(super) struct Folded {
    pub(super) inventory: ImageInventory,
    pub(super) status: ScanStatus,
    /// Every reason the image is not complete, the layers' and its own.
    pub(super) reasons: Vec<ImageReason>,
}

/// Why a layer of this type is not tried, where it is not.
pub(super) fn unreadable(media_type: &MediaType) -> Option<Reason> {
    if media_type.is_foreign() {
        let detail = format!("{media_type} lies outside the registry; nodes fetch it past weir");
        return Some(Reason::new(ReasonCode::ForeignLayer, detail));
    }
    if media_type.is_encrypted() {
        let detail = format!("{media_type} is encrypted, and weir has no keys");
        return Some(Reason::new(ReasonCode::EncryptedLayer, detail));
    }
    let unknown =
        || Reason::new(ReasonCode::UnsupportedMediaType, format!("{media_type} is not a layer this version reads"));
    media_type.layer_encoding().is_none().then(unknown)
}

/// Folds what reading each layer gave, bottom first. Without a configuration, as of a root file system, nothing is compared
/// with one. The first `base_history` steps of its history are its base image's.
pub(super) fn fold(
    outcomes: &[LayerOutcome],
    config: Option<&Result<ImageConfig, Reason>>,
    base_history: usize,
) -> Folded {
    let stated = config.and_then(|config| config.as_ref().ok());
    let diff_ids: Option<&[Digest]> = stated.map(|config| &config.rootfs.diff_ids[..]);
    let wrong: Vec<Option<Reason>> = (0..)
        .zip(outcomes)
        .map(|(at, outcome)| mismatch(outcome, diff_ids.and_then(|diff_ids| diff_ids.get::<usize>(at))))
        .collect();
    let inputs: Vec<LayerInput<'_>> = outcomes
        .iter()
        .zip(&wrong)
        .map(|(outcome, wrong)| match (wrong, outcome) {
            (Some(reason), _) | (None, LayerOutcome::Failed(reason)) => LayerInput::Failed(reason),
            (None, LayerOutcome::Read(inventory)) => LayerInput::Read(inventory),
            (None, LayerOutcome::Unsupported(reason)) => LayerInput::Unsupported(reason),
        })
        .collect();
    let mut inventory = compose(&inputs);
    if let Some(config) = stated {
        let configured = configuration_risks(config, base_history).into_iter();
        inventory.risks.extend(configured.map(|risk| ImageRisk { risk, layer: None, path: None, visible: true }));
        inventory.risks.sort();
    }
    let mut reasons = inventory.reasons.clone();
    if let Some(Err(reason)) = config {
        reasons.push(ImageReason { layer: None, reason: reason.clone() });
    }
    if let Some(diff_ids) = diff_ids.filter(|diff_ids| diff_ids.len() != outcomes.len()) {
        let detail = format!("the configuration lists {} layers, the manifest {}", diff_ids.len(), outcomes.len());
        reasons.push(ImageReason { layer: None, reason: Reason::new(ReasonCode::DiffIdMismatch, detail) });
    }
    let status = match inventory.status {
        ScanStatus::Complete if !reasons.is_empty() => ScanStatus::Partial,
        status => status,
    };
    Folded { inventory, status, reasons }
}

/// Why a layer's bytes are not the ones the configuration names, where they are not. A layer that could not be decoded to its
/// end has no digest to compare: its own reason says more.
fn mismatch(outcome: &LayerOutcome, expected: Option<&Digest>) -> Option<Reason> {
    let LayerOutcome::Read(LayerInventory { diff_id, reasons, .. }) = outcome else { return None };
    let cut = |reason: &Reason| {
        matches!(reason.code, ReasonCode::DecodeFailed | ReasonCode::LayerTooLarge | ReasonCode::RatioTooHigh)
    };
    if reasons.iter().any(cut) {
        return None;
    }
    let expected = expected.filter(|expected| *expected != diff_id)?;
    Some(Reason::new(
        ReasonCode::DiffIdMismatch,
        format!("the layer's files have the digest {diff_id}, the configuration says {expected}"),
    ))
}
