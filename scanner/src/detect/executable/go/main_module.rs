//! The version of a program's own module, where Go itself knows none.
//!
//! A program built from a checkout is `(devel)` before Go 1.24. Its makers mostly hand a version to the linker (`-X
//! main.version=1.2.3`), and the flags are in the build info unless paths were trimmed. Without them the module
//! is not named: the version that Go makes up from a commit (`v0.0.0-…`) comes before every release, so each
//! advisory the module ever had would match.

/// Longest value taken for a version.
const MAX_VERSION: usize = 128;

/// The version given to the linker for the main module of a build. Variables of package `main` count before those of the module's
/// other packages, those before any other; of several versions none is taken.
pub(super) fn linked_version<'a>(list: &'a str, module: &str) -> Option<&'a str> {
    let flags = list.lines().find_map(|line| line.strip_prefix("build\t-ldflags="))?;
    let mut best: Option<(u8, Option<&str>)> = None;
    for (name, value) in variables(flags) {
        let Some((package, _)) = name.rsplit_once('.').filter(|(_, variable)| is_version_name(variable)) else {
            continue;
        };
        if !is_version(value) {
            continue;
        }
        let rank = match package {
            "main" => 0,
            _ if package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) => 1,
            _ => 2,
        };
        best = match best {
            Some((known, _)) if known < rank => best,
            Some((known, version)) if known == rank && version != Some(value) => Some((rank, None)),
            _ => Some((rank, Some(value))),
        };
    }
    best.and_then(|(_, version)| version)
}

/// Names and values of the flags' `-X NAME=VALUE`, whatever quotes stand around them.
fn variables(flags: &str) -> impl Iterator<Item = (&str, &str)> {
    let quote = |c: char| matches!(c, '"' | '\'' | '\\');
    let words = flags.split([' ', '\t']).map(move |word| word.trim_matches(quote)).filter(|word| !word.is_empty());
    let mut after_flag = false;
    words.filter_map(move |word| {
        let stated = match word.strip_prefix("-X").or_else(|| word.strip_prefix("--X")) {
            Some("") => {
                after_flag = true;
                return None;
            }
            Some(joined) => Some(joined.trim_start_matches('=').trim_matches(quote)),
            None => after_flag.then_some(word),
        };
        after_flag = false;
        let (name, value) = stated?.split_once('=')?;
        Some((name, value.trim_matches(quote)))
    })
}

/// `version`, `Version`, `appVersion`, `ver`; not Go's own.
fn is_version_name(variable: &str) -> bool {
    let variable = variable.to_ascii_lowercase();
    (variable.ends_with("version") || variable == "ver") && !variable.ends_with("goversion")
}

/// `v1.2.3` with or without its `v`, and what may follow it.
fn is_version(value: &str) -> bool {
    let number = value.strip_prefix('v').unwrap_or(value);
    let core = number.split(['-', '+']).next().unwrap_or("");
    let parts = core.split('.');
    value.len() <= MAX_VERSION
        && (2..=4).contains(&parts.clone().count())
        && parts.clone().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+_~".contains(&byte))
        && !number.starts_with("0.0.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_s_flags_name_the_version() {
        for (flags, found) in [
            ("-s -w -X main.version=1.2.3 -X main.commit=abc", Some("1.2.3")),
            (r#""-s -X 'github.com/a/b/pkg/version.Version=v2.0.1' -X main.goVersion=1.20.1""#, Some("v2.0.1")),
            ("-X=main.Version=v1.2.3-rc.1", Some("v1.2.3-rc.1")),
            (r#""-X \"main.Version=1.2.3\" -w""#, Some("1.2.3")),
            ("-X github.com/other/lib.Version=9.9.9 -X github.com/a/b.version=1.2.3", Some("1.2.3")),
            ("-X github.com/other/lib.Version=9.9.9", Some("9.9.9")),
            ("-X main.version=1.2.3 -X main.appVersion=1.2.4", None),
            ("-X main.version=1.2.3 -X main.appVersion=1.2.3", Some("1.2.3")),
            ("-X main.version=dev -X main.commit=1.2.3", None),
            ("-X main.version=0.0.0-dev", None),
            ("main.version=1.2.3", None),
            ("-s -w", None),
        ] {
            let list = format!("path\tgithub.com/a/b\nbuild\t-compiler=gc\nbuild\t-ldflags={flags}\n");
            assert_eq!(linked_version(&list, "github.com/a/b"), found, "{flags}");
        }
    }
}
