//! Maven.

use regex::Regex;
use weir_scanner::version::Scheme;

use super::oracle::{COMPARISONS, check_answers, order, run};
use super::pool::{Recipe, pairs};

/// Versions on which Maven's order is one and its reference agrees: a qualifier after a dot is the last or has a number
/// right behind it, no zero stands between a hyphen and what follows, and nothing follows what counts as null. The
/// others are in the table beside the comparator.
const ORDERED: &str = "^[0-9]+([.][0-9]+)*(-?[a-z]+([.-]?[1-9][0-9]*([.][0-9]+)*)?|[.][a-z]+[1-9][0-9]*([.][0-9]+)*|-[1-9][0-9]*([.][0-9]+)*)*([.][a-z]+)?$";
const AFTER_NULL: &str = "[^a-z](ga|final|release)[^a-z]";

#[test]
fn maven_orders_as_comparable_version() {
    let recipe = Recipe {
        grammar: "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(\\.0{1,3}[1-9]?|[0-9]{19,24})?([.-]?(a|b|m|alpha|beta|milestone|rc|cr|snapshot|ga|final|release|sp|foo|jre|Final|RELEASE|SNAPSHOT|x)([.-]?[1-9][0-9]{0,2}(\\.[0-9]{1,2})?)?|-[1-9][0-9]{0,8}){0,3}",
        pieces: &[
            "0",
            "1",
            "9",
            "00",
            ".0",
            ".1",
            "-1",
            "a",
            "b1",
            "m2",
            "-rc",
            "-sp",
            "-alpha",
            ".Final",
            "-SNAPSHOT",
            ".RELEASE",
            "ga",
            "x",
            "-",
            ".",
        ],
        ecosystems: &["Maven"],
    };
    let [ordered, after_null] = [ORDERED, AFTER_NULL].map(|text| Regex::new(&format!("(?i){text}")).unwrap());
    let pairs = pairs(&recipe, 3 * COMPARISONS / 2);
    let fits = |text: &str| ordered.is_match(text) && !after_null.is_match(text);
    let pairs = pairs.iter().filter(|(a, b)| fits(a) && fits(b));
    let versions: Vec<&str> = pairs.flat_map(|(a, b)| [&**a, &**b]).collect();

    // Its main compares each argument with the next, and java reads arguments from a file.
    let main = "org.apache.maven.artifact.versioning.ComparableVersion";
    let files = run("dpkg", &["-L", "libmaven3-core-java"], "");
    let jar = files.lines().find(|path| path.ends_with("maven3-artifact.jar")).unwrap();
    let arguments = format!("-cp {jar}\n{main}\n{}\n", versions.join("\n"));
    let printed = run("java", &["@pairs"], &arguments);
    let comparisons = printed.lines().filter_map(|line| {
        let words: Vec<&str> = line.strip_prefix("   ")?.split(' ').collect();
        let [a, sign, b] = words[..] else { panic!("no comparison: {line}") };
        Some((a, order(&sign[..1])?, b))
    });
    check_answers(Scheme::Maven, comparisons);
}
