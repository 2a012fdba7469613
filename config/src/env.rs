//! Owns the overrides by environment: `WEIR_LISTEN__MIRROR` stands for `listen.mirror`, and
//! `WEIR_UPSTREAM__0__URL` for the `url` of the first `[[upstream]]`.
//!
//! The variables come from the caller. Names that begin with `WEIR_` and hold `__` must be known
//! keys; names without `__` are left alone, because Kubernetes itself sets `WEIR_PORT` and its
//! like for a service of that name. A variable changes one value, replaces nothing else, and its
//! text takes the type that its key needs.

use crate::file::{Node, Origin, Value};
use crate::problem::Problem;
use crate::setting::{Form, SETTINGS, Setting};
use crate::suggest::nearest;

const PREFIX: &str = "WEIR_";
const SEPARATOR: &str = "__";

/// One step of a path: a table's key or a list's index. Indexes order as numbers, so that the
/// entries of a list are added in turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

/// Lays the variables that name settings over the tree and returns the mistakes in them.
pub(crate) fn overlay(root: &mut Node, variables: impl IntoIterator<Item = (String, String)>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut overrides: Vec<(Vec<Step>, String, String)> = Vec::new();
    for (name, text) in variables {
        if !name.starts_with(PREFIX) || !name.contains(SEPARATOR) {
            continue;
        }
        match steps(&name) {
            Ok(steps) => overrides.push((steps, name, text)),
            Err(message) => problems.push(problem(String::new(), name, message)),
        }
    }
    overrides.sort();
    for (steps, name, text) in overrides {
        if let Err(message) = set(root, &steps, &name, text) {
            problems.push(problem(path(&steps), name, message));
        }
    }
    problems
}

/// The path that a variable's name stands for, if it is the path of a setting.
fn steps(name: &str) -> Result<Vec<Step>, String> {
    let unknown = || {
        let known: Vec<String> = SETTINGS.iter().map(variable).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("no such setting; did you mean {near}?"),
            None => "no such setting".to_owned(),
        }
    };
    let written = &name[PREFIX.len()..];
    let steps: Vec<Step> = written
        .split(SEPARATOR)
        .map(|part| match index(part) {
            Some(index) => Step::Index(index),
            None => Step::Key(part.to_ascii_lowercase()),
        })
        .collect();
    let shape = shape(&steps);
    let inside =
        |setting: &&Setting| setting.path.strip_prefix(&shape).is_some_and(|rest| rest.starts_with(['.', '[']));
    if !SETTINGS.iter().any(|setting| setting.takes(&shape)) {
        return Err(match SETTINGS.iter().find(inside) {
            Some(setting) => format!("{shape} is a section, set its keys one by one, as in {}", variable(setting)),
            None => unknown(),
        });
    }
    // Two spellings of one key could disagree, so there is only one.
    if written != written.to_ascii_uppercase() {
        return Err(format!("expected {}", name.to_ascii_uppercase()));
    }
    Ok(steps)
}

/// The index that a part of a name stands for: digits without leading zeros.
fn index(part: &str) -> Option<usize> {
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = part == "0" || !part.starts_with('0');
    if digits && canonical { part.parse().ok() } else { None }
}

/// The variable of a setting, with 0 for every index.
fn variable(setting: &Setting) -> String {
    let path = setting.path.replace("[]", ".0").replace('.', SEPARATOR);
    format!("{PREFIX}{}", path.to_ascii_uppercase())
}

/// The path with its indexes erased, as the table of settings writes it.
fn shape(steps: &[Step]) -> String {
    written(steps, |_| "[]".to_owned())
}

/// The path as messages write it.
fn path(steps: &[Step]) -> String {
    written(steps, |index| format!("[{index}]"))
}

fn written(steps: &[Step], index: impl Fn(usize) -> String) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(number) => path.push_str(&index(*number)),
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
        }
    }
    path
}

/// Puts a variable's text where its path leads, adding tables and the next entry of a list.
fn set(root: &mut Node, steps: &[Step], name: &str, text: String) -> Result<(), String> {
    let origin = || Origin::Variable(name.to_owned());
    let mut node = root;
    for (depth, step) in steps.iter().enumerate() {
        // What a missing value becomes depends on the step that follows it.
        let missing = || Node {
            origin: origin(),
            value: match steps.get(depth + 1) {
                Some(Step::Index(_)) => Value::List(Vec::new()),
                Some(Step::Key(_)) => Value::Table(std::collections::BTreeMap::new()),
                None => Value::Untyped(String::new()),
            },
        };
        node = match (step, &mut node.value) {
            (Step::Key(key), Value::Table(entries)) => entries.entry(key.clone()).or_insert_with(missing),
            (Step::Index(index), Value::List(items)) => {
                if *index > items.len() {
                    return Err(format!(
                        "the list has {} entries before it, so the next index is {}",
                        items.len(),
                        items.len()
                    ));
                }
                if *index == items.len() {
                    items.push(missing());
                }
                &mut items[*index]
            }
            (_, value) => {
                return Err(format!("cannot be set, because {} is {}", path(&steps[..depth]), value.described()));
            }
        };
    }
    *node = Node { origin: origin(), value: Value::Untyped(text) };
    Ok(())
}

fn problem(key: String, variable: String, message: String) -> Problem {
    Problem { key, place: None, variable: Some(variable), message }
}

impl Setting {
    /// Whether a path with erased indexes is this setting, or an element of it if it is a list.
    fn takes(&self, shape: &str) -> bool {
        shape == self.path || (self.form == Form::List && shape.strip_suffix("[]") == Some(self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let mut root = file::parse("weir.toml", text).unwrap();
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        overlay(&mut root, variables).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_without_a_separator_belong_to_others() {
        let kubernetes = [
            ("WEIR_PORT", "tcp://10.0.0.1:5000"),
            ("WEIR_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
            ("MY__KEY", "1"),
        ];
        assert_eq!(problems("", &kubernetes), Vec::<String>::new());
    }

    #[test]
    fn unknown_names_are_mistakes_with_a_suggestion() {
        assert_eq!(
            problems(
                "",
                &[
                    ("WEIR_LISTEN__MIROR", "x"),
                    ("WEIR_LISTEN__TLS", "x"),
                    ("WEIR_listen__mirror", "x"),
                    ("WEIR_UPSTREAM__00__URL", "x"),
                    ("WEIR__", "x"),
                ]
            ),
            [
                "WEIR_LISTEN__MIROR: no such setting; did you mean WEIR_LISTEN__MIRROR?",
                "WEIR_LISTEN__TLS: listen.tls is a section, set its keys one by one, as in WEIR_LISTEN__TLS__CERTIFICATE",
                "WEIR_listen__mirror: expected WEIR_LISTEN__MIRROR",
                "WEIR_UPSTREAM__00__URL: no such setting; did you mean WEIR_UPSTREAM__0__URL?",
                "WEIR__: no such setting",
            ]
        );
    }

    #[test]
    fn entries_of_a_list_follow_each_other() {
        let names: Vec<String> = (0..12).map(|i| format!("WEIR_UPSTREAM__{i}__NAME")).collect();
        let twelve: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(problems("", &twelve), Vec::<String>::new());
        assert_eq!(
            problems("[[upstream]]\n", &[("WEIR_UPSTREAM__2__NAME", "x")]),
            ["WEIR_UPSTREAM__2__NAME: upstream[2].name: the list has 1 entries before it, so the next index is 1"]
        );
    }

    #[test]
    fn a_path_through_a_plain_value_is_a_mistake() {
        assert_eq!(
            problems("listen = 3\n", &[("WEIR_LISTEN__MIRROR", "x")]),
            ["WEIR_LISTEN__MIRROR: listen.mirror: cannot be set, because listen is a number"]
        );
    }
}
