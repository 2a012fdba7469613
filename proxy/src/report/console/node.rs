//! What the states of nodes mean, in words for people.

/// What a state of a node means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) word: &'static str,
    /// One of `ok`, `wait`, `bad`: how it is drawn.
    pub(super) tone: &'static str,
    pub(super) means: &'static str,
}

/// A state of a node by its name in the API.
pub(super) fn state(name: &str) -> State {
    let of = |word, tone, means| State { word, tone, means };
    match name {
        "through_weir" => of("through weir", "ok", "It pulls through weir, and nothing speaks against that."),
        "bypasses" => of("bypasses", "bad", "It goes past weir, or is set up so that it will."),
        _ => of("unknown", "wait", "Whether it pulls through weir is not known."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::nodes::NodeState;

    #[test]
    fn every_state_of_the_api_has_words_of_its_own() {
        let words: Vec<_> = NodeState::ALL.into_iter().map(|known| state(known.name())).collect();
        for (at, one) in words.iter().enumerate() {
            assert!(words[at + 1..].iter().all(|other| other.word != one.word && other.tone != one.tone), "{one:?}");
        }
        assert_eq!(state("of a later version").word, "unknown");
    }
}
