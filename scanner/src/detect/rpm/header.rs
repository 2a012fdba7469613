//! One package's header: an index of tags over a store of values.
//!
//! The layout is `lib/header.c`'s of rpm: two big-endian counts, sixteen bytes for each tag, the store. A tag may stand twice,
//! in the immutable region and behind it; rpm lets the later one count.

use super::container::u32_be;

/// Bytes of a tag in the index: tag, type, offset and count.
const ENTRY_BYTES: usize = 16;

/// Values of `rpmTag`.
pub(super) mod tag {
    pub(crate) const NAME: u32 = 1000;
    pub(crate) const VERSION: u32 = 1001;
    pub(crate) const RELEASE: u32 = 1002;
    pub(crate) const EPOCH: u32 = 1003;
    pub(crate) const VENDOR: u32 = 1011;
    pub(crate) const ARCH: u32 = 1022;
    pub(crate) const OLD_FILE_NAMES: u32 = 1027;
    pub(crate) const SOURCE_RPM: u32 = 1044;
    pub(crate) const DIR_INDEXES: u32 = 1116;
    pub(crate) const BASE_NAMES: u32 = 1117;
    pub(crate) const DIR_NAMES: u32 = 1118;
    pub(crate) const MODULARITY_LABEL: u32 = 5096;
}

/// Values of `rpmTagType`.
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// A header whose counts fit its bytes.
pub(super) struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the counts; `None` where they do not fit.
    pub(super) fn parse(blob: &'a [u8]) -> Option<Self> {
        let tags = usize::try_from(u32_be(blob, 0)?).ok()?;
        let bytes = usize::try_from(u32_be(blob, 4)?).ok()?;
        let (index, store) = blob.get(8..)?.split_at_checked(tags.checked_mul(ENTRY_BYTES)?)?;
        Some(Self { index, store: store.get(..bytes)? })
    }

    /// The first text of a tag.
    pub(super) fn text(&self, tag: u32) -> Option<&'a [u8]> {
        let (kind, _, values) = self.values(tag)?;
        let text = matches!(kind, STRING | STRING_ARRAY | I18N_STRING).then_some(values)?;
        Some(&text[..memchr::memchr(0, text)?])
    }

    /// The texts of a tag; ends early where the store does.
    pub(super) fn texts(&self, tag: u32) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        let (kind, count, mut values) = self.values(tag)?;
        let next = move || {
            let end = memchr::memchr(0, values)?;
            let text = &values[..end];
            values = &values[end + 1..];
            Some(text)
        };
        matches!(kind, STRING | STRING_ARRAY).then(|| std::iter::from_fn(next).take(count))
    }

    /// The numbers of a tag; `None` where the store ends before.
    pub(super) fn numbers(&self, tag: u32) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (kind, count, values) = self.values(tag)?;
        let values = values.get(..count.checked_mul(4)?).filter(|_| kind == INT32)?;
        Some(values.as_chunks().0.iter().map(|number| u32::from_be_bytes(*number)))
    }

    /// How many values a tag states; none where it is missing.
    pub(super) fn count(&self, tag: u32) -> usize {
        self.values(tag).map_or(0, |(_, count, _)| count)
    }

    /// Type, count and the store from the first value on.
    fn values(&self, tag: u32) -> Option<(u32, usize, &'a [u8])> {
        let entry = self.index.as_chunks::<ENTRY_BYTES>().0.iter().rfind(|entry| u32_be(&entry[..], 0) == Some(tag))?;
        let (kind, offset, count) = (u32_be(entry, 4)?, u32_be(entry, 8)?, u32_be(entry, 12)?);
        Some((kind, usize::try_from(count).ok()?, self.store.get(usize::try_from(offset).ok()?..)?))
    }
}

/// Builds headers in tests.
#[cfg(test)]
#[derive(Default)]
pub(super) struct HeaderBuilder {
    index: Vec<u8>,
    store: Vec<u8>,
}

#[cfg(test)]
impl HeaderBuilder {
    pub(super) fn package(name: &str, version: &str, release: &str) -> Self {
        Self::default().text(tag::NAME, name).text(tag::VERSION, version).text(tag::RELEASE, release)
    }

    pub(super) fn text(self, tag: u32, text: &str) -> Self {
        self.value(tag, STRING, 1, &[text.as_bytes(), b"\0"].concat())
    }

    pub(super) fn texts(self, tag: u32, texts: &[&str]) -> Self {
        let bytes: Vec<u8> = texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect();
        self.value(tag, STRING_ARRAY, u32::try_from(texts.len()).unwrap(), &bytes)
    }

    pub(super) fn numbers(self, tag: u32, numbers: &[u32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.value(tag, INT32, u32::try_from(numbers.len()).unwrap(), &bytes)
    }

    pub(super) fn value(mut self, tag: u32, kind: u32, count: u32, bytes: &[u8]) -> Self {
        for number in [tag, kind, u32::try_from(self.store.len()).unwrap(), count] {
            self.index.extend(number.to_be_bytes());
        }
        self.store.extend_from_slice(bytes);
        self
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let tags = u32::try_from(self.index.len() / ENTRY_BYTES).unwrap().to_be_bytes();
        let bytes = u32::try_from(self.store.len()).unwrap().to_be_bytes();
        [&tags[..], &bytes, &self.index, &self.store].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_two_values_counts() {
        let blob = HeaderBuilder::package("a", "1", "2").text(tag::NAME, "b").build();
        assert_eq!(Header::parse(&blob).unwrap().text(tag::NAME), Some(&b"b"[..]));
    }

    #[test]
    fn lying_counts_offsets_and_types_are_missing_values() {
        let blob = HeaderBuilder::default()
            .value(1, INT32, u32::MAX, &[0; 4])
            .value(2, STRING_ARRAY, u32::MAX, b"a\0b\0")
            .value(3, STRING, 1, b"no end")
            .build();
        let header = Header::parse(&blob).unwrap();
        assert!(header.numbers(1).is_none() && header.text(1).is_none() && header.text(3).is_none());
        assert_eq!(header.texts(2).unwrap().count(), 2);
        assert!(header.texts(3).unwrap().next().is_none() && header.texts(4).is_none());
        let mut far = blob.clone();
        far[16..20].copy_from_slice(&[0xff; 4]);
        assert!(Header::parse(&far).unwrap().numbers(1).is_none());
        for end in 0..blob.len() {
            assert!(Header::parse(&blob[..end]).is_none(), "{end}");
        }
        for counts in [[0xff; 8], [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]] {
            assert!(Header::parse(&[&counts[..], &[0; 64]].concat()).is_none());
        }
    }
}
