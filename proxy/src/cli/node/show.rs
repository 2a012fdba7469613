//! A checked node as text for people.

use std::fmt::Write as _;

use super::check::Checked;
use super::finding::Level;
use crate::report::columns;

/// Who, what was read, each registry, then each finding; wide lines are the terminal's to break.
pub(super) fn table(checked: &Checked) -> String {
    let mut text = String::new();
    let unknown = || "unknown".to_owned();
    let files: Vec<String> = checked.config_files.iter().map(|file| file.display().to_string()).collect();
    let path = match (&checked.config_path, &checked.config_path_form) {
        (Some(path), Some(form)) => format!("{path} ({form})"),
        _ => "not set".to_owned(),
    };
    for (name, value) in [
        ("node", checked.node.clone().unwrap_or_else(unknown)),
        ("containerd", checked.version.clone().unwrap_or_else(unknown)),
        ("configuration", if files.is_empty() { "none".to_owned() } else { files.join(", ") }),
        ("config_path", path),
        ("mirror", checked.mirror.clone().unwrap_or_else(unknown)),
        ("through weir", if checked.through_weir { "yes" } else { "no" }.to_owned()),
    ] {
        let _ = writeln!(text, "{name:<14} {value}");
    }
    if !checked.registries.is_empty() {
        let mut table = columns(&["REGISTRY", "FILE", "CONTAINERD", "ASKS"], &[]);
        for registry in &checked.registries {
            table.add_row([
                registry.registry.clone(),
                registry.file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string()),
                registry.state.name().to_owned(),
                registry.asks.join(", then "),
            ]);
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        let _ = writeln!(text, "\n{}", lines.join("\n"));
    }
    text.push('\n');
    for finding in &checked.findings {
        let _ = writeln!(text, "{}: {}: {}", finding.level.name(), finding.code.name(), finding.detail);
    }
    let errors = checked.findings.iter().filter(|finding| finding.level == Level::Error).count();
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let _ = match (errors, checked.findings.len() - errors) {
        (0, 0) => writeln!(text, "nothing is wrong"),
        (errors, warnings) => writeln!(text, "{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    text
}
