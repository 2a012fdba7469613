//! Semantic Versioning and what follows it: npm, Go's modules, Pub and Julia, crates.io, Hex.

use std::cmp::Ordering;

use weir_scanner::version::Scheme;

use super::oracle::{COMPARISONS, check, check_answers};
use super::pool::{Recipe, pairs};

/// Strict versions. npm counts no further than 2^53, crates.io no further than 2^64.
const STRICT: Recipe<'static> = Recipe {
    grammar: "[0-9]{1,2}\\.[0-9]{1,3}\\.([0-9]{1,2}|[1-9][0-9]{14})(-(alpha|beta|rc|RC|[0-9a-cA-C-]{1,3}|0)(\\.(0|[1-9][0-9]{0,2}|[a-c0-9-]{1,3})){0,3})?(\\+[0-9a-c]{1,3}(\\.[0-9a-c-]{1,2}){0,2})?",
    pieces: &["0", "1", "9", "10", ".0", ".1", "a", "A", "-", "-a", "-0", "-rc.1", ".rc", "+1", "+a", ".", "-beta"],
    ecosystems: &["npm", "crates.io", "Bitnami", "SwiftURL", "Hex", "Pub"],
};

/// Asks npm's semver: `function` names the comparison, `mode` says how it reads, `loose` or `strict`. Three things it
/// says are not meant: read loosely, `1.2.34.5` is `1.2.3-4.5`, the hyphen of an empty pre-release is its name, and the
/// builds `00.1` and `0.2` are equal because their first parts are.
fn check_npm(scheme: Scheme, recipe: &Recipe<'_>, function: &str, mode: &str) {
    let script = r#"
        const fs = require("fs"), path = require("path");
        const folder = process.env.PATH.split(":").find(folder => fs.existsSync(path.join(folder, "npm")));
        const semver = require("module").createRequire(fs.realpathSync(path.join(folder, "npm")))("semver");
        const [, name, mode] = process.argv;
        const unmeant = name === "compareBuild" ? /\+(.*\.)?0\d/ : /^[v=]*\d+\.\d+\.\d+(\.|-([.+]|$))/;
        const answer = pair => {
            if (pair.some(text => unmeant.test(text))) return "?";
            try { return "=><".at(semver[name](...pair, mode === "loose")); } catch { return "?"; }
        };
        const lines = fs.readFileSync(0, "utf8").split("\n").slice(0, -1);
        process.stdout.write(lines.map(line => answer(line.split("\t")) + "\n").join(""));
    "#;
    check(scheme, recipe, 4, "node", &["-e", script, function, mode]);
}

#[test]
fn npm_orders_as_semver() {
    let recipe = Recipe {
        grammar: "[v=]?[0-9]{1,2}\\.[0-9]{1,3}\\.(0?[0-9]{1,2}|[1-9][0-9]{14})(-?(alpha|beta|rc|RC|[a-cA-C-][0-9a-cA-C-]{0,2})(\\.(0{0,2}[0-9]{1,3}|[a-c0-9-]{1,3})){0,3}|-[0-9]{1,3})?(\\+[0-9a-c]{1,3}(\\.[0-9a-c-]{1,2}){0,2})?",
        pieces: &[
            "v", "=", "00", "0", "1", "9", ".0", ".1", "a", "A", "-", "-a", "-0", "-rc.1", ".rc", "+1", ".", "beta",
        ],
        ecosystems: &["npm"],
    };
    check_npm(Scheme::SemVer, &recipe, "compare", "loose");
}

#[test]
fn pub_and_julia_order_as_semver_with_builds() {
    check_npm(Scheme::SemVerWithBuild, &STRICT, "compareBuild", "strict");
}

#[test]
fn gos_modules_order_as_semantic_versions() {
    let recipe = Recipe {
        grammar: "v?[0-9]{1,2}\\.[0-9]{1,3}\\.[0-9]{1,2}(-(alpha|beta|rc|pre)(\\.[1-9]?[0-9]|[0-9]{1,2})?)?(-(0\\.)?20(19|2[0-5])[01][0-9]{9}-[0-9a-f]{12}|\\+incompatible)?",
        pieces: &[
            "v",
            "0",
            "1",
            "9",
            ".0",
            ".1",
            "a",
            "-",
            "-a",
            "-0",
            "-rc.1",
            "-0.20200101000000-000000000000",
            "+incompatible",
            "+dirty",
            ".",
        ],
        ecosystems: &["Go"],
    };
    check_npm(Scheme::Go, &recipe, "compare", "strict");
}

#[test]
fn crates_order_as_semver() {
    let pairs = pairs(&STRICT, 3 * COMPARISONS);
    let read = |text: &str| semver::Version::parse(text).ok();
    let answer = |a: &str, b: &str| -> Option<Ordering> { Some(read(a)?.cmp_precedence(&read(b)?)) };
    check_answers(Scheme::SemVer, pairs.iter().filter_map(|(a, b)| Some((&**a, answer(a, b)?, &**b))));
}

#[test]
fn hex_orders_as_elixirs_version() {
    let script = r#"
        answer = fn line ->
          with [a, b] <- String.split(String.trim_trailing(line, "\n"), "\t"),
               {:ok, a} <- Version.parse(a),
               {:ok, b} <- Version.parse(b) do
            %{lt: "<", eq: "=", gt: ">"}[Version.compare(a, b)]
          else
            _ -> "?"
          end
        end
        answers = File.stream!("pairs") |> Enum.map(&[answer.(&1), "\n"])
        IO.write(answers)
    "#;
    check(Scheme::SemVer, &STRICT, 3, "elixir", &["-e", script]);
}
