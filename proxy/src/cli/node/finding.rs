//! What is wrong with a node: a level, a word for programs, a sentence for people.

use clap::ValueEnum;
use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Pulls fail, or go past weir.
    Error,
    /// Something to know, or what is an error with some versions of containerd where this one's is unknown.
    Warning,
}

/// What is wrong. `docs/nodes.md` says of each what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(super) enum Code {
    CaMissing,
    CertsDMissing,
    CertsDNotRead,
    ClientCertificateMissing,
    ConfigMissing,
    ConfigPathElsewhere,
    ConfigPathList,
    ConfigPathMissing,
    ConfigRefused,
    ContainerdUnreachable,
    DefaultDirectory,
    DeprecatedBesideConfigPath,
    DirectoryShadowed,
    FileChanged,
    FileMissing,
    ForeignFile,
    HostKeyNotQuoted,
    HostWithoutScheme,
    HostsTomlInvalid,
    MirrorNotFirst,
    MirrorUnreachable,
    NotSetUp,
    PauseImageNeedsWeir,
    RelativePath,
    ServerOnly,
    SetupFailed,
    UnknownCapability,
    UnknownKey,
    UpstreamMissing,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) code: Code,
    /// Which file and key, what containerd makes of it, what helps.
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn error(code: Code, detail: impl Into<String>) -> Self {
        Self { level: Level::Error, code, detail: detail.into() }
    }

    pub(super) fn warning(code: Code, detail: impl Into<String>) -> Self {
        Self { level: Level::Warning, code, detail: detail.into() }
    }
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Code {
    /// The word, as JSON has it.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_word_and_the_manual_says_what_to_do() {
        let manual = include_str!("../../../../docs/nodes.md");
        for code in Code::value_variants() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert!(manual.contains(&format!("| `{}` |", code.name())), "docs/nodes.md lacks {}", code.name());
        }
    }
}
