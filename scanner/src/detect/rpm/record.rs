//! A row of an SQLite table: serial types of its columns, then their values ("Record Format").

/// Serial type and bytes of a record's column.
pub(super) fn column(record: &[u8], index: usize) -> Option<(u64, &[u8])> {
    let (header_bytes, _) = varint(record)?;
    let (header, mut body) = record.split_at_checked(usize::try_from(header_bytes).ok()?)?;
    let (_, mut kinds) = varint(header)?;
    for left in (0..=index).rev() {
        let (kind, rest) = varint(kinds)?;
        kinds = rest;
        let (value, rest) = body.split_at_checked(value_bytes(kind)?)?;
        body = rest;
        if left == 0 {
            return Some((kind, value));
        }
    }
    None
}

/// How many bytes a value of a serial type has.
fn value_bytes(kind: u64) -> Option<usize> {
    Some(match kind {
        0 | 8 | 9 => 0,
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((kind - 12) / 2).ok()?,
    })
}

/// Whether a serial type is of bytes.
pub(super) fn is_blob(kind: u64) -> bool {
    kind >= 12 && kind.is_multiple_of(2)
}

/// A column that is text.
pub(super) fn text(record: &[u8], index: usize) -> Option<&[u8]> {
    column(record, index).filter(|(kind, _)| *kind >= 13 && !kind.is_multiple_of(2)).map(|(_, value)| value)
}

/// A whole number that is not negative.
pub(super) fn integer(kind: u64, value: &[u8]) -> Option<u64> {
    match kind {
        8 => Some(0),
        9 => Some(1),
        1..=6 if value.first()? & 0x80 == 0 => {
            Some(value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        _ => None,
    }
}

/// A number of one to nine bytes, and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        if index == 8 {
            return Some((number << 8 | u64::from(*byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        assert_eq!(varint(&[0x7f, 1]), Some((127, &[1][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 10]), Some((u64::MAX, &[0xff][..])));
        assert_eq!((varint(&[]), varint(&[0x80; 8])), (None, None));
    }

    #[test]
    fn columns_are_found_behind_each_other_and_not_outside() {
        // A header of five bytes: null, 16 bits, one letter, three bytes.
        let record = [5, 0, 2, 15, 18, 1, 2, b'a', 7, 8, 9];
        assert_eq!((column(&record, 0), column(&record, 3)), (Some((0, &[][..])), Some((18, &[7, 8, 9][..]))));
        assert_eq!(column(&record, 1).and_then(|(kind, value)| integer(kind, value)), Some(0x102));
        assert_eq!((text(&record, 2), text(&record, 3), column(&record, 4)), (Some(&b"a"[..]), None, None));
        for end in 0..record.len() {
            assert!(column(&record[..end], 3).is_none(), "{end}");
        }
        assert_eq!((integer(1, &[0xff]), integer(9, &[]), integer(7, &[0; 8])), (None, Some(1), None));
    }
}
