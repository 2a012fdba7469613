//! The text of a token, `weir_<id>_<secret>`, and of a session's cookie, `<id>_<secret>`, and the hash by which a secret is known
//! again.
//!
//! The secret has 256 random bits, so nobody can guess it from its hash however fast hashing is: SHA-256 does where a
//! password would need a slow function.

use ring::rand::{SecureRandom as _, SystemRandom};
use weir_scanner::oci::Digest;

/// The first word of every token, by which scanners for leaked secrets know one.
const PREFIX: &str = "weir";
/// The digits of base 32 after RFC 4648, in lower case: five bits each, and a double click marks all of them.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of an id: 40 bits, told apart by the index where two should meet.
const ID_DIGITS: usize = 8;
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct SecretError;

/// A token's two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
}

impl<'a> Parts<'a> {
    /// The parts of a token as it was presented; `None` where it is none of ours.
    pub(super) fn of(token: &'a str) -> Option<Self> {
        let (prefix, rest) = token.split_once('_')?;
        if prefix == PREFIX { Self::of_cookie(rest) } else { None }
    }

    /// The parts of a session's cookie as it was presented; `None` where it is none of ours.
    pub(super) fn of_cookie(cookie: &'a str) -> Option<Self> {
        let (id, secret) = cookie.split_once('_')?;
        let length = (SECRET_BYTES * 8).div_ceil(5);
        let sound = id.len() == ID_DIGITS
            && secret.len() == length
            && id.bytes().chain(secret.bytes()).all(|byte| DIGITS.contains(&byte));
        sound.then_some(Self { id, secret })
    }
}

/// A new id.
pub(super) fn new_id() -> Result<String, SecretError> {
    Ok(base32(&random::<{ ID_DIGITS * 5 / 8 }>()?))
}

/// A new secret.
pub(crate) fn new_secret() -> Result<String, SecretError> {
    Ok(base32(&random::<SECRET_BYTES>()?))
}

/// The token of an id and its secret.
pub(super) fn token(id: &str, secret: &str) -> String {
    format!("{PREFIX}_{id}_{secret}")
}

/// The cookie of an id and its secret.
pub(super) fn cookie(id: &str, secret: &str) -> String {
    format!("{id}_{secret}")
}

/// What pages of a session send back: known from its secret alone, which it does not tell. HMAC after RFC 2104.
pub(super) fn csrf(secret: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    base32(ring::hmac::sign(&key, b"csrf").as_ref())
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(Digest::of(secret.as_bytes()).bytes());
    hash
}

/// Whether two hashes are equal, in a time that does not tell how much of them is.
pub(crate) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |found, (one, other)| std::hint::black_box(found | (one ^ other)));
    difference == 0
}

/// Bytes of the operating system's generator.
fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], SecretError> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SecretError)?;
    Ok(bytes)
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(DIGITS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(DIGITS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_is_the_standards() {
        // RFC 4648 section 10, without padding.
        for (bytes, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(base32(&[0xff; 32]), format!("{}{}", "7".repeat(51), "q"));
    }

    #[test]
    fn a_token_has_its_parts_and_nothing_else_does() {
        let (id, secret) = (new_id().unwrap(), new_secret().unwrap());
        let whole = token(&id, &secret);
        assert_eq!(whole.len(), 4 + 1 + 8 + 1 + 52);
        assert_eq!(Parts::of(&whole), Some(Parts { id: &id, secret: &secret }));
        assert_ne!(new_secret().unwrap(), secret);
        let in_cookie = cookie(&id, &secret);
        assert_eq!(Parts::of_cookie(&in_cookie), Some(Parts { id: &id, secret: &secret }));
        assert_eq!((Parts::of(&in_cookie), Parts::of_cookie(&whole)), (None, None));
        let mut broken = vec![String::new(), "weir".into(), "weir__".into(), format!("{whole}a"), format!(" {whole}")];
        broken.extend([whole.to_uppercase(), whole.replacen("weir", "wier", 1), token(&secret, &id)]);
        for token in broken {
            assert_eq!(Parts::of(&token), None, "{token}");
        }
    }

    #[test]
    fn what_pages_send_back_is_of_one_secret_and_does_not_hold_it() {
        let secret = new_secret().unwrap();
        assert_eq!(csrf(&secret), csrf(&secret));
        assert_ne!(csrf(&secret), csrf(&new_secret().unwrap()));
        assert!(csrf(&secret).len() == 52 && csrf(&secret) != secret);
    }

    #[test]
    fn hashes_are_equal_only_where_every_byte_is() {
        let one = hash("a");
        assert!(same(&one, &hash("a")) && !same(&one, &hash("b")));
        for place in [0, 31] {
            let mut other = one;
            other[place] ^= 1;
            assert!(!same(&one, &other));
        }
    }
}
