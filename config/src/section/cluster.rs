//! Owns `[cluster]`: which cluster is watched and what it is called.

use std::path::PathBuf;

use crate::problem::quoted;
use crate::reader::Table;

/// The watched cluster.
#[derive(Clone, Debug)]
pub struct ClusterSection {
    /// Its name in the report: up to 63 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// How it is reached.
    pub kubernetes: Kubernetes,
    /// The request header that names the pulling node; a valid field name (RFC 9110, 5.1).
    pub node_header: String,
}

/// How the cluster's API is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kubernetes {
    /// By the service account of the pod weir runs in; no cluster if it runs in none.
    Auto,
    /// No cluster is watched.
    Off,
    /// By this kubeconfig file.
    Kubeconfig(PathBuf),
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<ClusterSection> {
    let name = table.text("name", name);
    let base = table.base();
    let kubernetes = table.text("kubernetes", |text| match text {
        "auto" => Ok(Kubernetes::Auto),
        "off" => Ok(Kubernetes::Off),
        // A misspelt word would otherwise be taken for a file of that name.
        word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => Err(format!(
            "expected \"auto\", \"off\" or the path of a kubeconfig, found {}; a file of that name is \"./{word}\"",
            quoted(text)
        )),
        path => Ok(Kubernetes::Kubeconfig(base.join(path))),
    });
    let node_header = table.text("node_header", header_name);
    Some(ClusterSection { name: name?, kubernetes: kubernetes?, node_header: node_header? })
}

fn name(text: &str) -> Result<String, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 63 && text.chars().all(valid) {
        return Ok(text.to_owned());
    }
    Err(format!("expected at most 63 letters, digits, '-', '_' and '.', found {}", quoted(text)))
}

fn header_name(text: &str) -> Result<String, String> {
    // The characters of a token, RFC 9110 section 5.6.2.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.len() <= 100 && text.chars().all(token) {
        return Ok(text.to_owned());
    }
    Err(format!("expected the name of a header, found {}", quoted(text)))
}
