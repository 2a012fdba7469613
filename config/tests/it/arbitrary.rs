//! Whatever is written, the check answers: a configuration or at least one mistake.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use weir_config::{Checked, SETTINGS, check};

fn assert_answer(checked: &Checked) {
    assert_eq!(checked.config.is_some(), checked.mistakes.is_empty());
    for problem in checked.mistakes.iter().chain(&checked.warnings) {
        assert_eq!(problem.to_string().lines().count(), 1, "{problem:?}");
    }
}

fn name() -> impl Strategy<Value = String> {
    let names: Vec<String> =
        SETTINGS.iter().map(|setting| setting.path.replace("[]", ".0").replace('.', "__")).collect();
    prop_oneof![
        4 => select(names).prop_map(|name| format!("WEIR_{}", name.to_ascii_uppercase())),
        1 => "WEIR_[A-Z0-9_]{0,30}",
        1 => any::<String>().prop_map(|text| format!("WEIR__{text}")),
    ]
}

/// Values in the forms that settings have, and nearly so.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{0,21}(ms|[smhdw]|[KMGT]i?B)?",
        "(https?|file)://[a-z.:@/?#0-9\\[\\]]{0,20}",
        "[0-9a-f.:/\\[\\]]{0,20}",
        "\\[?[a-z\", '.0-9]{0,20}\\]?",
        select(vec!["auto", "off", "none", "client", "shared", "true", "viewer"]).prop_map(str::to_owned),
    ]
}

/// A line of a document: a header, or a key with a value of some type.
fn line() -> impl Strategy<Value = String> {
    let words: Vec<&str> =
        SETTINGS.iter().flat_map(|setting| setting.path.split('.')).map(|word| word.trim_end_matches("[]")).collect();
    let word = || select(words.clone());
    let literal = prop_oneof![
        value().prop_map(|text| format!("{text:?}")),
        any::<i64>().prop_map(|number| number.to_string()),
        vec(value(), 0..3).prop_map(|list| format!("{list:?}")),
        value(),
    ];
    prop_oneof![
        word().prop_map(|word| format!("[{word}]")),
        (word(), word()).prop_map(|(a, b)| format!("[{a}.{b}]")),
        word().prop_map(|word| format!("[[{word}]]")),
        (word(), literal).prop_map(|(word, literal)| format!("{word} = {literal}")),
    ]
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        assert_answer(&check(Some(("weir.toml", &text)), [], Path::new("")));
    }

    #[test]
    fn any_document_is_answered(lines in vec(line(), 0..12)) {
        let text = lines.join("\n");
        assert_answer(&check(Some(("weir.toml", &text)), [], Path::new("")));
    }

    #[test]
    fn any_variables_are_answered(variables in vec((name(), value()), 0..8)) {
        assert_answer(&check(None, variables, Path::new("")));
    }
}
