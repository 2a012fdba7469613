//! One made-up value for every rule, found in its place and nowhere shown.
//!
//! Values are made when the tests run, so that nothing in this repository looks like a key to others' scanners.

use super::rule::RULES;
use super::search::Search;

/// Each line: the rule, the file's path, what stands before the value, the value, what stands after it. `{h32}` stands for 32
/// characters of a class: a letters and digits, b age's alphabet, c letters, d digits, h hex, H capital hex, l small base32, u capital base32.
const SAMPLES: &str = include_str!("samples.txt");

fn class(name: char) -> &'static [u8] {
    match name {
        'a' => b"k7RzQ2mVxT9bLpW4nJcY8sHdG3vFqN6tZwK5uBfXgM1yPjDhCrSeAiEoUaIO0l",
        'b' => b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        'c' => b"kRzQmVxTbLpWnJcYsHdGvFqNtZwKuBfXgMyPjDhCrSeAiEoUaIOl",
        'd' => b"7294815036",
        'h' => b"7f3a9c1e5b80d246",
        'H' => b"7F3A9C1E5B80D246",
        'l' => b"k7rzq2mvxtbl4pwnjcy5shdg3vfuo6ea",
        'u' => b"K7RZQ2MVXTBL4PWNJCY5SHDG3VFUO6EA",
        _ => panic!("no class {name}"),
    }
}

/// Writes characters for every `{h32}`, others each time.
fn filled(template: &str, seed: &mut usize) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        let count =
            after.split_once('}').map(|(inside, _)| inside).filter(|inside| inside.len() > 1 && inside.is_ascii());
        let Some(length) = count.and_then(|inside| inside[1..].parse::<usize>().ok()) else {
            text.push('{');
            rest = after;
            continue;
        };
        let alphabet = class(after.chars().next().unwrap());
        for _ in 0..length {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(alphabet[(*seed >> 33) % alphabet.len()]));
        }
        rest = after.split_once('}').unwrap().1;
    }
    text + rest
}

#[test]
fn every_rule_finds_its_kind() {
    let mut unseen: std::collections::BTreeSet<&str> = RULES.ids().collect();
    let mut seed = 7;
    for line in SAMPLES.lines() {
        let parts: Vec<&str> = line.split('|').collect();
        let [rule, path, before, value, after] = parts[..] else { panic!("{line}") };
        let value = filled(value, &mut seed);
        let before = filled(&before.replace("\\n", "\n"), &mut seed);
        let text = format!("\n{before}{value}{}", after.replace("\\n", "\n"));
        for text in [text.clone(), format!("{text}\n"), format!("\nfirst line{text} \nlast line")] {
            let mut search = Search::new(path, true);
            search.search(text.as_bytes(), 0..text.len(), true);
            let risks = search.finish();
            assert!(risks.len() == 1 && risks[0].rule == rule, "{rule}: {text:?} gives {risks:?}");
            let shown = risks[0].detail.rsplit_once(": ").unwrap().1;
            assert!(shown.len() <= 8 && value.starts_with(shown.trim_end_matches('*')), "{rule}: {shown}");
        }
        unseen.remove(rule);
    }
    assert!(unseen.is_empty(), "no sample for {unseen:?}");
}

#[test]
fn examples_and_placeholders_are_none() {
    for text in [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_000000000000000000000000000000000000",
        "postgres://user:password@localhost/db",
        "postgres://user:${PASSWORD}@localhost/db",
        "postgres://user:<password>@localhost/db",
        "mysql://{user}:{password}@{host}",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "if line == '-----BEGIN RSA PRIVATE KEY-----': return",
        "key-0123456789abcdef0123456789abcdef",
        "SG.xxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "a token, a secret and a password",
    ] {
        assert_eq!(super::in_text(text), [], "{text}");
    }
}
