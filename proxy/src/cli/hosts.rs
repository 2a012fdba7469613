//! `weir hosts`: containerd's `certs.d` tree, after containerd's docs/hosts.md.
//!
//! Each upstream's own registry stays the `server`, so that a pull goes on when weir does not answer; `--only` names weir
//! there too, so that nothing is pulled past it.

use std::fs;
use std::io::{self, Write as _};
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
    check_mirror(&args.mirror)?;
    let config = args.config.load()?;
    let hosts = Hosts {
        mirror: &args.mirror,
        ca: args.ca.as_deref(),
        node: args.node.as_deref(),
        node_header: &config.cluster.node_header,
        only: args.only,
    };
    for upstream in &config.upstreams {
        let directory = args.out.join(&upstream.name);
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let file = directory.join("hosts.toml");
        replace(&file, hosts.text(&upstream.url).as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether nodes can be sent to this URL.
pub(super) fn check_mirror(mirror: &Url) -> anyhow::Result<()> {
    anyhow::ensure!(matches!(mirror.scheme(), "http" | "https"), "--mirror needs an http or https URL, not {mirror}");
    anyhow::ensure!(mirror.path() == "/", "--mirror takes no path: {mirror}");
    Ok(())
}

/// What every `hosts.toml` of one node says.
pub(super) struct Hosts<'a> {
    /// Where the node reaches weir.
    pub(super) mirror: &'a Url,
    /// The authority weir is verified by; its path as the node sees it.
    pub(super) ca: Option<&'a Path>,
    /// The node's name, and the header it is sent in.
    pub(super) node: Option<&'a str>,
    pub(super) node_header: &'a str,
    /// No way past weir.
    pub(super) only: bool,
}

impl Hosts<'_> {
    /// The file for the registry that answers at `upstream`.
    pub(super) fn text(&self, upstream: &Url) -> String {
        let mirror = origin(self.mirror);
        let server = if self.only { mirror.clone() } else { origin(upstream) };
        let mut text =
            format!("# Written by `weir hosts`.\nserver = {}\n\n[host.{}]\n", quoted(&server), quoted(&mirror));
        text.push_str("  capabilities = [\"pull\", \"resolve\"]\n");
        // A node must not wait half a minute for a mirror that is gone; containerd before 2.0 passes over the key.
        text.push_str("  dial_timeout = \"2s\"\n");
        if let Some(ca) = self.ca {
            text.push_str(&format!("  ca = {}\n", quoted(&ca.display().to_string())));
        }
        if let Some(node) = self.node {
            text.push_str(&format!(
                "  [host.{}.header]\n    {} = {}\n",
                quoted(&mirror),
                quoted(self.node_header),
                quoted(node)
            ));
        }
        text
    }
}

/// A URL as `hosts.toml` names it.
pub(super) fn origin(url: &Url) -> String {
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

/// A node reads these files on every pull: it must never see half of one, nor an empty one after the power failed.
pub(super) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = file.with_extension("weir-new");
    let mut written = fs::File::create(&temporary)?;
    written.write_all(text)?;
    written.sync_all()?;
    fs::rename(&temporary, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(mirror: &Url) -> Hosts<'_> {
        Hosts { mirror, ca: None, node: None, node_header: "X-Weir-Node", only: false }
    }

    #[test]
    fn the_upstream_stays_the_way_out() {
        let mirror = "http://10.0.0.7:5000".parse().unwrap();
        let text = hosts(&mirror).text(&"https://registry-1.docker.io".parse().unwrap());
        assert!(
            text.contains("server = \"https://registry-1.docker.io\"\n\n[host.\"http://10.0.0.7:5000\"]"),
            "{text}"
        );
    }

    #[test]
    fn only_leaves_no_way_past_weir_and_still_has_a_host_for_old_containerd() {
        let mirror = "https://weir.example:5000".parse().unwrap();
        let ca = Path::new("/etc/weir/ca.pem");
        let hosts = Hosts { only: true, node: Some("node\"1"), ca: Some(ca), ..hosts(&mirror) };
        let text = hosts.text(&"https://quay.io".parse().unwrap());
        assert!(text.contains("server = \"https://weir.example:5000\"") && !text.contains("quay.io"), "{text}");
        assert!(
            text.contains("[host.\"https://weir.example:5000\".header]\n    \"X-Weir-Node\" = \"node\\\"1\""),
            "{text}"
        );
    }
}
