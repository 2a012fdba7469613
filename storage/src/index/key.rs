//! Keys whose order as bytes is the order of what they name.
//!
//! Owns the encoding of each component; which components a table's key has is the table's. Invariants: a key
//! orders as the tuple of its components does, the encoding of leading components is a prefix of the whole key and of
//! no other, and decoding gives back what was encoded.
//!
//! | component | bytes |
//! |---|---|
//! | text | UTF-8 with `00` written as `00 ff`, ended by `00 01` |
//! | digest | algorithm (1 sha256, 2 sha512), then its 32 or 64 bytes |
//! | number | 8 bytes, big-endian |
//! | newest first | seconds, sign bit flipped, all bits inverted, big-endian |

use weir_scanner::oci::{Algorithm, Digest, Repository, Tag};

/// A time that orders later before earlier, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewestFirst(pub(crate) i64);

/// Writes components.
pub(crate) trait EncodeKey {
    /// Appends the encoding.
    fn put(&self, out: &mut Vec<u8>);
}

/// Reads components.
pub(crate) trait DecodeKey: Sized {
    /// Takes the encoding from the front; `None` where it is not one.
    fn take(input: &mut &[u8]) -> Option<Self>;
}

/// The bytes of a key or of a prefix of one.
pub(crate) fn encode(components: &(impl EncodeKey + ?Sized)) -> Vec<u8> {
    let mut out = Vec::with_capacity(80);
    components.put(&mut out);
    out
}

/// The components of a whole key.
pub(crate) fn decode<K: DecodeKey>(mut key: &[u8]) -> Option<K> {
    let components = K::take(&mut key)?;
    key.is_empty().then_some(components)
}

const ESCAPED_ZERO: u8 = 0xff;
const END_OF_TEXT: u8 = 0x01;

impl EncodeKey for str {
    fn put(&self, out: &mut Vec<u8>) {
        for byte in self.bytes() {
            out.push(byte);
            if byte == 0 {
                out.push(ESCAPED_ZERO);
            }
        }
        out.extend([0, END_OF_TEXT]);
    }
}

impl DecodeKey for String {
    fn take(input: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            let zero = input.iter().position(|byte| *byte == 0)?;
            text.extend_from_slice(&input[..zero]);
            let mark = *input.get(zero + 1)?;
            *input = &input[zero + 2..];
            match mark {
                ESCAPED_ZERO => text.push(0),
                END_OF_TEXT => return Self::from_utf8(text).ok(),
                _ => return None,
            }
        }
    }
}

impl EncodeKey for Digest {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self.algorithm() {
            Algorithm::Sha256 => 1,
            Algorithm::Sha512 => 2,
        });
        out.extend_from_slice(self.bytes());
    }
}

impl DecodeKey for Digest {
    fn take(input: &mut &[u8]) -> Option<Self> {
        let (name, rest) = input.split_first()?;
        let algorithm = match name {
            1 => Algorithm::Sha256,
            2 => Algorithm::Sha512,
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(algorithm.size())?;
        *input = rest;
        Self::from_bytes(algorithm, value)
    }
}

impl EncodeKey for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}

impl DecodeKey for u64 {
    fn take(input: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = input.split_first_chunk()?;
        *input = rest;
        Some(Self::from_be_bytes(*bytes))
    }
}

const SIGN: u64 = 1 << 63;

impl EncodeKey for NewestFirst {
    fn put(&self, out: &mut Vec<u8>) {
        (!(self.0.cast_unsigned() ^ SIGN)).put(out);
    }
}

impl DecodeKey for NewestFirst {
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self((!u64::take(input)? ^ SIGN).cast_signed()))
    }
}

impl EncodeKey for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl EncodeKey for Repository {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl DecodeKey for Repository {
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::parse(&String::take(input)?).ok()
    }
}

impl EncodeKey for Tag {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl DecodeKey for Tag {
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::parse(&String::take(input)?).ok()
    }
}

impl<T: EncodeKey + ?Sized> EncodeKey for &T {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

macro_rules! tuples {
    ($(($($part:ident $index:tt),+))*) => {$(
        impl<$($part: EncodeKey),+> EncodeKey for ($($part,)+) {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$index.put(out);)+
            }
        }
        impl<$($part: DecodeKey),+> DecodeKey for ($($part,)+) {
            fn take(input: &mut &[u8]) -> Option<Self> {
                Some(($($part::take(input)?,)+))
            }
        }
    )*};
}

tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) }

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_on_disk_are_these() {
        assert_eq!(encode("a\0b"), b"a\x00\xffb\x00\x01");
        assert_eq!(encode(&("a", 1_u64)), b"a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01");
        assert_eq!(encode(&NewestFirst(0)), 0x7fff_ffff_ffff_ffff_u64.to_be_bytes());
        let digest = Digest::of(b"");
        assert_eq!((encode(&digest)[0], encode(&digest).len()), (1, 33));
    }

    #[test]
    fn broken_keys_are_not_decoded() {
        for bad in [b"".as_slice(), b"a", b"a\x00", b"a\x00\x02", b"\xff\x00\x01", b"a\x00\x01more"] {
            assert_eq!(decode::<String>(bad), None, "{bad:?}");
        }
        assert_eq!(decode::<Digest>(&[3; 33]), None);
        assert_eq!(decode::<Digest>(&[1; 32]), None);
        assert_eq!(decode::<u64>(&[1; 7]), None);
        assert_eq!(decode::<Tag>(b"not a tag\x00\x01"), None);
    }

    fn digest() -> impl Strategy<Value = Digest> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|bytes| Digest::from_bytes(Algorithm::Sha256, &bytes).unwrap()),
            any::<([u8; 32], [u8; 32])>()
                .prop_map(|(a, b)| Digest::from_bytes(Algorithm::Sha512, &[a, b].concat()).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn keys_order_and_read_back_as_their_components(
            a in ("[\u{0}-\u{2}a]{0,4}", digest(), any::<u64>()), b in ("[\u{0}-\u{2}a]{0,4}", digest(), any::<u64>()),
        ) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
            prop_assert_eq!(decode::<(String, Digest, u64)>(&encode(&a)), Some(a.clone()));
            prop_assert_eq!(encode(&a).starts_with(&encode(&(&b.0, b.1))), (&a.0, a.1) == (&b.0, b.1));
        }

        #[test]
        fn long_keys_order_and_read_back_too(
            a in proptest::array::uniform5("[\u{0}-\u{2}a]{0,2}"),
            b in proptest::array::uniform5("[\u{0}-\u{2}a]{0,2}"),
        ) {
            let [a, b] = [a, b].map(|[a, b, c, d, e]| (a, b, c, d, e));
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
            prop_assert_eq!(decode::<(String, String, String, String, String)>(&encode(&a)), Some(a));
        }

        #[test]
        fn newer_times_come_first(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(encode(&NewestFirst(a)).cmp(&encode(&NewestFirst(b))), b.cmp(&a));
            prop_assert_eq!(decode::<NewestFirst>(&encode(&NewestFirst(a))), Some(NewestFirst(a)));
        }

        #[test]
        fn any_bytes_are_a_key_or_not_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode::<(String, Digest, u64)>(&bytes);
            let _ = decode::<(Digest, NewestFirst)>(&bytes);
            let _ = decode::<(Repository, Tag)>(&bytes);
            let _ = decode::<((String, String, String, String, String), Digest)>(&bytes);
        }
    }
}
