//! That something was destroyed, signed: what, when, by whom, how (design/controls.md §1.4). Whoever has the book's public key
//! can check it, on any machine.
//!
//! ```text
//! nightdesk-certificate 1
//! id …        destroyed …      by …        reason …
//! at …        method …
//! object ID SHA256             what was sealed and can be opened no more: its id, the hash of the sealed octets or `-`
//! signature …                  by the book's key over every line above
//! ```

use std::fmt;

use seal::keys::{hex, unhex};
use seal::{SIGNATURE, Signer, Verifier};

/// The first line of a certificate.
pub const CERTIFICATE_FIRST_LINE: &str = "nightdesk-certificate 1";
/// Objects one certificate names.
pub const CERTIFICATE_OBJECTS_MAX: usize = 100_000;

/// What was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its name: that of the order that was carried out.
    pub id: String,
    /// What was destroyed, in words without a patient's name.
    pub destroyed: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was done, RFC 3339.
    pub at: String,
    /// How.
    pub method: String,
    /// Ids of what can be opened no more: sealed files with the hash of their octets, keys without.
    pub objects: Vec<(String, Option<String>)>,
}

/// A certificate with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCertificate {
    /// What it says.
    pub certificate: Certificate,
    signature: [u8; SIGNATURE],
}

impl Certificate {
    /// Signs it.
    pub fn sign(self, signer: &Signer) -> SignedCertificate {
        let signature = signer.sign(self.to_string().as_bytes());
        SignedCertificate {
            certificate: self,
            signature,
        }
    }
}

impl SignedCertificate {
    /// Whether the holder of the signing key made it.
    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        key.check(self.certificate.to_string().as_bytes(), &self.signature)
            .is_ok()
    }

    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != CERTIFICATE_FIRST_LINE {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let mut certificate = Certificate {
            id: value("id")?,
            destroyed: value("destroyed")?,
            by: value("by")?,
            reason: value("reason")?,
            at: value("at")?,
            method: value("method")?,
            objects: Vec::new(),
        };
        for line in lines {
            if let Some(signature) = line.strip_prefix("signature ") {
                return Some(Self {
                    certificate,
                    signature: unhex(signature)?,
                });
            }
            let (id, hash) = line.strip_prefix("object ")?.split_once(' ')?;
            if certificate.objects.len() >= CERTIFICATE_OBJECTS_MAX {
                return None;
            }
            let hash = (hash != "-").then(|| hash.to_owned());
            certificate.objects.push((id.to_owned(), hash));
        }
        None
    }
}

/// Everything that is signed.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value is one line, whatever somebody typed.
        let line = |text: &str| text.replace(char::is_control, " ");
        writeln!(f, "{CERTIFICATE_FIRST_LINE}")?;
        for (name, value) in [
            ("id", &self.id),
            ("destroyed", &self.destroyed),
            ("by", &self.by),
            ("reason", &self.reason),
            ("at", &self.at),
            ("method", &self.method),
        ] {
            writeln!(f, "{name} {}", line(value))?;
        }
        for (id, hash) in &self.objects {
            writeln!(f, "object {id} {}", hash.as_deref().unwrap_or("-"))?;
        }
        Ok(())
    }
}

impl fmt::Display for SignedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}signature {}", self.certificate, hex(&self.signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves RET-02: a certificate is checked with the public key alone, and no word of it can be changed.
    #[test]
    fn a_certificate_is_believed_as_it_was_signed_and_no_other_way() {
        let signer = Signer::generate(&mut |out| out.fill(3));
        let certificate = Certificate {
            id: "7f3a".into(),
            destroyed: "audio of Cedar Family Medicine, 2026-11".into(),
            by: "priya".into(),
            reason: "its time\nis over".into(),
            at: "2026-11-22T00:00:00Z".into(),
            method: "cryptographic erase".into(),
            objects: vec![("aa".into(), Some("bb".into())), ("cc".into(), None)],
        };
        let text = certificate.sign(&signer).to_string();
        let read = SignedCertificate::parse(&text).expect("its own text");
        assert!(read.is_signed_by(&signer.verifier()));
        assert_eq!(read.to_string(), text);
        assert_eq!(read.certificate.reason, "its time is over");
        let other = Signer::generate(&mut |out| out.fill(4)).verifier();
        assert!(!read.is_signed_by(&other));
        for (at, _) in text.char_indices() {
            let mut changed = text.clone().into_bytes();
            if let Some(octet) = changed.get_mut(at) {
                *octet ^= 1;
            }
            let believed = std::str::from_utf8(&changed)
                .ok()
                .and_then(SignedCertificate::parse)
                .is_some_and(|read| read.is_signed_by(&signer.verifier()));
            assert!(!believed, "octet {at}");
        }
    }
}
