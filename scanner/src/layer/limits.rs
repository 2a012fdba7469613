//! How much one layer may cost to read.

/// Limits for one layer. Reaching one leaves the inventory partial with its reason; it never fails the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    /// Most tar entries; what lies behind is not looked at.
    pub max_entries: u64,
    /// Longest path or link target in bytes; Linux's `PATH_MAX`.
    pub max_path_bytes: usize,
    /// Largest file handed to a detector, in bytes; larger ones are noted as unread. `scan.max_file_size` sets it.
    pub max_file_bytes: u64,
    /// Largest text handed to a detector in memory, in bytes; larger ones are noted as unread.
    pub max_text_bytes: u64,
    /// Most uncompressed bytes.
    pub max_uncompressed_bytes: u64,
    /// Most uncompressed bytes for each compressed byte, past `ratio_free_bytes`.
    pub max_ratio: u64,
    /// Uncompressed bytes within which the ratio does not count, so that a small layer of zeros is fine.
    pub ratio_free_bytes: u64,
    /// Largest GNU long name or PAX header, in bytes; Go's archive/tar, and so containerd, stops at the same size.
    pub max_extension_bytes: u64,
    /// Most bytes kept in links and facts of one layer.
    pub max_kept_bytes: usize,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            max_entries: 2_000_000,
            max_path_bytes: 4096,
            max_file_bytes: 256 << 20,
            max_text_bytes: 32 << 20,
            max_uncompressed_bytes: 64 << 30,
            max_ratio: 1000,
            ratio_free_bytes: 256 << 20,
            max_extension_bytes: 1 << 20,
            max_kept_bytes: 32 << 20,
        }
    }
}
