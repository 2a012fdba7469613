//! The page of settings: written from the list of settings, and kept equal to it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use weir_config::{BUILT_IN, DefaultValue, Form, SETTINGS, Setting};

const INTRODUCTION: &str = "\
# Settings

<!-- Written from the list in config/src/setting.rs; `WEIR_UPDATE_DOCS=1 cargo test --release -p weir-config` writes it anew. -->

weir reads its settings from the file named by `--config`. Nothing has to be set: without a file
the defaults below hold. A *required* key is one that its table, if written, is not complete
without. Unknown keys are mistakes. `weir config check FILE` reports every mistake at once, with its
key and line, and warns of what is allowed but risky.

**Variables.** Each key can be set by an environment variable: `WEIR_`, then the path in capitals
with `__` between its parts. `WEIR_LISTEN__TLS__KEY` is `listen.tls.key`; an entry of a list is
named by its index, counted from 0, so `WEIR_UPSTREAM__0__URL` is the `url` of the first
`[[upstream]]`. A variable wins over the file and changes nothing else. Variables that begin with
`WEIR_` and hold `__` must name a setting; others are ignored.

**Forms.** A *size* is a whole number with a unit: `\"512MB\"`, `\"100GiB\"`; without one it counts
bytes. A *duration* needs units from large to small: `\"30d\"`, `\"1h30m\"`, `\"250ms\"` (w, d, h, m,
s, ms). A *list* is a TOML array of texts; in a variable also texts separated by commas. A relative
*path* starts at the directory of the settings file.
";

const UPSTREAM: &str = "\
One table for each registry. Any entry replaces the whole built-in list:
";

const WEBHOOK: &str = "\
One table for each receiver of notifications; [notifications.md](notifications.md) tells what is sent.
";

const OIDC: &str = "\
Lets people sign in with an OpenID Connect provider. Without this table, tokens are the only
credentials.
";

const TLS: &str = "\
Serves both listeners over TLS. Without this table they speak plain HTTP.
";

#[test]
fn the_page_of_settings_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = page();
    if std::env::var_os("WEIR_UPDATE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/configuration.md differs from the list of settings; write it anew with WEIR_UPDATE_DOCS=1"
    );
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut section = "";
    for setting in SETTINGS {
        let (table, key) = setting.path.rsplit_once('.').unwrap();
        if table != section {
            section = table;
            head(&mut page, table);
        }
        writeln!(page, "| `{key}` | {} | {} | {} |", setting.form.words(), default(setting), setting.about).unwrap();
    }
    page
}

fn head(page: &mut String, table: &str) {
    match table.strip_suffix("[]") {
        Some(list) => writeln!(page, "\n## `[[{list}]]`").unwrap(),
        None => writeln!(page, "\n## `[{table}]`").unwrap(),
    }
    match table {
        "upstream[]" => {
            writeln!(page, "\n{UPSTREAM}").unwrap();
            for (name, url) in BUILT_IN {
                writeln!(page, "- `{name}` at `{url}`").unwrap();
            }
        }
        "webhook[]" => write!(page, "\n{WEBHOOK}").unwrap(),
        "auth.oidc" => write!(page, "\n{OIDC}").unwrap(),
        "listen.tls" => write!(page, "\n{TLS}").unwrap(),
        _ => {}
    }
    page.push_str("\n| key | form | default | what it is |\n|---|---|---|---|\n");
}

/// A default as it would be written in the file.
fn default(setting: &Setting) -> String {
    match setting.default {
        DefaultValue::Value(text) if setting.form == Form::List => {
            let items: Vec<_> =
                text.split(',').filter(|item| !item.is_empty()).map(|item| format!("\"{item}\"")).collect();
            format!("`[{}]`", items.join(", "))
        }
        DefaultValue::Value(text) => match setting.form {
            Form::Number | Form::Boolean => format!("`{text}`"),
            _ => format!("`\"{text}\"`"),
        },
        DefaultValue::Unset => "none".to_owned(),
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Derived(words) => words.to_owned(),
    }
}
