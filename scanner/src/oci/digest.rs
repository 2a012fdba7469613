//! Content digests, as the OCI image specification's descriptor chapter defines them.
//!
//! Owns parsing, printing and computing. A [`Digest`] in hand is always a registered algorithm with a value of the
//! right length, so it can name a file or a key without further checks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// A registered digest algorithm. The specification registers these two for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `sha256`, 32 bytes.
    Sha256,
    /// `sha512`, 64 bytes.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a value in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A verified-by-name content digest such as `sha256:6c3c…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The first `algorithm.size()` bytes count; the rest are zero.
    value: [u8; 64],
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// There is no `algorithm:` before the value.
    #[error("a digest needs the form algorithm:hex")]
    Form,
    /// The algorithm is not one of the registered ones.
    #[error("digest algorithm {0:?} is not supported (sha256 and sha512 are)")]
    Algorithm(String),
    /// The value is not lowercase hex of the algorithm's length.
    #[error("a {algorithm} digest needs {expected} lowercase hex digits")]
    Value {
        /// The algorithm's name.
        algorithm: &'static str,
        /// Digits it needs.
        expected: usize,
    },
}

impl Digest {
    /// Parses `algorithm:hex`, the only form the specification allows. This is the one way from text to a digest.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let (name, hex) = text.split_once(':').ok_or(InvalidDigest::Form)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(InvalidDigest::Algorithm(other.chars().take(40).collect())),
        };
        let invalid = InvalidDigest::Value { algorithm: algorithm.name(), expected: algorithm.size() * 2 };
        if hex.len() != algorithm.size() * 2 {
            return Err(invalid);
        }
        let mut value = [0; 64];
        for (slot, pair) in value.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (hex_digit(pair[0]), hex_digit(pair[1])) else { return Err(invalid) };
            *slot = high << 4 | low;
        }
        Ok(Self { algorithm, value })
    }

    /// A digest from a value computed elsewhere; `None` where the length is not the algorithm's.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut value = [0; 64];
        (bytes.len() == algorithm.size()).then(|| value[..bytes.len()].copy_from_slice(bytes))?;
        Some(Self { algorithm, value })
    }

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = DigestHasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Which algorithm made it.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw value, `algorithm().size()` bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.value[..self.algorithm.size()]
    }

    /// The value as lowercase hex.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.bytes()
            .iter()
            .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
            .map(char::from)
            .collect()
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Computes a [`Digest`] over bytes that arrive in pieces.
#[derive(Clone)]
pub struct DigestHasher(Hasher);

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHasher")
    }
}

#[derive(Clone)]
enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl DigestHasher {
    /// Starts a computation.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        let digest = match self.0 {
            Hasher::Sha256(hasher) => Digest::from_bytes(Algorithm::Sha256, &hasher.finalize()),
            Hasher::Sha512(hasher) => Digest::from_bytes(Algorithm::Sha512, &hasher.finalize()),
        };
        digest.expect("the hasher's output has its algorithm's length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_has_the_published_digests() {
        let sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), sha256);
        assert_eq!(Digest::parse(sha256), Ok(Digest::of(b"")));
        let sha512 = DigestHasher::new(Algorithm::Sha512).finish().to_string();
        assert!(sha512.starts_with("sha512:cf83e1357eefb8bdf1542850d66d8007"));
        assert_eq!(Digest::parse(&sha512).unwrap().to_string(), sha512);
    }

    #[test]
    fn what_is_not_a_digest_is_refused_with_its_reason() {
        assert_eq!(Digest::parse("latest"), Err(InvalidDigest::Form));
        assert_eq!(Digest::parse("md5:d41d8cd98f00b204e9800998ecf8427e"), Err(InvalidDigest::Algorithm("md5".into())));
        for bad in ["sha256:", "sha256:E3B0", "sha256:../../../etc/passwd"] {
            assert!(matches!(Digest::parse(bad), Err(InvalidDigest::Value { expected: 64, .. })), "{bad}");
        }
        let upper = Digest::of(b"").to_string().to_uppercase().replace("SHA256", "sha256");
        assert!(Digest::parse(&upper).is_err());
    }
}
