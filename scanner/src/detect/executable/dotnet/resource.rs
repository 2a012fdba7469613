//! The version a PE file's resources state, after Microsoft's "PE Format" and `VS_VERSIONINFO`.

use crate::detect::executable::format::Fields;

/// `RT_VERSION`.
const VERSION: u32 = 16;
/// The bit of an entry that leads to a further directory.
const DIRECTORY: u32 = 0x8000_0000;
/// Bytes of `VS_VERSIONINFO` before its children: header, key and the numbers.
const CHILDREN: usize = 92;
/// Longest value kept, in UTF-16 units.
const MAX_VALUE: usize = 256;

/// What is of interest among a version's strings; empty where it is not stated.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VersionStrings {
    pub(super) product_name: String,
    pub(super) product_version: String,
    pub(super) original_filename: String,
    pub(super) internal_name: String,
}

/// The strings of the first version in resources that are mapped at an address.
pub(super) fn version_strings(resources: &[u8], address: u32) -> Option<VersionStrings> {
    let fields = Fields { bytes: resources, big: false };
    let kind = entries(&fields, 0).find(|(id, _)| *id == VERSION)?.1;
    let name = entries(&fields, subdirectory(kind)?).next()?.1;
    let data = entries(&fields, subdirectory(name)?).next()?.1;
    let data = usize::try_from(data).ok()?;
    let start = usize::try_from(fields.u32(data)?.checked_sub(address)?).ok()?;
    let size = usize::try_from(fields.u32(data + 4)?).ok()?;
    let info = resources.get(start..)?;
    Some(strings(&info[..info.len().min(size)]))
}

fn subdirectory(offset: u32) -> Option<usize> {
    (offset & DIRECTORY != 0).then(|| usize::try_from(offset & !DIRECTORY).ok()).flatten()
}

/// Names or numbers of a directory's entries, and where they lead.
fn entries<'a>(fields: &'a Fields<'a>, directory: usize) -> impl Iterator<Item = (u32, u32)> + 'a {
    let count = |at| fields.u16(directory + at).map_or(0, usize::from);
    let at = move |index: usize| directory + 16 + 8 * index;
    (0..count(12) + count(14)).map_while(move |index| Some((fields.u32(at(index))?, fields.u32(at(index) + 4)?)))
}

/// The strings of the first table.
fn strings(info: &[u8]) -> VersionStrings {
    let mut found = VersionStrings::default();
    let children = Blocks::new(info, CHILDREN).find(|block| block.key == "StringFileInfo");
    let table = children.and_then(|block| Blocks::new(block.bytes, block.value).next());
    for string in table.into_iter().flat_map(|table| Blocks::new(table.bytes, table.value)) {
        let field = match &*string.key {
            "ProductName" => &mut found.product_name,
            "ProductVersion" => &mut found.product_version,
            "OriginalFilename" => &mut found.original_filename,
            "InternalName" => &mut found.internal_name,
            _ => continue,
        };
        *field = text(string.bytes.get(string.value..).unwrap_or_default());
    }
    found
}

/// UTF-16 up to its NUL.
fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).take(MAX_VALUE);
    char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
}

/// Blocks that follow each other, each with a length, a key and a value or further blocks.
struct Blocks<'a> {
    bytes: &'a [u8],
    at: usize,
}

struct Block<'a> {
    key: String,
    bytes: &'a [u8],
    /// Where the value or the first further block begins.
    value: usize,
}

impl<'a> Blocks<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let rest = self.bytes.get(self.at..)?;
        let length = usize::from(Fields { bytes: rest, big: false }.u16(0)?);
        // A block holds its own header, so every round moves on.
        let bytes = rest.get(..length).filter(|bytes| bytes.len() >= 8)?;
        self.at = (self.at + length).next_multiple_of(4);
        let key = text(&bytes[6..]);
        let value = (6 + 2 * (key.encode_utf16().count() + 1)).next_multiple_of(4);
        Some(Block { key, bytes, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn block(key: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = [&[0; 6][..], &wide(key)].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(value);
        let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
        bytes[..2].copy_from_slice(&length);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// Resources at 0x2000 with one version, its strings in two tables' worth of blocks.
    fn resources(strings: &[(&str, &str)]) -> Vec<u8> {
        let strings: Vec<u8> = strings.iter().flat_map(|(key, value)| block(key, &wide(value))).collect();
        let files = block("StringFileInfo", &block("000004b0", &strings));
        let info = block("VS_VERSION_INFO", &[&[0; 52][..], &block("VarFileInfo", &[]), &files].concat());
        let directory = |id: u32, to: u32| [&[0; 14][..], &[1, 0], &id.to_le_bytes(), &to.to_le_bytes()].concat();
        let data = [0x2000_u32 + 88, u32::try_from(info.len()).unwrap(), 0, 0];
        let data: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
        let tree = [directory(16, DIRECTORY | 24), directory(1, DIRECTORY | 48), directory(0, 72), data].concat();
        [tree, info].concat()
    }

    #[test]
    fn a_version_s_strings_are_read() {
        let found =
            version_strings(&resources(&[("ProductVersion", "1.2.3"), ("A", "b"), ("InternalName", "x.dll")]), 0x2000);
        let found = found.unwrap();
        assert_eq!((&*found.product_version, &*found.internal_name, &*found.product_name), ("1.2.3", "x.dll", ""));
    }

    proptest! {
        #[test]
        fn no_bytes_make_resources_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = resources(&[("ProductVersion", "1.2.3"), ("InternalName", "x.dll")]);
            for (index, byte) in flips {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(end.index(bytes.len()) + 1);
            version_strings(&bytes, 0x2000);
        }
    }
}
