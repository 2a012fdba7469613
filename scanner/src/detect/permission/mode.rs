//! Programs that run with their owner's or group's rights, and programs that anyone may replace: by mode bits alone.

use super::push;
use crate::content::Buffers;
use crate::detect::{FactList, FileHead, Watch, Watcher, base_name};
use crate::finding::Severity;
use crate::layer::parent;

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const ANY_EXECUTES: u32 = 0o111;
/// A setgid bit without it marks mandatory locking and gives no rights.
const GROUP_EXECUTES: u32 = 0o010;
const OTHERS_WRITE: u32 = 0o002;

/// Programs that distributions ship so because they cannot work otherwise, sorted.
const USUAL: [&str; 38] = [
    "at",
    "bsd-write",
    "bwrap",
    "chage",
    "chfn",
    "chsh",
    "crontab",
    "dbus-daemon-launch-helper",
    "dotlockfile",
    "expiry",
    "fusermount",
    "fusermount3",
    "gpasswd",
    "locate",
    "mail-lock",
    "mail-touchlock",
    "mail-unlock",
    "mlocate",
    "mount",
    "mount.cifs",
    "mount.nfs",
    "newgidmap",
    "newgrp",
    "newuidmap",
    "pam_timestamp_check",
    "passwd",
    "ping",
    "pkexec",
    "polkit-agent-helper-1",
    "ssh-agent",
    "ssh-keysign",
    "su",
    "sudo",
    "umount",
    "unix_chkpwd",
    "utempter",
    "wall",
    "write",
];

/// Folders of the usual PATH.
const PROGRAMS: [&str; 6] = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"];

/// Sees the mode of every file.
pub(crate) struct Modes;

impl Watcher for Modes {
    fn name(&self) -> &'static str {
        "mode"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let special = file.mode & (SETUID | SETGID | OTHERS_WRITE);
        if special == 0 {
            return None;
        }
        let usual = USUAL.binary_search(&base_name(file.path)).is_ok() && is_system(file.path);
        let severity = if usual { Severity::Low } else { Severity::Medium };
        let kind = if usual { ", as distributions ship it" } else { "" };
        let mode = file.mode & 0o7777;
        if special & SETUID != 0 && file.mode & ANY_EXECUTES != 0 {
            push(facts, "setuid-file", severity, format!("runs with its owner's rights (mode {mode:04o}){kind}"), None);
        }
        if special & SETGID != 0 && file.mode & GROUP_EXECUTES != 0 {
            push(facts, "setgid-file", severity, format!("runs with its group's rights (mode {mode:04o}){kind}"), None);
        }
        if special & OTHERS_WRITE != 0 && PROGRAMS.contains(&parent(file.path)) {
            let detail = format!("anyone may replace this program (mode {mode:04o})");
            push(facts, "world-writable-program", Severity::High, detail, None);
        }
        None
    }
}

/// Whether a path is where distributions put programs.
fn is_system(path: &str) -> bool {
    ["bin/", "sbin/", "lib/", "lib64/", "usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/", "usr/libexec/"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Fact;

    fn found(path: &str, mode: u32) -> Vec<(String, Severity)> {
        let mut facts = FactList::new(1 << 20);
        let file = FileHead { path, mode, size: 1, head: b"x" };
        assert!(Modes.watch(&file, &Buffers::default(), &mut facts).is_none());
        let risk = |fact| if let Fact::Risk(risk) = fact { (risk.rule, risk.severity) } else { panic!("{fact:?}") };
        facts.into_parts().0.into_iter().map(risk).collect()
    }

    #[test]
    fn modes_tell_what_a_program_may() {
        assert!(USUAL.is_sorted());
        for (path, mode, rules) in [
            ("usr/bin/passwd", 0o104_755, vec![("setuid-file", Severity::Low)]),
            ("opt/app/passwd", 0o4755, vec![("setuid-file", Severity::Medium)]),
            ("usr/bin/app", 0o6755, vec![("setuid-file", Severity::Medium), ("setgid-file", Severity::Medium)]),
            ("usr/bin/app", 0o2644, vec![]),
            ("usr/bin/app", 0o4644, vec![]),
            ("usr/bin/app", 0o777, vec![("world-writable-program", Severity::High)]),
            ("usr/bin/a/app", 0o777, vec![]),
            ("usr/bin/app", 0o755, vec![]),
        ] {
            let expected: Vec<_> = rules.into_iter().map(|(rule, severity)| (rule.to_owned(), severity)).collect();
            assert_eq!(found(path, mode), expected, "{path} {mode:o}");
        }
    }
}
