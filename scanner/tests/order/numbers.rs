//! Lists of numbers: R and Haskell.

use tempfile::NamedTempFile;
use weir_scanner::version::Scheme;

use super::oracle::{COMPARISONS, check, check_answers, order, run};
use super::pool::{Recipe, pairs};

/// Neither tool counts further than 2^31.
const LISTS: Recipe<'static> = Recipe {
    grammar: "[0-9]{1,3}([.-][0-9]{1,3}){1,5}([.-]0{0,3}[0-9]{1,8})?",
    pieces: &["0", "1", "9", "00", ".0", ".1", "-0", "-1", ".", "-", ".9"],
    ecosystems: &["CRAN", "Hackage", "GHC"],
};

#[test]
fn cran_orders_as_r() {
    let script = r#"
        lines <- strsplit(readLines("pairs"), "\t")
        valid <- "^[0-9]{1,9}([.-][0-9]{1,9})*$"
        answer <- function(pair) {
            if (all(grepl(valid, pair))) c("<", "=", ">")[2 + utils::compareVersion(pair[1], pair[2])] else "?"
        }
        writeLines(vapply(lines, answer, ""))
    "#;
    check(Scheme::Numbers, &LISTS, 2, "Rscript", &["--vanilla", "-e", script]);
}

#[test]
fn hackage_orders_as_data_version() {
    let valid = |text: &str| {
        text.split('.').all(|part| (1..10).contains(&part.len()) && !part.contains(|c: char| !c.is_ascii_digit()))
    };
    let dotted = |(a, b): (String, String)| (a.replace('-', "."), b.replace('-', "."));
    let mut pairs: Vec<(String, String)> = pairs(&LISTS, 2 * COMPARISONS).into_iter().map(dotted).collect();
    pairs.retain(|(a, b)| valid(a) && valid(b));
    // The interpreter is slow.
    pairs.truncate(COMPARISONS + COMPARISONS / 20);
    let lines: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let script = NamedTempFile::with_suffix(".hs").unwrap();
    let source = "
import Data.Version
main = getContents >>= mapM_ (putStrLn . answer . words) . lines
answer [a, b] = case compare (version a) (version b) of { LT -> \"<\"; EQ -> \"=\"; GT -> \">\" }
version text = Version (numbers text) []
numbers text = case break (== '.') text of { (part, '.' : rest) -> number part : numbers rest; (part, _) -> [number part] }
number text = foldl (\\n digit -> n * 10 + fromEnum digit - 48) 0 text
";
    std::fs::write(script.path(), source).unwrap();
    let printed = run("runhugs", &["-98", script.path().to_str().unwrap()], &lines);
    assert_eq!(printed.lines().count(), pairs.len(), "an answer to each pair");
    let answers = pairs.iter().zip(printed.lines()).filter_map(|((a, b), sign)| Some((&**a, order(sign)?, &**b)));
    check_answers(Scheme::Numbers, answers);
}
