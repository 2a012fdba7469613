//! Where an archive's directory lies: the record at its end, the larger one of zip64, and what lies before the archive.
//!
//! After PKWARE's APPNOTE 4.3.14 to 4.3.16. The directory ends where its record begins, so its place is counted from there, as Java
//! and Python count it: a script, a `jmod` header or any other bytes may lie before the archive. Where that place holds no
//! directory, the stated one counts.

use memchr::memmem;

use super::directory::SIGNATURE;
use super::{Part, ZipError, ZipFile, u16_at, u32_at, u64_at};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const END64: &[u8] = b"PK\x06\x06";
const END64_BYTES: usize = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
/// The record and the longest comment behind it.
const TAIL: u64 = END_BYTES as u64 + u16::MAX as u64;

/// What a record says.
struct Stated {
    /// Where the record itself begins.
    at: u64,
    entries: (u64, u64),
    bytes: u64,
    offset: u64,
}

/// The archive in `part`, by the last record in it that leads to a directory.
pub(super) fn find(part: Part<'_>) -> Result<ZipFile<'_>, ZipError> {
    let start = part.length().saturating_sub(TAIL);
    let tail = part.slice(start, usize::try_from(part.length() - start).unwrap_or(0))?;
    for at in memmem::rfind_iter(&tail, END) {
        let Some(record) = tail[at..].get(..END_BYTES) else { continue };
        if tail.len() - at - END_BYTES < usize::from(u16_at(record, 20)) {
            continue;
        }
        let stated = Stated {
            at: start + at as u64,
            entries: (u64::from(u16_at(record, 10)), u64::from(u16::MAX)),
            bytes: u64::from(u32_at(record, 12)),
            offset: u64::from(u32_at(record, 16)),
        };
        let larger = is_full(record).then(|| end64(part, stated.at)).transpose()?.flatten();
        if let Some(found) = directory(part, &larger.unwrap_or(stated))? {
            return Ok(found);
        }
    }
    let first = part.slice(0, usize::try_from(part.length().min(2)).unwrap_or(0))?;
    Err(if &*first == b"PK" { ZipError::Malformed("it has no directory at its end") } else { ZipError::NoArchive })
}

/// Whether a record leaves a value to the one of zip64.
fn is_full(record: &[u8]) -> bool {
    u16_at(record, 10) == u16::MAX || u32_at(record, 12) == u32::MAX || u32_at(record, 16) == u32::MAX
}

/// The record of zip64 for the one at `at`: where its locator says, else right before that, which bytes before the
/// archive do not move.
fn end64(part: Part<'_>, at: u64) -> Result<Option<Stated>, ZipError> {
    let Some(locator_at) = at.checked_sub(LOCATOR_BYTES as u64) else { return Ok(None) };
    let locator = part.slice(locator_at, LOCATOR_BYTES)?;
    if !locator.starts_with(LOCATOR) {
        return Ok(None);
    }
    let places = [Some(u64_at(&locator, 8)), locator_at.checked_sub(END64_BYTES as u64)];
    for place in places.into_iter().flatten() {
        let Some(record) = part.narrow(place, END64_BYTES as u64) else { continue };
        let record = record.slice(0, END64_BYTES)?;
        if record.starts_with(END64) {
            return Ok(Some(Stated {
                at: place,
                entries: (u64_at(&record, 32), u64::MAX),
                bytes: u64_at(&record, 40),
                offset: u64_at(&record, 48),
            }));
        }
    }
    Ok(None)
}

/// The archive by what its record says, where that leads to a directory.
fn directory<'a>(part: Part<'a>, stated: &Stated) -> Result<Option<ZipFile<'a>>, ZipError> {
    for start in [stated.at.checked_sub(stated.bytes), Some(stated.offset)].into_iter().flatten() {
        let Some(base) = start.checked_sub(stated.offset) else { continue };
        let Some(directory) = part.narrow(start, stated.bytes) else { continue };
        let holds = match stated.bytes {
            0 => stated.entries.0 == 0,
            _ => {
                directory.narrow(0, SIGNATURE.len() as u64).is_some()
                    && *directory.slice(0, SIGNATURE.len())? == *SIGNATURE
            }
        };
        if holds {
            return Ok(Some(ZipFile { part, directory, base, stated: stated.entries }));
        }
    }
    Ok(None)
}
