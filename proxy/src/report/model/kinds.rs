//! Kinds of findings: a severity, with a fix or without, known to be exploited or not.
//!
//! A set of them is one number, so that putting a finding into one takes no branch. Findings are in no order that a processor could
//! guess at, and what a list costs is going through all of them: a branch for each would be most of it.

use std::ops::{BitAnd, BitOr, BitOrAssign};

use weir_scanner::finding::Severity;

use crate::report::filter::Filter;

/// Which kinds of findings there are, or are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u32);

/// Kinds of each severity.
const OF_SEVERITY: u32 = 4;
/// The bits of what has a fix, and of what is exploited, in those of each severity.
const FIXABLE: u32 = 0xcc_cccc;
const EXPLOITED: u32 = 0xaa_aaaa;

impl Kinds {
    /// No kind at all: what is not meant, or counts nowhere, is of it.
    pub(super) const NONE: Self = Self(0);
    /// Every kind.
    pub(super) const ALL: Self = Self((1 << (OF_SEVERITY * Severity::ALL.len() as u32)) - 1);
    /// Different values of [`Self::slot`].
    pub(super) const SLOTS: usize = u32::BITS as usize + 1;

    /// The kind of one finding.
    pub(super) const fn one(severity: Severity, is_fixable: bool, is_exploited: bool) -> Self {
        Self(1 << (severity as u32 * OF_SEVERITY + is_fixable as u32 * 2 + is_exploited as u32))
    }

    /// The kind of a slot; none of a slot beyond all kinds'.
    pub(super) const fn at(slot: u8) -> Self {
        match 1_u32.checked_shl(slot as u32) {
            Some(bit) => Self(bit & Self::ALL.0),
            None => Self::NONE,
        }
    }

    /// Every kind whose severity, fix and exploitation are taken.
    pub(super) fn taken(
        severity: impl Fn(Severity) -> bool,
        fixable: impl Fn(bool) -> bool,
        exploited: impl Fn(bool) -> bool,
    ) -> Self {
        let mut kinds = Self::NONE;
        for kind in Severity::ALL {
            for (has_fix, is_exploited) in [(false, false), (false, true), (true, false), (true, true)] {
                if severity(kind) && fixable(has_fix) && exploited(is_exploited) {
                    kinds |= Self::one(kind, has_fix, is_exploited);
                }
            }
        }
        kinds
    }

    /// The kinds that a filter means.
    pub(super) fn meant(filter: &Filter) -> Self {
        let severity = |severity| filter.severities.is_empty() || filter.severities.contains(&severity);
        Self::taken(severity, |is_fixable| filter.fixable.takes(is_fixable), |is| filter.known_exploited.takes(is))
    }

    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The same where it holds, no kind where it does not.
    pub(super) const fn only_if(self, holds: bool) -> Self {
        Self(self.0 & (holds as u32).wrapping_neg())
    }

    /// A number of its own for every single kind and for none.
    pub(super) const fn slot(self) -> usize {
        self.0.trailing_zeros() as usize
    }

    /// The worst severity; `Unknown` of no kind.
    pub(super) fn worst(self) -> Severity {
        // All are in order, the worst first.
        Severity::ALL.get(Severity::ALL.len() - self.rank()).copied().unwrap_or_default()
    }

    /// 0 of no kind, else one more than the number of the worst severity.
    pub(super) const fn rank(self) -> usize {
        (u32::BITS - self.0.leading_zeros()).div_ceil(OF_SEVERITY) as usize
    }

    /// Whether any has a fix.
    pub(super) const fn is_fixable(self) -> bool {
        self.0 & FIXABLE != 0
    }

    /// Whether any is exploited.
    pub(super) const fn is_exploited(self) -> bool {
        self.0 & EXPLOITED != 0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Kinds {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_says_what_it_was_made_of() {
        let mut slots = Vec::new();
        for severity in Severity::ALL {
            for (has_fix, is_exploited) in [(false, false), (false, true), (true, false), (true, true)] {
                let kind = Kinds::one(severity, has_fix, is_exploited);
                assert_eq!((kind.worst(), kind.is_fixable(), kind.is_exploited()), (severity, has_fix, is_exploited));
                assert_eq!((kind.rank(), kind & Kinds::ALL), (severity as usize + 1, kind));
                assert_eq!(Kinds::at(kind.slot() as u8), kind);
                slots.push(kind.slot());
            }
        }
        assert_eq!(Kinds::at(Kinds::NONE.slot() as u8), Kinds::NONE);
        slots.push(Kinds::NONE.slot());
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 25);
        assert!(slots.iter().all(|slot| *slot < Kinds::SLOTS));
    }

    #[test]
    fn of_several_kinds_the_worst_severity_counts_and_any_fix() {
        let several = Kinds::one(Severity::Low, true, false) | Kinds::one(Severity::High, false, false);
        assert_eq!((several.worst(), several.is_fixable(), several.is_exploited()), (Severity::High, true, false));
        assert_eq!((Kinds::NONE.worst(), Kinds::NONE.rank(), Kinds::NONE.is_fixable()), (Severity::Unknown, 0, false));
        assert_eq!((several.only_if(true), several.only_if(false)), (several, Kinds::NONE));
    }

    #[test]
    fn what_is_taken_is_every_kind_of_all_three() {
        let taken = Kinds::taken(|severity| severity == Severity::High, |is| is, |_| true);
        assert_eq!(taken, Kinds::one(Severity::High, true, false) | Kinds::one(Severity::High, true, true));
        assert_eq!(Kinds::taken(|_| true, |_| true, |_| true), Kinds::ALL);
    }
}
