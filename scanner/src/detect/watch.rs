//! Detectors that read files as they pass and keep nothing of them: for what any file may hold, whatever its path.

use super::FactList;
use crate::content::Buffers;

/// Bytes of a file a watcher sees before it decides.
pub const HEAD_BYTES: usize = 4096;

/// Decides for each file of a layer, from its place and its first bytes, whether to watch it pass.
pub trait Watcher: Send + Sync {
    /// Its name, part of the set's fingerprint.
    fn name(&self) -> &'static str;

    /// Its version; raised whenever it finds something else in the same bytes, so that layers are read again.
    fn version(&self) -> u32;

    /// Begins to watch a file, or lets it pass. Called for every file that is not empty, so it is cheap for those it
    /// does not want. What place, mode and head alone say may go to `facts` at once. A watch that has to keep
    /// bytes draws on `buffers`.
    fn watch(&self, file: &FileHead<'_>, buffers: &Buffers, facts: &mut FactList) -> Option<Box<dyn Watch>>;
}

/// One file on its way past a watcher.
pub trait Watch {
    /// The next bytes, the head's first; pieces are of any length.
    fn feed(&mut self, bytes: &[u8]);

    /// Adds what the whole file said to `facts`.
    fn finish(self: Box<Self>, facts: &mut FactList);
}

/// What is known of a file before its bytes pass.
#[derive(Clone, Copy, Debug)]
pub struct FileHead<'a> {
    /// Its cleaned path.
    pub path: &'a str,
    /// Its mode bits.
    pub mode: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Its first bytes: all, or [`HEAD_BYTES`] of them.
    pub head: &'a [u8],
}
