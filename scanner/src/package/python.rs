//! Names of Python distributions.

/// A name as PEP 503 normalises it: lowercase, and each run of `-`, `_` and `.` is one `-`.
pub(crate) fn python_name(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '-' | '_' | '.' if normalised.ends_with('-') => {}
            '-' | '_' | '.' => normalised.push('-'),
            other => normalised.push(other.to_ascii_lowercase()),
        }
    }
    normalised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_case_do_not_count() {
        for (name, normalised) in [("Zope.Interface__x", "zope-interface-x"), ("a-_-b", "a-b"), ("six", "six")] {
            assert_eq!(python_name(name), normalised);
        }
    }
}
