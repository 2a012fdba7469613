//! The documentation, held to what it speaks of: links lead somewhere, commands and their flags exist, settings are accepted, and the
//! unit for a machine without Kubernetes is one that systemd takes and rates as locked down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::support::{Weir, run, tool};

/// The highest exposure that the unit may have, in tenths, as `systemd-analyze security` rates it; an unchanged service has 96.
const MOST_EXPOSURE: &str = "20";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every page: those at the top, and all below docs.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![(root(), false), (root().join("docs"), true)];
    while let Some((directory, deep)) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && deep {
                directories.push((path, true));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A page taken apart.
#[derive(Default)]
struct Page {
    /// Lines outside of blocks, with their numbers.
    text: Vec<(usize, String)>,
    /// Blocks: the number of the first line, the language, the lines.
    blocks: Vec<(usize, String, Vec<String>)>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let mut page = Self::default();
        let mut open = false;
        for (number, line) in (1..).zip(fs::read_to_string(path).unwrap().lines()) {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                open = !open;
                if open {
                    page.blocks.push((number + 1, language.trim().to_owned(), Vec::new()));
                }
            } else if open {
                page.blocks.last_mut().unwrap().2.push(line.to_owned());
            } else {
                page.text.push((number, line.to_owned()));
            }
        }
        page
    }

    /// The names its headings can be linked by, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let mut times = BTreeMap::new();
        let headings = self.text.iter().filter(|(_, line)| line.starts_with('#'));
        headings
            .map(|(_, line)| {
                let title = shown(line.trim_start_matches('#').trim());
                let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                let name = kept.collect::<String>().to_lowercase().replace(' ', "-");
                let time = times.entry(name.clone()).and_modify(|time| *time += 1).or_insert(0);
                if *time == 0 { name } else { format!("{name}-{time}") }
            })
            .collect()
    }

    /// Its text by paragraphs, since code and links may go on in the next line; with the numbers of their first lines.
    fn paragraphs(&self) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut next = 0;
        for (number, line) in &self.text {
            match found.last_mut() {
                // Each row of a table, and each heading, is for itself.
                Some((_, text)) if *number == next && !line.is_empty() && !line.starts_with(['|', '#']) => {
                    text.push(' ');
                    text.push_str(line);
                }
                _ => found.push((*number, line.clone())),
            }
            next = number + 1;
        }
        found
    }

    /// Where its links and pictures lead, with the numbers of their paragraphs.
    fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, text) in self.paragraphs() {
            let plain: String = text.split('`').step_by(2).collect();
            let targets = plain.match_indices("](").map(|(at, mark)| &plain[at + mark.len()..]);
            found.extend(targets.filter_map(|rest| rest.split_once(')')).map(|(to, _)| (number, to.to_owned())));
        }
        found
    }
}

/// A heading's text without links' places.
fn shown(title: &str) -> String {
    let mut text = title.to_owned();
    while let Some((from, mark)) = text.match_indices("](").next() {
        let end = text[from..].find(')').map_or(text.len(), |at| from + at + 1);
        text.replace_range(from..end.max(from + mark.len()), "");
    }
    text
}

/// The path without `..`, so that it can be compared.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(tidy.pop()),
            Component::CurDir => {}
            other => tidy.push(other),
        }
    }
    tidy
}

#[test]
fn every_link_leads_somewhere() {
    let pages: BTreeMap<PathBuf, Page> = pages().into_iter().map(|path| (path.clone(), Page::read(&path))).collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, page) in &pages {
        for (line, link) in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { tidy(&path.parent().unwrap().join(file)) };
            let is_there = target.try_exists().unwrap();
            let has_anchor =
                anchor.is_empty() || pages.get(&target).is_some_and(|page| page.anchors().contains(anchor));
            if !is_there || !has_anchor {
                wrong.push(format!("{}:{line}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 100, "{seen} links");
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

/// What the help of a command says: the commands below it, and its flags.
struct Help {
    commands: BTreeMap<String, Help>,
    flags: BTreeSet<String>,
}

impl Help {
    fn of(words: &[String]) -> Self {
        let text = run(Weir::command(&[]).args(words).arg("--help"));
        let section = |title: &str| {
            let lines = text.lines().skip_while(move |line| *line != title).skip(1);
            lines.take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>()
        };
        let below = section("Commands:").into_iter().filter_map(|line| line.split_whitespace().next());
        let commands = below.filter(|name| *name != "help").map(|name| {
            let words: Vec<String> = words.iter().cloned().chain([name.to_owned()]).collect();
            (name.to_owned(), Self::of(&words))
        });
        let words = section("Options:").join(" ");
        let flags = words.split([' ', ',']).filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        Self { commands: commands.collect(), flags }
    }

    /// What is wrong with a command line, given what stands behind `weir`.
    fn check(&self, arguments: &[&str]) -> Option<String> {
        let mut help = self;
        for argument in arguments {
            // `setup|check` stands for each of them.
            let first = argument.split(['|', '\\']).next().unwrap_or_default();
            // Punctuation of the sentence around it.
            let first = first.trim_end_matches([',', '.', ']', ')', ':']);
            if let Some(flag) = first.strip_prefix("--") {
                let flag = format!("--{}", flag.split(['=', '…']).next().unwrap_or_default());
                if !help.flags.contains(&flag) {
                    return Some(format!("there is no {flag}"));
                }
            } else if let Some(below) = help.commands.get(first) {
                help = below;
            } else if !help.commands.is_empty() && is_word(first) {
                return Some(format!("there is no command {first}"));
            }
        }
        None
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// What follows each `weir` of a line that stands where a command does.
fn command_lines(line: &str) -> Vec<Vec<&str>> {
    const BEFORE: [&str; 9] = ["$", "#", "sudo", "exec", "--", "&&", "||", "|", ";"];
    const END: [&str; 9] = ["|", "||", "&&", ";", "#", ">", ">>", "<", "&"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let stands_first = |at: usize| {
        at == 0 || BEFORE.contains(&words[at - 1]) || (at >= 2 && words[at - 2] == "-u" && words[at - 1] == "weir")
    };
    let starts = (0..words.len()).filter(|at| {
        let name = words[*at].rsplit(['/', '(']).next().unwrap_or_default();
        name == "weir" && stands_first(*at) && words.get(at + 1) != Some(&"weir")
    });
    starts.map(|at| words[at + 1..].iter().take_while(|word| !END.contains(word)).copied().collect()).collect()
}

#[test]
fn every_command_and_flag_exists() {
    let help = Help::of(&[]);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in pages() {
        let page = Page::read(&path);
        let shells =
            page.blocks.iter().filter(|(_, language, _)| ["", "sh", "bash", "console"].contains(&language.as_str()));
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (first, _, block) in shells {
            // A line that ends in a backslash goes on in the next.
            let joined = block.join("\n").replace("\\\n", " ");
            lines.extend((*first..).zip(joined.lines().map(str::to_owned)));
        }
        for (number, text) in page.paragraphs() {
            lines.extend(text.split('`').skip(1).step_by(2).map(|code| (number, code.to_owned())));
        }
        for (number, line) in lines {
            for arguments in command_lines(&line).into_iter().filter(|arguments| !arguments.is_empty()) {
                seen += 1;
                if let Some(mistake) = help.check(&arguments) {
                    let page = path.strip_prefix(root()).unwrap().display().to_string();
                    wrong.push(format!("{page}:{number}: {mistake}: weir {}", arguments.join(" ")));
                }
            }
        }
    }
    assert!(seen > 50, "{seen} commands");
    assert!(wrong.is_empty(), "these cannot be run:\n{}", wrong.join("\n"));
}

#[test]
fn settings_in_the_docs_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("weir.toml");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in pages() {
        for (number, language, lines) in Page::read(&path).blocks {
            let tables = [
                "[listen",
                "[data",
                "[[upstream",
                "[scan",
                "[advisory",
                "[cluster",
                "[report",
                "[auth",
                "[[webhook",
                "[log",
            ];
            let first = lines.iter().find(|line| !line.is_empty() && !line.starts_with('#'));
            // Other programs' settings begin otherwise.
            if language != "toml" || !first.is_some_and(|line| tables.iter().any(|table| line.starts_with(table))) {
                continue;
            }
            seen += 1;
            fs::write(&file, lines.join("\n")).unwrap();
            let output = Weir::command(&[]).args(["config", "check"]).arg(&file).output().unwrap();
            if !output.status.success() {
                let page = path.strip_prefix(root()).unwrap().display().to_string();
                wrong.push(format!("{page}:{number}: {}", String::from_utf8_lossy(&output.stdout)));
            }
        }
    }
    assert!(seen > 2, "{seen} blocks of settings");
    assert!(wrong.is_empty(), "weir does not take these:\n{}", wrong.join("\n"));
}

#[test]
fn systemd_takes_the_unit_and_finds_it_locked_down() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("weir.service");
    let text = fs::read_to_string(root().join("deploy/systemd/weir.service")).unwrap();
    // Programs have to be there for the check.
    fs::write(&unit, text.replace("/usr/local/bin/weir", "/usr/bin/true")).unwrap();
    for arguments in [&["verify"][..], &["security", "--offline=true", "--threshold", MOST_EXPOSURE]] {
        let output = Command::new(tool("systemd-analyze")).args(arguments).arg(&unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
