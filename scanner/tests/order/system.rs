//! Distributions' packages: dpkg and rpm.

use std::cmp::Ordering;
use std::process::Command;

use weir_scanner::version::{Scheme, compare};

use super::oracle::check;
use super::pool::{Recipe, pairs};

const DPKG: Recipe<'static> = Recipe {
    grammar: "(0:|[1-3]:)?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}[a-c]?([.+~-](rc|dfsg|git|beta|pre|really)[0-9]{0,8}){0,2}(\\.0{1,3}[1-9]|[0-9]{19,24})?(-[0-9]{1,2}(\\.[0-9])?((~bpo|\\+b|\\+deb|ubuntu|build)[0-9]{1,2}([u.][0-9]{1,2})?)?)?(~~?[a-z]?)?",
    pieces: &[
        "0",
        "1",
        "9",
        "00",
        "a",
        "z",
        "A",
        ".",
        "+",
        "-",
        "~",
        ":",
        "1:",
        "-1",
        "~~",
        "rc1",
        ".0",
        "99999999999999999999",
    ],
    ecosystems: &["Debian", "Ubuntu"],
};

#[test]
fn dpkg_orders_as_perls_dpkg_version() {
    // The class of dpkg's own tools. It counts in floating point, and takes a version of an epoch alone for none.
    let script = r#"
        use Dpkg::Version;
        while (<STDIN>) {
            chomp;
            print("?\n"), next if /[0-9]{16}/ || /:(-|\t|$)/;
            my ($x, $y) = map { Dpkg::Version->new($_, check => 1) } split(/\t/, $_, -1);
            my $sign = $x && $y ? ("<", "=", ">")[1 + ($x <=> $y)] : "?";
            print "$sign\n";
        }
    "#;
    check(Scheme::Dpkg, &DPKG, 2, "perl", &["-e", script]);
}

#[test]
fn dpkg_orders_as_dpkg() {
    // A process for each comparison, so fewer of them.
    let mut wrong = Vec::new();
    // dpkg gives an empty version a place of its own, and reads a sign before an epoch.
    let pairs = pairs(&DPKG, 1_000)
        .into_iter()
        .filter(|(a, b)| [a, b].iter().all(|text| text.starts_with(|c: char| c.is_ascii_digit())));
    for (a, b) in pairs {
        let says = |relation| {
            let output = Command::new("dpkg").args(["--compare-versions", "--", &a, relation, &b]).output().unwrap();
            (output.status.success(), !output.stderr.is_empty())
        };
        let order = match (says("lt"), says("eq")) {
            // dpkg complains of what it does not call a version.
            ((_, true), _) | (_, (_, true)) => continue,
            ((true, _), _) => Ordering::Less,
            (_, (true, _)) => Ordering::Equal,
            _ => Ordering::Greater,
        };
        if compare(Scheme::Dpkg, &a, &b) != order {
            wrong.push(format!("{a:?} {order:?} {b:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rpm_orders_as_rpm() {
    let recipe = Recipe {
        grammar: "(0:|[1-3]:)?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}[a-cA]?([.+~^_](rc|git|beta|pre|svn)?[0-9]{0,8}){0,2}(\\.0{1,3}[1-9]|[0-9]{19,24})?(-[0-9]{1,3}(\\.[0-9]{1,2}){0,2}(\\.(el|fc|module_el)[0-9]{1,2}([._][0-9]{1,2}(\\+[0-9]{1,3}\\+[0-9a-f]{4})?)?)?)?",
        pieces: &[
            "0",
            "1",
            "9",
            "00",
            "a",
            "z",
            "A",
            ".",
            "+",
            "-",
            "~",
            "^",
            "_",
            ":",
            "1:",
            "-1",
            "~~",
            "rc1",
            ".el9",
            "99999999999999999999",
        ],
        ecosystems: &["AlmaLinux", "Rocky Linux", "Azure Linux"],
    };
    let script = r#"%{lua:
        local signs = {[-1] = "<", [0] = "=", [1] = ">"}
        for line in io.lines("pairs") do
            local tab = line:find("\t")
            local answered, order = pcall(rpm.vercmp, line:sub(1, tab - 1), line:sub(tab + 1))
            io.stdout:write(answered and signs[order] or "?", "\n")
        end
    }"#;
    check(Scheme::Rpm, &recipe, 2, "rpm", &["--eval", script]);
}
