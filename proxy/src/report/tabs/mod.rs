//! The tabs of one image: its vulnerabilities, packages, layers and upgrades; and two images compared.
//!
//! Owns what is shown of one image's stored facts, as the API, CSV and the console show it alike. Reads per request: one image is small.
//! Every list is `None` until something is known: a tab of an image that was not read or not matched says so and is never an empty list.

mod answer;
mod ask;
mod compare;
mod decision;
mod facts;
mod fixes;
mod layers;
mod order;
mod packages;
#[cfg(test)]
mod tests;
mod vulnerabilities;

pub(super) use answer::Tab;
pub(super) use ask::except_words;
pub(super) use compare::{Comparison, compare};
pub(super) use fixes::{Fix, SORTS as FIX_SORTS, fixes};
pub(super) use layers::layers;
pub(super) use packages::{SORTS as PACKAGE_SORTS, packages};
pub(super) use vulnerabilities::{SORTS as VULNERABILITY_SORTS, vulnerabilities};
