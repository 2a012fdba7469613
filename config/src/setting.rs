//! Owns the list of every setting: its path, the form of its value, its default and one sentence.
//!
//! The defaults here are the only ones: sections read them from this table. The page of settings
//! in the documentation is written from it, and tests keep table, sections and page equal.

/// The form a value is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in quotes.
    Text,
    /// The path of a file or directory; a relative one starts at the file's own directory.
    Path,
    /// An IP address and a port, as in `"127.0.0.1:8080"`.
    Address,
    /// A URL.
    Url,
    /// A URL or a path.
    Source,
    /// An amount of bytes, as in `"100GiB"`.
    Size,
    /// A span of time, as in `"1h30m"`.
    Duration,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
}

impl Form {
    /// The form in a word or two, for documentation.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Address => "address and port",
            Self::Url => "URL",
            Self::Source => "URL or path",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
        }
    }
}

/// What a key is without being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// This value, as it would be written in an environment variable.
    Value(&'static str),
    /// Not set.
    Unset,
    /// Its table is not complete without it.
    Required,
    /// Derived from another key, in words.
    Derived(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The path, with `[]` for the index of a list's entry: `upstream[].url`.
    pub path: &'static str,
    /// The form of its value.
    pub form: Form,
    /// What it is without being written.
    pub default: DefaultValue,
    /// What it does, in one sentence.
    pub about: &'static str,
}

/// Every setting, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    value("listen.mirror", Form::Address, "0.0.0.0:5000", "Where nodes pull images."),
    value("listen.report", Form::Address, "127.0.0.1:8080", "Where API, console, metrics and health answer."),
    required(
        "listen.tls.certificate",
        Form::Path,
        "The certificate chain in PEM for both listeners; read again when the file changes.",
    ),
    required("listen.tls.key", Form::Path, "The certificate's private key in PEM; read again when the file changes."),
    unset(
        "listen.tls.client_ca",
        Form::Path,
        "Certificate authorities in PEM whose certificates nodes may show to `listen.mirror`, to be named as pullers; read again when the file changes.",
    ),
    value("data.directory", Form::Path, "/var/lib/weir", "The one directory that holds everything weir keeps."),
    value(
        "data.blob_budget",
        Form::Size,
        "100GiB",
        "How much disk stored blobs may take before the least recently used leave.",
    ),
    required(
        "upstream[].name",
        Form::Text,
        "What nodes call the registry, a host with or without a port: the `ns` parameter, or the first path segment.",
    ),
    Setting {
        path: "upstream[].url",
        form: Form::Url,
        default: DefaultValue::Derived("known for built-in names"),
        about: "Where the registry answers; `https`, or `http` where the network in between is trusted.",
    },
    value(
        "upstream[].tag_ttl",
        Form::Duration,
        "5m",
        "How long a tag is served without asking the registry whether it moved.",
    ),
    unset("upstream[].username", Form::Text, "The user name to sign in with; needs `password_file`."),
    unset(
        "upstream[].password_file",
        Form::Path,
        "The file that holds the password or token; read again when it changes.",
    ),
    value(
        "upstream[].credential_command",
        Form::List,
        "",
        "A command and its arguments that prints a user name and a password with a lifetime (ECR, GAR, ACR), instead of `username`.",
    ),
    unset(
        "upstream[].ca_file",
        Form::Path,
        "Certificate authorities in PEM that the registry's certificate is checked against, besides the system's; read again when the file changes.",
    ),
    value(
        "upstream[].access",
        Form::Text,
        "shared",
        "`shared`: whoever reaches the mirror may pull; `client`: each client's own credentials are proven upstream before cached bytes are served.",
    ),
    value(
        "upstream[].token_hosts",
        Form::List,
        "",
        "Hosts whose token services are trusted beyond the registry's own domain.",
    ),
    value(
        "upstream[].redirect_hosts",
        Form::List,
        "",
        "Private hosts, addresses or networks the registry may redirect to, such as an internal S3; never link-local ones.",
    ),
    value(
        "scan.max_file_size",
        Form::Size,
        "256MiB",
        "The largest single file inside a layer that is read; an image with a larger package database or lock file is `partial`.",
    ),
    value(
        "scan.fetch_concurrency",
        Form::Number,
        "2",
        "How many layers no client asked for are fetched in the background at once, so that images become complete.",
    ),
    value(
        "scan.fetch_budget",
        Form::Size,
        "20GiB",
        "How many bytes these background fetches may take per hour; 0 turns them off.",
    ),
    value(
        "advisory.source",
        Form::Source,
        "https://osv-vulnerabilities.storage.googleapis.com",
        "Where advisories come from: an OSV bucket, a directory laid out like one, or an artifact of such files in one of the upstreams, as in `oci://registry.example/weir/advisories:latest`.",
    ),
    value(
        "advisory.ecosystems",
        Form::List,
        "",
        "Ecosystems, named as OSV does, that are fetched even before an image needs them.",
    ),
    value("advisory.refresh", Form::Duration, "1h", "How often changed advisories are fetched."),
    value("advisory.stale_after", Form::Duration, "48h", "The age after which advisories are reported as stale."),
    unset(
        "advisory.kev",
        Form::Source,
        "CISA's catalogue of known exploited vulnerabilities, as JSON: a URL or a file.",
    ),
    unset("advisory.epss", Form::Source, "FIRST's exploit prediction scores, as CSV: a URL or a file."),
    unset("advisory.cvss", Form::Source, "CVSS vectors for advisories that carry none: a URL or a file."),
    value("cluster.name", Form::Text, "default", "What this cluster is called in the report."),
    value(
        "cluster.kubernetes",
        Form::Text,
        "auto",
        "`auto`: watches the cluster weir runs in, if it runs in one; `off`; or the path of a kubeconfig.",
    ),
    value(
        "cluster.node_header",
        Form::Text,
        "X-Weir-Node",
        "The request header, set by the nodes' `hosts.toml`, that names the pulling node.",
    ),
    unset(
        "report.public_url",
        Form::Url,
        "Where people reach the report, as in `https://weir.example.org`, if a proxy stands before it; without it, what their requests name. Notifications link to it.",
    ),
    value("report.idle_after", Form::Duration, "30d", "How long after its last use an image is reported as idle."),
    value("report.pull_retention", Form::Duration, "90d", "How long single pulls are remembered."),
    value(
        "report.event_retention",
        Form::Duration,
        "400d",
        "How long events, such as opened and closed findings, are remembered.",
    ),
    value(
        "report.due.critical",
        Form::Duration,
        "7d",
        "The time to fix a critical finding before it is overdue; `off` for none.",
    ),
    value("report.due.high", Form::Duration, "30d", "The time to fix a high finding; `off` for none."),
    value("report.due.medium", Form::Duration, "off", "The time to fix a medium finding; `off` for none."),
    value("report.due.low", Form::Duration, "off", "The time to fix a low finding; `off` for none."),
    value(
        "auth.anonymous",
        Form::Text,
        "auto",
        "What those who do not sign in may do on the report: `none`, `viewer`, `editor`, `administrator`, or `auto`: everything if `listen.report` is a loopback address, nothing elsewhere.",
    ),
    value(
        "auth.protect_metrics",
        Form::Boolean,
        "false",
        "Whether metrics and health need credentials as well, whatever those may do who do not sign in.",
    ),
    value("auth.session_lifetime", Form::Duration, "7d", "How long after signing in people have to sign in again."),
    value("auth.session_idle", Form::Duration, "12h", "How long a session may go unused before it ends."),
    required("auth.oidc.issuer", Form::Url, "The OpenID Connect provider that people sign in with."),
    required("auth.oidc.client_id", Form::Text, "The name the provider knows weir by."),
    unset(
        "auth.oidc.client_secret_file",
        Form::Path,
        "The file that holds the client's secret, if the provider gave one; read again when it changes.",
    ),
    unset(
        "auth.oidc.ca_file",
        Form::Path,
        "Certificate authorities in PEM that the provider's certificate is checked against, instead of the system's; read again when the file changes.",
    ),
    value(
        "auth.oidc.scopes",
        Form::List,
        "profile,email",
        "What the provider is asked for beside `openid`; some send groups only when `groups` is among it.",
    ),
    value(
        "auth.oidc.role_claim",
        Form::Text,
        "groups",
        "The claim of the ID token, a text or a list of texts, that decides the role.",
    ),
    value("auth.oidc.viewers", Form::List, "", "The values of that claim which make a viewer."),
    value("auth.oidc.editors", Form::List, "", "The values which make an editor."),
    value("auth.oidc.administrators", Form::List, "", "The values which make an administrator."),
    required(
        "webhook[].name",
        Form::Text,
        "What the webhook is called in the API, in metrics and to its receiver: letters, digits, `-`, `_` and `.`.",
    ),
    required(
        "webhook[].url",
        Form::Url,
        "Where notifications are sent: `https`, or `http` to a loopback or private address.",
    ),
    value(
        "webhook[].format",
        Form::Text,
        "json",
        "`json`: everything there is to say; `slack`: a message with blocks, as Slack and what is compatible with it take.",
    ),
    unset(
        "webhook[].secret_file",
        Form::Path,
        "The file that holds the key which requests are signed with (HMAC-SHA256); read again at each use.",
    ),
    unset(
        "webhook[].authorization_file",
        Form::Path,
        "The file that holds the value of the `Authorization` header, as in `Bearer …`; read again at each use.",
    ),
    unset(
        "webhook[].ca_file",
        Form::Path,
        "Certificate authorities in PEM that the receiver's certificate is checked against, in place of the system's; read again when the file changes.",
    ),
    value(
        "webhook[].kinds",
        Form::List,
        "opened,rerated,exception_expiring,agent_silent,feed_stale",
        "What is told: findings that `opened`, were `rerated` or `closed`, and `exception_expiring`, `agent_silent`, `feed_stale`.",
    ),
    value(
        "webhook[].severity",
        Form::Text,
        "high",
        "The lowest severity that is told: `critical`, `high`, `medium`, `low`, or `unknown` for all.",
    ),
    value(
        "webhook[].known_exploited",
        Form::Boolean,
        "true",
        "Whether findings that are known to be exploited are told whatever their severity.",
    ),
    value(
        "webhook[].clusters",
        Form::List,
        "",
        "Only what runs in these clusters is told, and their silence; empty for all.",
    ),
    value("webhook[].namespaces", Form::List, "", "Only what runs in these namespaces is told; empty for all."),
    value(
        "webhook[].only_running",
        Form::Boolean,
        "true",
        "Whether findings are told of images that run; of one that does not, they are told when it first runs.",
    ),
    value("webhook[].batch", Form::Duration, "1m", "How long what happens is gathered, to be told together."),
    value("webhook[].expiring_within", Form::Duration, "7d", "How long before its end an exception is told to expire."),
    value(
        "webhook[].retry_for",
        Form::Duration,
        "24h",
        "How long a notification is sent again and again to a receiver that does not take it, before it is dropped.",
    ),
    value(
        "log.level",
        Form::Text,
        "info",
        "`error`, `warn`, `info`, `debug`, `trace` or `off`, or such levels per module, as in `info,weir_proxy=debug`.",
    ),
    value("log.format", Form::Text, "text", "`text` for people, `json` for machines."),
];

impl Setting {
    /// The setting at a path with `[]` for indexes.
    pub fn find(path: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.path == path)
    }
}

const fn value(path: &'static str, form: Form, text: &'static str, about: &'static str) -> Setting {
    Setting { path, form, default: DefaultValue::Value(text), about }
}

const fn unset(path: &'static str, form: Form, about: &'static str) -> Setting {
    Setting { path, form, default: DefaultValue::Unset, about }
}

const fn required(path: &'static str, form: Form, about: &'static str) -> Setting {
    Setting { path, form, default: DefaultValue::Required, about }
}
