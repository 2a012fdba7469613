//! One HTTP `Range` header, after RFC 9110 section 14.
//!
//! Owns the step from the header's bytes to the bytes of a blob, and nothing else: it sees neither a blob nor a
//! response. One range is honoured. A header that asks for several, for another unit, or that cannot be read is
//! ignored, as section 14.2 allows, so that the client gets the whole blob with 200: correct for every client, and
//! what zstd:chunked readers accept. An inverted range is answered as unsatisfiable, which section 14.2 allows and the
//! OCI conformance suite asks for.

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// Everything: there was no header, or one that is to be ignored.
    Whole,
    /// `a-`: from this byte to the end.
    From(u64),
    /// `a-b`: from the first byte to the last, both included.
    Between(u64, u64),
    /// `-n`: this many bytes at the end.
    Suffix(u64),
}

/// What a request means for a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The whole blob: 200.
    Whole,
    /// The bytes `start..end`, at least one: 206 with `Content-Range: bytes start-(end - 1)/length`.
    Part {
        /// The first byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// No byte of the blob: 416 with `Content-Range: bytes */length`.
    Unsatisfiable,
    /// It depends on the blob's length, which is not known yet: wait for it.
    NeedsLength,
}

impl RangeRequest {
    /// Reads the value of a `Range` header. Never fails: what cannot be honoured is [`RangeRequest::Whole`].
    pub fn parse(header: &[u8]) -> Self {
        Self::parse_single(header).unwrap_or(Self::Whole)
    }

    fn parse_single(header: &[u8]) -> Option<Self> {
        let equals = header.iter().position(|byte| *byte == b'=')?;
        let (unit, set) = (&header[..equals], &header[equals + 1..]);
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        // A list may hold empty elements, RFC 9110 section 5.6.1.
        let mut specs = set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty());
        let spec = specs.next()?;
        if specs.next().is_some() {
            return None;
        }
        let dash = spec.iter().position(|byte| *byte == b'-')?;
        match (&spec[..dash], &spec[dash + 1..]) {
            ([], last) => Some(Self::Suffix(number(last)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => Some(Self::Between(number(first)?, number(last)?)),
        }
    }

    /// Applies the request to a blob of `length` bytes, `None` while the length is not known.
    pub fn resolve(self, length: Option<u64>) -> Resolved {
        let Some(length) = length else {
            return match self {
                // Without a length there is no Content-Range to send; from byte 0 to the end is also the whole.
                Self::Whole | Self::From(0) => Resolved::Whole,
                Self::Between(first, last) if last < first => Resolved::Unsatisfiable,
                Self::Suffix(0) => Resolved::Unsatisfiable,
                Self::From(_) | Self::Between(..) | Self::Suffix(_) => Resolved::NeedsLength,
            };
        };
        let (start, end) = match self {
            Self::Whole => return Resolved::Whole,
            // An empty blob has no byte to name in a Content-Range, yet its "last n bytes" exist: none.
            Self::Suffix(1..) if length == 0 => return Resolved::Whole,
            Self::From(first) => (first, length),
            Self::Between(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Suffix(count) => (length.saturating_sub(count), length),
        };
        if start < end { Resolved::Part { start, end } } else { Resolved::Unsatisfiable }
    }
}

/// A decimal number; one too large for 64 bits lies past the end of every blob, as `u64::MAX` does.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_mean_what_the_table_says() {
        let part = |start, end| Resolved::Part { start, end };
        let table: [(&str, Resolved); 21] = [
            ("bytes=0-", part(0, 10)),
            ("bytes=3-", part(3, 10)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 5)),
            ("Bytes=2-4", part(2, 5)),
            ("bytes= 2-4 ,", part(2, 5)),
            ("bytes=2-99999999999999999999999", part(2, 10)),
            ("bytes=-1", part(9, 10)),
            ("bytes=-99", part(0, 10)),
            ("bytes=10-", Resolved::Unsatisfiable),
            ("bytes=4-2", Resolved::Unsatisfiable),
            ("bytes=-0", Resolved::Unsatisfiable),
            ("bytes=99999999999999999999999-", Resolved::Unsatisfiable),
            ("bytes=0-1,4-5", Resolved::Whole),
            ("bytes=", Resolved::Whole),
            ("bytes=-", Resolved::Whole),
            ("bytes=a-b", Resolved::Whole),
            ("bytes=1-2-3", Resolved::Whole),
            ("bytes 1-2", Resolved::Whole),
            ("items=0-1", Resolved::Whole),
            ("", Resolved::Whole),
        ];
        for (header, expected) in table {
            assert_eq!(RangeRequest::parse(header.as_bytes()).resolve(Some(10)), expected, "{header:?}");
        }
    }

    #[test]
    fn an_empty_blob_has_no_part() {
        assert_eq!(RangeRequest::From(0).resolve(Some(0)), Resolved::Unsatisfiable);
        assert_eq!(RangeRequest::Suffix(5).resolve(Some(0)), Resolved::Whole);
        assert_eq!(RangeRequest::Suffix(0).resolve(Some(0)), Resolved::Unsatisfiable);
    }

    #[test]
    fn without_a_length_only_the_whole_can_start() {
        assert_eq!(RangeRequest::From(0).resolve(None), Resolved::Whole);
        assert_eq!(RangeRequest::From(1).resolve(None), Resolved::NeedsLength);
        assert_eq!(RangeRequest::Between(0, 5).resolve(None), Resolved::NeedsLength);
        assert_eq!(RangeRequest::Suffix(5).resolve(None), Resolved::NeedsLength);
        assert_eq!(RangeRequest::Between(5, 0).resolve(None), Resolved::Unsatisfiable);
    }

    #[test]
    fn a_part_always_lies_within_the_blob() {
        for length in 0..6 {
            for first in 0..8 {
                for last in 0..8 {
                    for request in
                        [RangeRequest::From(first), RangeRequest::Between(first, last), RangeRequest::Suffix(last)]
                    {
                        if let Resolved::Part { start, end } = request.resolve(Some(length)) {
                            assert!(start < end && end <= length, "{request:?} of {length}");
                        }
                    }
                }
            }
        }
    }
}
