//! Which images have a vulnerability: the findings of a catalog turned round.

use std::sync::Arc;

use super::row::ImageRow;

/// The images that have each vulnerability, by its number.
#[derive(Clone, Debug)]
pub(super) struct Holders {
    /// Where those of each begin among the images, and where those of the last end.
    starts: Vec<u32>,
    /// By their positions, ascending for each vulnerability.
    images: Vec<u32>,
}

impl Holders {
    /// Of images, whose vulnerabilities have numbers below `numbers`. Findings that are covered do not count.
    pub(super) fn of(images: &[Arc<ImageRow>], numbers: usize) -> Self {
        let mut starts = vec![0_u32; numbers + 1];
        for row in images {
            each_vulnerability(row, |number| starts[number as usize + 1] += 1);
        }
        for number in 0..numbers {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut held = vec![0; starts[numbers] as usize];
        for (at, row) in (0..).zip(images) {
            each_vulnerability(row, |number| {
                held[next[number as usize] as usize] = at;
                next[number as usize] += 1;
            });
        }
        Self { starts, images: held }
    }

    /// The positions of the images that have one, ascending.
    pub(super) fn images(&self, number: u32) -> &[u32] {
        let at = number as usize;
        &self.images[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// Tells the numbers of an image's vulnerabilities, each once.
fn each_vulnerability(row: &ImageRow, mut tell: impl FnMut(u32)) {
    let mut last = None;
    for head in row.findings().heads.iter().filter(|head| !head.kind().is_none()) {
        if last.replace(head.vulnerability()) != Some(head.vulnerability()) {
            tell(head.vulnerability());
        }
    }
}
