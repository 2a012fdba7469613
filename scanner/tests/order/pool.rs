//! Pairs of versions: made after a grammar, taken from advisories, and changed a little, so that many are nearly equal.
//! The same in every run.

use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;

use super::real;

/// What a pool is filled with.
pub(crate) struct Recipe<'a> {
    /// A regular expression of the versions to make up.
    pub(crate) grammar: &'a str,
    /// The characters and words that are put into a version to change it.
    pub(crate) pieces: &'a [&'a str],
    /// The ecosystems whose advisories give versions.
    pub(crate) ecosystems: &'a [&'a str],
}

/// How many versions are made up.
const MADE_UP: usize = 20_000;

/// That many pairs of versions; none holds a blank or a tab.
pub(crate) fn pairs(recipe: &Recipe<'_>, count: usize) -> Vec<(String, String)> {
    let mut pool: Vec<String> = recipe.ecosystems.iter().flat_map(|ecosystem| real::versions(ecosystem)).collect();
    pool.retain(|version| !version.is_empty() && !version.contains(char::is_whitespace));
    let grammar = string_regex(recipe.grammar).unwrap();
    let mut runner = TestRunner::deterministic();
    pool.extend((0..MADE_UP).map(|_| grammar.new_tree(&mut runner).unwrap().current()));

    let mut random = Random(1);
    let mut pair = || {
        let at = random.below(pool.len());
        let a = &pool[at];
        let b = match random.below(8) {
            0 | 1 => pool[random.below(pool.len())].clone(),
            // Those of one record stand beside each other.
            2 => pool[(at + 1) % pool.len()].clone(),
            3..6 => changed(a, recipe.pieces, &mut random),
            _ => changed(&changed(a, recipe.pieces, &mut random), recipe.pieces, &mut random),
        };
        if random.below(2) == 0 { (a.clone(), b) } else { (b, a.clone()) }
    };
    (0..count).map(|_| pair()).collect()
}

/// The text with one character gone, one piece put in or exchanged for a character, a part doubled, or its end cut off.
fn changed(text: &str, pieces: &[&str], random: &mut Random) -> String {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = random.below(bounds.len());
    let (at, next) = (bounds[place], bounds[(place + 1).min(bounds.len() - 1)]);
    let piece = pieces[random.below(pieces.len())];
    let (head, tail) = text.split_at(at);
    match random.below(6) {
        0 => format!("{head}{}", &text[next..]),
        1 | 2 => format!("{head}{piece}{tail}"),
        3 => format!("{head}{piece}{}", &text[next..]),
        4 => {
            let end = bounds[(place + 1 + random.below(3)).min(bounds.len() - 1)];
            format!("{}{tail}", &text[..end])
        }
        _ if at > 0 => head.to_owned(),
        _ => format!("{text}{piece}"),
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    /// One of the numbers below.
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).unwrap()
    }
}
