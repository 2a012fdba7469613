//! The flattener that composition is compared with: a small file system in memory that takes layers entry by entry, as umoci's
//! extractor does, every link followed for real. Naive on purpose, and itself compared with umoci here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use weir_scanner::fixture::{ImageBuilder, LayerBuilder};

use crate::cases;
use crate::support::run;

/// An entry of a layer's tar, its path cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File(String, String),
    Directory(String),
    Symlink(String, String),
    Hardlink(String, String),
    Whiteout(String),
    Opaque(String),
}

/// What an extractor refuses, and so breaks the image.
#[derive(Debug)]
pub(crate) struct Refused;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File(String),
    Directory,
    Symlink(String),
}

/// A file system by paths without links in their directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSystem {
    pub(crate) nodes: BTreeMap<String, Node>,
    /// What the layer now applied brought, and the directories above.
    upper: BTreeSet<String>,
}

impl FileSystem {
    /// From here on entries belong to a new layer.
    pub(crate) fn next_layer(&mut self) {
        self.upper.clear();
    }

    /// Applies one entry of the current layer.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), Refused> {
        match entry {
            Entry::Opaque(directory) => {
                let directory = self.resolve(directory)?;
                if !directory.is_empty() && self.nodes.get(&directory) != Some(&Node::Directory) {
                    return Err(Refused);
                }
                self.nodes.retain(|path, _| !is_below(path, &directory) || self.upper.contains(path));
            }
            Entry::Whiteout(path) => {
                let hidden = self.place(path)?;
                let is_there = |path: &String| *path == hidden || is_below(path, &hidden);
                self.nodes.retain(|path, _| !is_there(path) || self.upper.contains(path));
            }
            Entry::Directory(path) => {
                let path = self.place(path)?;
                self.make_room(&path)?;
                if self.nodes.get(&path) != Some(&Node::Directory) {
                    self.put(path, Node::Directory);
                } else {
                    self.touch(path);
                }
            }
            Entry::File(path, content) => self.put_new(path, Node::File(content.clone()))?,
            Entry::Symlink(path, target) => self.put_new(path, Node::Symlink(target.clone()))?,
            Entry::Hardlink(path, target) => {
                let (place, target) = (self.place(path)?, self.place(target)?);
                if place == target || is_below(&target, &place) {
                    return Err(Refused);
                }
                match self.nodes.get(&target).cloned() {
                    None | Some(Node::Directory) => return Err(Refused),
                    Some(node) => self.put_new(path, node)?,
                }
            }
        }
        Ok(())
    }

    /// Where an entry of this path lies: links in its directories are followed.
    pub(crate) fn place(&self, path: &str) -> Result<String, Refused> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(join(&self.resolve(directory)?, name))
    }

    /// The path with every link followed.
    fn resolve(&self, path: &str) -> Result<String, Refused> {
        let mut at = String::new();
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut followed = 0;
        while let Some(component) = rest.pop() {
            if component.is_empty() || component == "." {
                continue;
            }
            if component == ".." {
                at = at.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
                continue;
            }
            let next = join(&at, &component);
            let Some(Node::Symlink(target)) = self.nodes.get(&next) else {
                at = next;
                continue;
            };
            followed += 1;
            if followed > 40 {
                return Err(Refused);
            }
            if target.starts_with('/') {
                at.clear();
            }
            rest.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(at)
    }

    /// Makes the directories above a place.
    fn make_room(&mut self, place: &str) -> Result<(), Refused> {
        let ends: Vec<usize> = place.match_indices('/').map(|(at, _)| at).collect();
        for directory in ends.iter().map(|end| &place[..*end]) {
            match self.nodes.get(directory) {
                None => drop(self.nodes.insert(directory.to_owned(), Node::Directory)),
                Some(Node::Directory) => {}
                Some(_) => return Err(Refused),
            }
        }
        Ok(())
    }

    fn put_new(&mut self, path: &str, node: Node) -> Result<(), Refused> {
        let place = self.place(path)?;
        self.make_room(&place)?;
        self.put(place, node);
        Ok(())
    }

    fn put(&mut self, place: String, node: Node) {
        self.nodes.retain(|path, _| !is_below(path, &place));
        self.nodes.insert(place.clone(), node);
        self.touch(place);
    }

    fn touch(&mut self, place: String) {
        let mut path = place.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            self.upper.insert(parent.to_owned());
            path = parent;
        }
        self.upper.insert(place);
    }

    /// The whole tree as one layer.
    pub(crate) fn layer(&self) -> LayerBuilder {
        self.nodes.iter().fold(LayerBuilder::new(), |layer, (path, node)| match node {
            Node::File(content) => layer.file(path, content),
            Node::Directory => layer.dir(path),
            Node::Symlink(target) => layer.symlink(path, target),
        })
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The layer's tar.
pub(crate) fn tar(entries: &[Entry]) -> LayerBuilder {
    entries.iter().fold(LayerBuilder::new(), |layer, entry| match entry {
        Entry::File(path, content) => layer.file(path, content),
        Entry::Directory(path) => layer.dir(path),
        Entry::Symlink(path, target) => layer.symlink(path, target),
        Entry::Hardlink(path, target) => layer.hardlink(path, target),
        Entry::Whiteout(path) => layer.whiteout(path),
        Entry::Opaque(directory) => layer.opaque(directory),
    })
}

/// What lies in a folder on disk.
fn on_disk(root: &Path, folder: &str, found: &mut FileSystem) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = join(folder, entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        let node = if kind.is_dir() {
            on_disk(root, &path, found);
            Node::Directory
        } else if kind.is_symlink() {
            Node::Symlink(std::fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned())
        } else {
            Node::File(std::fs::read_to_string(entry.path()).unwrap())
        };
        found.nodes.insert(path, node);
    }
}

/// Writes an image into an OCI layout and returns its entry for the layout's index.
fn write_image(layout: &Path, name: &str, layers: &[Vec<Entry>]) -> String {
    let image = layers.iter().fold(ImageBuilder::new(), |image, layer| image.layer(tar(layer).plain())).build();
    let write = |digest: &weir_scanner::oci::Digest, bytes: &[u8]| {
        std::fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    };
    write(&image.config_digest, &image.config);
    write(&image.manifest_digest, &image.manifest);
    for layer in &image.layers {
        write(&layer.digest, &layer.bytes);
    }
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#,
        image.manifest_digest,
        image.manifest.len()
    )
}

#[test]
fn the_flattener_agrees_with_umoci() {
    const CASES: usize = 300;
    let folder = TempDir::new().unwrap();
    let layout = folder.path().join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let mut runner = TestRunner::deterministic();
    let images: Vec<_> = (0..CASES).map(|_| cases::layers().new_tree(&mut runner).unwrap().current()).collect();
    let mut manifests = String::new();
    for (number, layers) in images.iter().enumerate() {
        let entry = write_image(&layout, &format!("case{number}"), layers);
        write!(manifests, "{}{entry}", if number == 0 { "" } else { "," }).unwrap();
    }
    std::fs::write(layout.join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{manifests}]}}"#)).unwrap();
    for (number, layers) in images.iter().enumerate() {
        let root = folder.path().join(format!("root{number}"));
        let image = format!("{}:case{number}", layout.display());
        run("umoci", &["raw", "unpack", "--rootless", "--image", &image, root.to_str().unwrap()]);
        let mut unpacked = FileSystem::default();
        on_disk(&root, "", &mut unpacked);
        assert_eq!(cases::flattened(layers).nodes, unpacked.nodes, "{layers:#?}");
    }
}
