//! The signature of what is delivered: HMAC-SHA256 with the secret that the receiver has, too. The secret is
//! never shown.

use std::{fmt, fmt::Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What both sides of a webhook know.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

/// A text that is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret has 16 characters or more: make one with `openssl rand -hex 32`")]
pub struct SecretError;

impl WebhookSecret {
    /// Fewest bytes.
    pub const LEAST_BYTES: usize = 16;

    /// Takes one, as it is.
    ///
    /// # Errors
    /// [`SecretError`] for one that could be guessed.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        if text.len() < Self::LEAST_BYTES {
            return Err(SecretError);
        }
        Hmac::new_from_slice(text.as_bytes()).map(Self).map_err(|_| SecretError)
    }

    /// The header of a body that is sent at a time, in seconds since 1970: `t=…,v1=…`, of which the latter is
    /// the HMAC of the time, a dot and the body, in hexadecimal.
    #[must_use]
    pub fn sign(&self, at: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        let mut header = format!("t={at},v1=");
        for byte in mac.finalize().into_bytes() {
            // It writes to memory.
            let _ = write!(header, "{byte:02x}");
        }
        header
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_secret_time_and_body() {
        let secret = WebhookSecret::new("0123456789abcdef").unwrap();
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(secret.sign(1_700_000_000, b"{}"), SIGNED);
        let other = WebhookSecret::new("0123456789abcdeg").unwrap();
        for signed in [
            other.sign(1_700_000_000, b"{}"),
            secret.sign(1_700_000_001, b"{}"),
            secret.sign(1_700_000_000, b"[]"),
        ] {
            assert_ne!(signed, SIGNED);
        }
    }

    #[test]
    fn a_secret_is_long_and_not_shown() {
        assert_eq!(WebhookSecret::new("short").unwrap_err(), SecretError);
        let shown = format!("{:?}", WebhookSecret::new("0123456789abcdef").unwrap());
        assert!(!shown.contains("0123"), "{shown}");
    }

    const SIGNED: &str =
        "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e";
}
