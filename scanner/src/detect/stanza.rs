//! Lines of `Key: value` text: fields, stanzas between blank lines, folded continuation lines left out.
//!
//! The shape dpkg, apk and Python metadata share. Bytes that are not UTF-8 are replaced, since names and versions are ASCII
//! in all three.

/// The stanzas of a database: runs of lines that are not blank.
pub(crate) fn stanzas(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut lines = lines(bytes);
    std::iter::from_fn(move || {
        let first = lines.find(|line| !line.is_empty())?;
        Some(std::iter::once(first).chain(lines.by_ref().take_while(|line| !line.is_empty())).collect())
    })
}

/// Lines without their ends, Windows' among them.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A line's key and trimmed value; `None` for continuation lines and lines without a colon.
pub(crate) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':').filter(|_| !is_continuation(line))?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// Whether a line goes on with the value above it.
pub(crate) fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// A value as text; `None` where it is empty.
pub(crate) fn text(value: &[u8]) -> Option<String> {
    (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_lie_between_blank_lines() {
        let stanzas: Vec<_> = stanzas(b"\n\na: 1\n b\n\r\n\nc: 2").collect();
        assert_eq!(stanzas, [vec![&b"a: 1"[..], b" b"], vec![b"c: 2"]]);
        assert_eq!((field(b"a: 1 "), field(b" b: 2"), field(b"c")), (Some((&b"a"[..], &b"1"[..])), None, None));
    }
}
