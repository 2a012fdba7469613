//! Reads one layer from its blob: decode, hash, walk, detect.
//!
//! Two threads share the work: a second one decodes, which is three quarters of it, while the caller's hashes and walks.
//! docs/adr/0004 has the measurement behind the decoder.

use std::thread;

use tokio::io::AsyncRead;
use tokio::runtime::Handle;

use super::collect::Collector;
use super::pipeline::pipeline;
use super::walk::walk;
use super::{LayerInventory, LayerLimits, Reason, ReasonCode};
use crate::content::Buffers;
use crate::detect::DetectorSet;
use crate::oci::Digest;

/// Reads the layer in `blob`, compressed or not, to its end. Blocks: call it where blocking is allowed, with the
/// `runtime` that drives `blob`.
///
/// Files of interest are held in `buffers` while they are looked at.
///
/// `expected_diff_id` is what the image's configuration says of the uncompressed bytes; a mismatch is a reason, so that the
/// inventory never counts as complete.
///
/// `Ok` says that `blob` was read to its end without an error; what could not be decoded or walked is in the inventory's
/// reasons, and its `diff_id` is then of the bytes that were. `Err` is a layer of which nothing is known: the blob
/// failed ([`ReasonCode::FetchFailed`]), or not one entry could be read from it.
pub fn scan_layer<R: AsyncRead + Unpin + Send>(
    blob: R,
    expected_diff_id: Option<Digest>,
    detectors: &DetectorSet,
    limits: &LayerLimits,
    buffers: &Buffers,
    runtime: &Handle,
) -> Result<LayerInventory, Reason> {
    let (writer, reader) = pipeline();
    let mut collector = Collector::new(limits.max_kept_bytes);
    let (entries, reader, decoded) = thread::scope(|scope| {
        // Owned in here: a detector that panics drops it, which ends the decoding thread the scope waits for.
        let mut reader = reader;
        let decode = move || writer.run(blob, limits, runtime);
        let thread = thread::Builder::new()
            .name("layer-decode".into())
            .spawn_scoped(scope, decode)
            .map_err(|error| Reason::new(ReasonCode::ScannerFailed, format!("no thread for decoding: {error}")))?;
        // A read fails for the reason the pipeline keeps.
        let (entries, _) = walk(&mut reader, detectors, limits, buffers, &mut collector);
        Ok((entries, reader, thread.join()))
    })?;
    if decoded.is_err() {
        return Err(Reason::new(ReasonCode::ScannerFailed, "decoding panicked"));
    }
    let (diff_id, uncompressed_bytes, stopped) = reader.finish();
    if let Some(reason) = stopped {
        if reason.code == ReasonCode::FetchFailed || entries == 0 {
            return Err(reason);
        }
        collector.reason(reason);
    } else if let Some(expected) = expected_diff_id.filter(|expected| *expected != diff_id) {
        // Another algorithm's digest cannot be compared, and so cannot be vouched for either.
        let detail = format!("the uncompressed bytes are {diff_id}, the configuration says {expected}");
        collector.reason(Reason::new(ReasonCode::DiffIdMismatch, detail));
    }
    let mut inventory = collector.finish(diff_id, uncompressed_bytes);
    if entries == 0 && !inventory.reasons.is_empty() {
        return Err(inventory.reasons.swap_remove(0));
    }
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;
    use crate::fixture::LayerBuilder;
    use crate::layer::PathKind;

    fn scan_with(
        blob: impl AsyncRead + Unpin + Send,
        expected: Option<Digest>,
        limits: &LayerLimits,
    ) -> Result<LayerInventory, Reason> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        scan_layer(blob, expected, &DetectorSet::standard(), limits, &Buffers::default(), runtime.handle())
    }

    fn scan(blob: &[u8]) -> Result<LayerInventory, Reason> {
        scan_with(blob, None, &LayerLimits::default())
    }

    fn codes(scanned: &LayerInventory) -> Vec<ReasonCode> {
        scanned.reasons.iter().map(|reason| reason.code).collect()
    }

    /// Gives its bytes in small pieces, then an error.
    struct Cut<'a>(&'a [u8]);

    impl AsyncRead for Cut<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Ready(Err(io::Error::other("upstream gone")));
            }
            let (now, later) = self.0.split_at(self.0.len().min(7).min(out.remaining()));
            out.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    fn layer() -> LayerBuilder {
        LayerBuilder::new()
            .file("var/lib/dpkg/status", "Package: a\nVersion: 1\n")
            .file(
                "usr/bin/big",
                (0..700_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>(),
            )
            .file("etc/os-release", "ID=debian\n")
    }

    #[test]
    fn a_layer_is_read_to_its_end_and_its_diff_id_computed() {
        let built = layer().gzip();
        let scanned = built.scan().unwrap();
        assert!(scanned.is_complete());
        assert_eq!((scanned.diff_id, scanned.uncompressed_bytes), (built.diff_id, layer().tar().len() as u64));
        assert_eq!(scanned.facts.keys().collect::<Vec<_>>(), ["etc/os-release", "var/lib/dpkg/status"]);
        assert_eq!(scanned.paths.len(), 3);
    }

    #[test]
    fn members_frames_and_wrong_labels_do_not_matter() {
        let tar = layer().tar();
        let (head, tail) = tar.split_at(1000);
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
            let mut out = Vec::new();
            io::Read::read_to_end(&mut encoder, &mut out).unwrap();
            out
        };
        let zstd = layer().zstd().bytes;
        // A skippable frame of four bytes, as zstd:chunked appends for its table of contents.
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
        for blob in [
            [gzip(head), gzip(tail)].concat(),
            [&skippable[..], &zstd].concat(),
            [&zstd[..], &skippable].concat(),
            tar.clone(),
        ] {
            let scanned = scan_with(&blob[..], Some(Digest::of(&tar)), &LayerLimits::default()).unwrap();
            assert_eq!(codes(&scanned), []);
        }
    }

    #[test]
    fn empty_layers_are_complete() {
        let nothing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()).finish().unwrap();
        for blob in
            [Vec::new(), nothing, LayerBuilder::new().gzip().bytes, LayerBuilder::new().zstd().bytes, vec![0; 512]]
        {
            let scanned = scan(&blob).unwrap();
            assert!(scanned.is_complete() && scanned.paths.is_empty(), "{scanned:?}");
        }
    }

    #[test]
    fn another_diff_id_is_never_complete() {
        let scanned = scan_with(&layer().gzip().bytes[..], Some(Digest::of(b"else")), &LayerLimits::default()).unwrap();
        assert_eq!(codes(&scanned), [ReasonCode::DiffIdMismatch]);
        assert_eq!(scanned.facts.len(), 2);
    }

    #[test]
    fn a_blob_that_fails_gives_no_inventory() {
        let bytes = layer().gzip().bytes;
        // At the end too: a blob that does not verify fails there.
        for end in [0, 1, 3, 20, 400, bytes.len() - 1, bytes.len()] {
            let reason = scan_with(Cut(&bytes[..end]), None, &LayerLimits::default()).unwrap_err();
            assert_eq!(reason.code, ReasonCode::FetchFailed, "{end}");
            assert!(reason.detail.contains("upstream gone"), "{reason}");
        }
    }

    #[test]
    fn a_broken_stream_fails_only_after_the_whole_blob_was_read() {
        let mut bytes = layer().gzip().bytes;
        bytes[60] ^= 0xff;
        assert_eq!(scan_with(Cut(&bytes), None, &LayerLimits::default()).unwrap_err().code, ReasonCode::FetchFailed);
    }

    #[test]
    fn a_stream_cut_anywhere_never_looks_complete_and_keeps_what_was_read() {
        for bytes in [layer().gzip().bytes, layer().zstd().bytes] {
            for end in (4..bytes.len() - 1).step_by(bytes.len() / 60) {
                match scan(&bytes[..end]) {
                    Ok(scanned) => assert_eq!(codes(&scanned), [ReasonCode::DecodeFailed], "{end}"),
                    Err(reason) => assert_eq!(reason.code, ReasonCode::DecodeFailed, "{end}"),
                }
            }
        }
        let bytes = layer().gzip().bytes;
        assert_eq!(scan(&bytes[..bytes.len() - 1]).unwrap().facts.len(), 2);
    }

    #[test]
    fn what_is_no_layer_is_a_reason() {
        assert_eq!(scan(&[b'<'; 2000]).unwrap_err().code, ReasonCode::ArchiveBroken);
        assert_eq!(scan(b"{}").unwrap_err().code, ReasonCode::ArchiveBroken);
        assert_eq!(scan(&[0x1f, 0x8b, 8, 0, 0, 0]).unwrap_err().code, ReasonCode::DecodeFailed);
    }

    #[test]
    fn bytes_behind_the_end_mark_belong_to_the_diff_id() {
        let tar = [layer().tar(), vec![7; 300_000]].concat();
        let scanned = scan_with(&tar[..], Some(Digest::of(&tar)), &LayerLimits::default()).unwrap();
        assert!(scanned.is_complete());
        assert_eq!(scanned.uncompressed_bytes, tar.len() as u64);
    }

    #[test]
    fn bombs_stop_at_their_limits() {
        let bomb = LayerBuilder::new().file("etc/os-release", "ID=a\n").file("zeros", vec![0; 8 << 20]);
        let ratio = LayerLimits { ratio_free_bytes: 1 << 20, max_ratio: 50, ..LayerLimits::default() };
        let size = LayerLimits { max_uncompressed_bytes: 1 << 20, ..LayerLimits::default() };
        for (limits, code) in [(ratio, ReasonCode::RatioTooHigh), (size, ReasonCode::LayerTooLarge)] {
            for built in [bomb.gzip(), bomb.zstd()] {
                let scanned = scan_with(&built.bytes[..], Some(built.diff_id), &limits).unwrap();
                assert_eq!(codes(&scanned), [code]);
                assert!(scanned.uncompressed_bytes <= 2 << 20, "{}", scanned.uncompressed_bytes);
                assert!(scanned.paths.iter().any(|(_, kind)| *kind == PathKind::File));
            }
        }
        assert!(bomb.gzip().scan().unwrap().is_complete(), "a small layer of zeros is fine");
    }
}
