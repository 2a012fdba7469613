//! Rights that reach further than they should: of files, by their mode, and of accounts, by their passwords.

mod account;
mod mode;

pub(crate) use account::{Passwd, Shadow};
pub(crate) use mode::Modes;

use super::FactList;
use crate::finding::Severity;
use crate::layer::Fact;
use crate::risk::{Risk, RiskKind};

fn push(facts: &mut FactList, rule: &str, severity: Severity, detail: String, line: Option<usize>) {
    let line = line.map(|line| u32::try_from(line).unwrap_or(u32::MAX));
    facts.push(Fact::Risk(Risk { kind: RiskKind::Permission, rule: rule.to_owned(), severity, detail, line }));
}
