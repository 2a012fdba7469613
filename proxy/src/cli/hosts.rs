//! `weir hosts`: containerd's `certs.d` tree, after containerd's docs/hosts.md.
//!
//! Each upstream's own registry stays the `server`, so that a pull goes on when weir does not answer; `--only` names weir
//! there too, so that nothing is pulled past it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use url::Url;

use super::ConfigArgs;

#[derive(Args, Debug)]
pub(super) struct HostsArgs {
    /// Where nodes reach weir, such as http://10.0.0.7:5000.
    #[arg(long, value_name = "URL")]
    mirror: Url,
    /// The directory to write, on nodes usually /etc/containerd/certs.d.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The certificate authority nodes verify weir by; its path as the nodes see it.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The node's name, sent with each request so that pulls can be told apart.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// No way past weir: a pull fails when weir does not answer or refuses.
    #[arg(long)]
    only: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &HostsArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        matches!(args.mirror.scheme(), "http" | "https"),
        "--mirror needs an http or https URL, not {}",
        args.mirror
    );
    anyhow::ensure!(args.mirror.path() == "/", "--mirror takes no path: {}", args.mirror);
    let config = args.config.load()?;
    for upstream in &config.upstreams {
        let directory = args.out.join(&upstream.name);
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let file = directory.join("hosts.toml");
        let text = hosts_toml(args, &upstream.url, &config.cluster.node_header);
        replace(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn hosts_toml(args: &HostsArgs, upstream: &Url, node_header: &str) -> String {
    let mirror = origin(&args.mirror);
    let server = if args.only { mirror.clone() } else { origin(upstream) };
    let mut text = format!("# Written by `weir hosts`.\nserver = {}\n\n[host.{}]\n", quoted(&server), quoted(&mirror));
    text.push_str("  capabilities = [\"pull\", \"resolve\"]\n");
    // A node must not wait half a minute for a mirror that is gone; containerd before 2.0 passes over the key.
    text.push_str("  dial_timeout = \"2s\"\n");
    if let Some(ca) = &args.ca {
        text.push_str(&format!("  ca = {}\n", quoted(&ca.display().to_string())));
    }
    if let Some(node) = &args.node {
        text.push_str(&format!(
            "  [host.{}.header]\n    {} = {}\n",
            quoted(&mirror),
            quoted(node_header),
            quoted(node)
        ));
    }
    text
}

fn origin(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// A node reads these files on every pull: it must never see half of one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let temporary = file.with_extension("toml.new");
    fs::write(&temporary, text)?;
    fs::rename(&temporary, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(mirror: &str) -> HostsArgs {
        HostsArgs {
            mirror: mirror.parse().unwrap(),
            out: PathBuf::new(),
            ca: None,
            node: None,
            only: false,
            config: ConfigArgs::default(),
        }
    }

    #[test]
    fn the_upstream_stays_the_way_out() {
        let text =
            hosts_toml(&args("http://10.0.0.7:5000"), &"https://registry-1.docker.io".parse().unwrap(), "X-Weir-Node");
        assert!(
            text.contains("server = \"https://registry-1.docker.io\"\n\n[host.\"http://10.0.0.7:5000\"]"),
            "{text}"
        );
    }

    #[test]
    fn only_leaves_no_way_past_weir_and_still_has_a_host_for_old_containerd() {
        let mut args = args("https://weir.example:5000");
        (args.only, args.node, args.ca) = (true, Some("node\"1".into()), Some("/etc/weir/ca.pem".into()));
        let text = hosts_toml(&args, &"https://quay.io".parse().unwrap(), "X-Weir-Node");
        assert!(text.contains("server = \"https://weir.example:5000\"") && !text.contains("quay.io"), "{text}");
        assert!(
            text.contains("[host.\"https://weir.example:5000\".header]\n    \"X-Weir-Node\" = \"node\\\"1\""),
            "{text}"
        );
    }
}
