//! Settings read from the disk.

use std::fs;
use std::path::Path;

use weir_config::{LoadError, load};

#[test]
fn a_file_is_named_as_given_and_its_directory_is_the_base() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.toml");
    fs::write(&path, "[data]\ndirectory = \"data\"\n").unwrap();
    let checked = load(Some(&path), []).unwrap();
    assert_eq!(checked.config.unwrap().data.directory, directory.path().join("data"));

    fs::write(&path, "\n[dat]\n").unwrap();
    let checked = load(Some(&path), []).unwrap();
    assert_eq!(checked.mistakes[0].to_string(), format!("{}:2: dat: unknown key; did you mean data?", path.display()));
}

#[test]
fn without_a_file_there_are_defaults_and_variables() {
    let variables = [("WEIR_LOG__LEVEL".to_owned(), "debug".to_owned())];
    let checked = load(None, variables).unwrap();
    assert_eq!(checked.config.unwrap().log.level, "debug");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.toml");
    assert!(matches!(load(Some(&path), []), Err(LoadError::Read { .. })));
    assert!(matches!(load(Some(Path::new(directory.path())), []), Err(LoadError::Read { .. })));
    fs::write(&path, b"# ok\n# \xff\n").unwrap();
    assert!(matches!(load(Some(&path), []), Err(LoadError::NotText { line: 2, .. })));
    fs::write(&path, vec![b'\n'; (1 << 20) + 1]).unwrap();
    assert!(matches!(load(Some(&path), []), Err(LoadError::TooLarge { .. })));
}
