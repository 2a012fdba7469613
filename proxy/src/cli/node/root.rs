//! The host's files, where the host's root is a directory of this process.
//!
//! Invariant: a link of the host leads where it leads on the host, and never out of its root.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

/// Links followed for one path, as Linux does.
const MAX_LINKS: usize = 40;
/// The largest file that is read, in bytes: configurations are small.
const MAX_FILE: u64 = 1 << 20;
/// Entries of one directory that are looked at.
const MAX_ENTRIES: usize = 4_096;

/// Where the host's `/` is.
#[derive(Clone, Debug)]
pub(super) struct HostRoot(PathBuf);

impl HostRoot {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Where the host's `path` is for this process. What is not there yet is where it would be.
    pub(super) fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let mut ahead: VecDeque<OsString> = names(path);
        let mut behind = self.0.clone();
        let mut depth = 0_usize;
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                if depth > 0 {
                    behind.pop();
                    depth -= 1;
                }
                continue;
            }
            let here = behind.join(&name);
            match fs::symlink_metadata(&here) {
                Ok(found) if found.is_symlink() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::other("too many links"));
                    }
                    let target = fs::read_link(&here)?;
                    if target.is_absolute() {
                        behind.clone_from(&self.0);
                        depth = 0;
                    }
                    for name in names(&target).into_iter().rev() {
                        ahead.push_front(name);
                    }
                }
                Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Err(error);
                }
                Ok(_) | Err(_) => {
                    behind = here;
                    depth += 1;
                }
            }
        }
        Ok(behind)
    }

    /// The contents of a file of the host; `None` where there is none.
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let file = match fs::File::open(self.place(path)?) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::other(format!("larger than {MAX_FILE} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The same as text.
    pub(super) fn read_text(&self, path: &Path) -> io::Result<Option<String>> {
        let bytes = self.read(path)?;
        bytes.map(String::from_utf8).transpose().map_err(|_| io::Error::other("not UTF-8"))
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.place(path).is_ok_and(|place| fs::symlink_metadata(place).is_ok())
    }

    /// Whether a file that is not there may be on the node all the same, since its directory is not mounted here.
    pub(super) fn may_hide(&self, path: &Path) -> bool {
        self.0 != Path::new("/") && !path.parent().is_some_and(|parent| self.has(parent))
    }

    /// Whether `path` is a directory.
    pub(super) fn is_directory(&self, path: &Path) -> bool {
        self.place(path).is_ok_and(|place| place.is_dir())
    }

    /// The names in a directory in order; none where it cannot be read.
    pub(super) fn names_in(&self, directory: &Path) -> Vec<String> {
        let Some(entries) = self.place(directory).ok().and_then(|place| fs::read_dir(place).ok()) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.take(MAX_ENTRIES).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The host's paths that a pattern of Go's `filepath.Glob` matches, in order.
    pub(super) fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from("/")];
        for part in names(pattern) {
            let part = part.to_string_lossy();
            let mut next = Vec::new();
            for directory in found {
                if part.contains(['*', '?', '[']) {
                    let names = self.names_in(&directory).into_iter().filter(|name| matches(&part, name));
                    next.extend(names.map(|name| directory.join(name)));
                } else if self.has(&directory.join(&*part)) {
                    next.push(directory.join(&*part));
                }
            }
            next.truncate(MAX_ENTRIES);
            found = next;
        }
        found
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Whether a name matches a pattern of `*`, `?` and `[a-z]`.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut characters = name.chars();
    match first {
        '*' => name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..])),
        '?' => characters.next().is_some() && matches(rest, characters.as_str()),
        '[' => {
            let Some((class, rest)) = rest.split_once(']') else { return false };
            let (negated, class) = class.strip_prefix('^').map_or((false, class), |class| (true, class));
            let Some(c) = characters.next() else { return false };
            within(class, c) != negated && matches(rest, characters.as_str())
        }
        literal => characters.next() == Some(literal) && matches(rest, characters.as_str()),
    }
}

fn within(class: &str, c: char) -> bool {
    let class: Vec<char> = class.chars().collect();
    let mut at = 0;
    while at < class.len() {
        if class.get(at + 1) == Some(&'-') && at + 2 < class.len() {
            if (class[at]..=class[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else if class[at] == c {
            return true;
        } else {
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_where_they_lead_on_the_host() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for made in ["run/containerd", "var", "opt/etc"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        fs::write(root.join("run/containerd/s"), "here").unwrap();
        symlink("/run", root.join("var/run")).unwrap();
        symlink("../opt/./etc", root.join("var/etc")).unwrap();
        symlink("../../../../../../etc", root.join("out")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let host = HostRoot::new(root.to_owned());
        let place = |path: &str| host.place(Path::new(path)).unwrap();
        assert_eq!(place("/var/run/containerd/s"), root.join("run/containerd/s"));
        assert_eq!(place("/var/etc/new/file"), root.join("opt/etc/new/file"));
        assert_eq!(place("/out/passwd"), root.join("etc/passwd"));
        assert_eq!(place("/../../etc"), root.join("etc"));
        assert!(host.place(Path::new("/loop/x")).is_err());
        assert_eq!(host.read_text(Path::new("/var/run/containerd/s")).unwrap().as_deref(), Some("here"));
        assert_eq!(host.read(Path::new("/run/containerd/s/below")).unwrap(), None);
        assert_eq!(host.read(Path::new("/nowhere")).unwrap(), None);
    }

    #[test]
    fn what_is_not_mounted_may_be_there_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("etc/containerd")).unwrap();
        let host = HostRoot::new(directory.path().to_owned());
        assert!(host.may_hide(Path::new("/usr/share/ca.pem")));
        assert!(!host.may_hide(Path::new("/etc/containerd/ca.pem")));
        assert!(!HostRoot::new("/".into()).may_hide(Path::new("/nowhere/at/all")));
    }

    #[test]
    fn patterns_match_as_go_s_do() {
        for (pattern, name, matched) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("*", "", true),
            ("a*c*", "abcd", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[0-9][0-9]-*.toml", "10-weir.toml", true),
            ("[0-9]x", "ax", false),
            ("[^a]x", "bx", true),
            ("[ab", "a", false),
        ] {
            assert_eq!(matches(pattern, name), matched, "{pattern} {name}");
        }
        let directory = tempfile::tempdir().unwrap();
        for made in ["etc/a.d", "etc/b.d"] {
            fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        for file in ["etc/b.d/2.toml", "etc/a.d/1.toml", "etc/a.d/3.txt"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let host = HostRoot::new(directory.path().to_owned());
        let found = host.glob(Path::new("/etc/*.d/*.toml"));
        assert_eq!(found, [Path::new("/etc/a.d/1.toml"), Path::new("/etc/b.d/2.toml")]);
        assert!(host.glob(Path::new("/etc/none/*.toml")).is_empty());
    }
}
