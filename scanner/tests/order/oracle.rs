//! Asks a tool about many pairs at once and compares what it says.

use std::cmp::Ordering;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use weir_scanner::version::{Scheme, compare};

use super::pool::{Recipe, pairs};

/// What the issue asks for.
pub(crate) const COMPARISONS: usize = 100_000;

/// Runs a program over a file of pairs, a line each with a tab between, as its standard input; it answers each with a
/// line: `<`, `=`, `>`, or `?` where it refuses one of the two. Pairs are made until enough are answered: `surplus` says
/// how many times as many are made.
pub(crate) fn check(scheme: Scheme, recipe: &Recipe<'_>, surplus: usize, program: &str, arguments: &[&str]) {
    let pairs = pairs(recipe, COMPARISONS * surplus);
    let lines: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let printed = run(program, arguments, &lines);
    let signs: Vec<&str> = printed.trim_end().lines().collect();
    assert_eq!(signs.len(), pairs.len(), "{program} answers each pair");
    let answers = pairs.iter().zip(signs).filter_map(|((a, b), sign)| Some((&**a, order(sign)?, &**b)));
    check_answers(scheme, answers);
}

/// What a program printed that had the text as its standard input; it runs in a folder of its own, where `arguments`
/// may name the text as the file `pairs`.
pub(crate) fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pairs");
    File::create(&path).unwrap().write_all(input.as_bytes()).unwrap();
    run_in(folder.path(), program, arguments)
}

fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let input = File::open(folder.join("pairs")).unwrap();
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(input).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; deploy/install.sh run installs it"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}\n{complaints}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The order a sign stands for; none for a refusal.
pub(crate) fn order(sign: &str) -> Option<Ordering> {
    match sign {
        "<" => Some(Ordering::Less),
        "=" => Some(Ordering::Equal),
        ">" => Some(Ordering::Greater),
        "?" => None,
        _ => panic!("no answer: {sign:?}"),
    }
}

/// Compares what a tool said, enough and of every kind, with what the scheme says, both ways round.
pub(crate) fn check_answers<'a>(scheme: Scheme, answers: impl Iterator<Item = (&'a str, Ordering, &'a str)>) {
    let mut counts = [0; 3];
    let mut wrong = Vec::new();
    for (a, expected, b) in answers {
        counts[(expected as i8 + 1) as usize] += 1;
        let order = compare(scheme, a, b);
        if order != expected || compare(scheme, b, a) != expected.reverse() {
            wrong.push(format!("{a} {expected:?} {b}, not {order:?}"));
        }
    }
    println!("{scheme:?}: {counts:?} less, equal, greater");
    let shown = &wrong[..wrong.len().min(30)];
    assert!(wrong.is_empty(), "{scheme:?}: {} wrong, first {shown:#?}", wrong.len());
    assert!(counts.iter().sum::<usize>() >= COMPARISONS, "{scheme:?}: too few answers: {counts:?}");
    assert!(counts.iter().all(|count| *count >= 1_000), "{scheme:?}: too few of a kind: {counts:?}");
}
