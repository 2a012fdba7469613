//! The import arrows: which crate may use which, and which module of this crate stands above which.

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn crates_import_downward_only() {
    for (name, allowed) in
        [("config", &[][..]), ("scanner", &[]), ("storage", &["scanner"]), ("proxy", &["config", "storage", "scanner"])]
    {
        let root = workspace().join(name);
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let files: Vec<String> =
            sources(&root.join("src")).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert!(!files.is_empty());
        for other in ["config", "scanner", "storage", "proxy"] {
            if other == name || allowed.contains(&other) {
                continue;
            }
            assert!(!manifest.contains(&format!("weir-{other}")), "{name}'s manifest names weir-{other}");
            assert!(!files.iter().any(|text| text.contains(&format!("weir_{other}::"))), "{name} imports weir-{other}");
        }
    }
}

/// Top to bottom; modules in one row do not import each other.
const ROWS: [&[&str]; 9] = [
    &["cli"],
    &["app"],
    &["distribution", "report", "admin"],
    &["advisory", "notify", "workload"],
    &["scan"],
    &["pull", "oidc"],
    &["upstream"],
    &["auth", "http", "metrics", "tasks"],
    &["clock"],
];

#[test]
fn modules_of_the_proxy_import_downward_only() {
    let root = workspace().join("proxy/src");
    let row = |module: &str| ROWS.iter().position(|row| row.contains(&module));
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).unwrap();
        let first =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if first == "lib" || first == "main" {
            continue;
        }
        let own = row(&first).unwrap_or_else(|| panic!("{first} has no place in the order of modules"));
        for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (_, rest) in line.match_indices("crate::").map(|(at, found)| line.split_at(at + found.len())) {
                let used: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let Some(other) = row(&used) else { continue };
                // The lowest row's modules serve each other: a listener counts, a task is timed.
                let lowest = own == other && own >= 7;
                assert!(used == first || other > own || lowest, "{}: {first} imports {used}", relative.display());
            }
        }
    }
}
