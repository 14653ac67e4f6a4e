//! Signatures that people's devices make: the public keys of passkeys (RFC 9052 COSE keys, WebAuthn §5.8.5), and nothing but them.
//!
//! Three algorithms, by ring: ES256, EdDSA over Ed25519, RS256. What was signed is put together by whoever asks.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use crate::Fault;
use crate::keys::hex;

/// The shortest modulus of an RSA key, in octets: 2048 bits.
const RSA_OCTETS_MIN: usize = 256;
/// The longest, as ring takes it: 8192 bits.
const RSA_OCTETS_MAX: usize = 1_024;

/// The public key of a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasskeyKey {
    /// ECDSA on P-256 with SHA-256, COSE algorithm -7: the point, uncompressed.
    Es256([u8; 65]),
    /// Ed25519, COSE algorithm -8.
    EdDsa([u8; 32]),
    /// RSA PKCS #1 v1.5 with SHA-256, COSE algorithm -257: modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
}

impl PasskeyKey {
    /// The algorithms, as browsers are told, best first.
    pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];

    /// A point of P-256 by its coordinates.
    pub fn es256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        let mut point = [4; 65];
        let octets = x.iter().chain(y);
        point.iter_mut().skip(1).zip(octets).for_each(|(to, from)| *to = *from);
        Self::Es256(point)
    }

    /// An RSA key of a length that still counts as safe.
    pub fn rs256(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<Self, Fault> {
        let fits = (RSA_OCTETS_MIN..=RSA_OCTETS_MAX).contains(&modulus.len()) && (1..=8).contains(&exponent.len());
        if !fits {
            return Err(Fault::MalformedKey("an RSA key of fewer than 2048 bits"));
        }
        Ok(Self::Rs256(modulus, exponent))
    }

    /// Whether this key signed that.
    pub fn signed(&self, message: &[u8], signed: &[u8]) -> bool {
        match self {
            Self::Es256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
                .verify(message, signed)
                .is_ok(),
            Self::EdDsa(key) => UnparsedPublicKey::new(&signature::ED25519, key)
                .verify(message, signed)
                .is_ok(),
            Self::Rs256(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed)
                .is_ok(),
        }
    }

    /// As it is kept: the algorithm and the key in hexadecimal.
    pub fn to_text(&self) -> String {
        match self {
            Self::Es256(point) => format!("es256 {}", hex(point)),
            Self::EdDsa(key) => format!("eddsa {}", hex(key)),
            Self::Rs256(n, e) => format!("rs256 {} {}", hex(n), hex(e)),
        }
    }

    /// The same, read back.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (kind, key, more) = (words.next()?, octets(words.next()?)?, words.next());
        match (kind, more) {
            ("es256", None) => Some(Self::Es256(key.try_into().ok()?)),
            ("eddsa", None) => Some(Self::EdDsa(key.try_into().ok()?)),
            ("rs256", Some(e)) => Self::rs256(key, octets(e)?).ok(),
            _ => None,
        }
    }
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(octet).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let keys = [
            PasskeyKey::es256(&[7; 32], &[9; 32]),
            PasskeyKey::EdDsa([3; 32]),
            PasskeyKey::rs256(vec![0xC1; 256], vec![1, 0, 1]).expect("2048 bits"),
        ];
        for key in keys {
            assert_eq!(PasskeyKey::from_text(&key.to_text()), Some(key));
        }
        assert!(PasskeyKey::rs256(vec![0xC1; 128], vec![1, 0, 1]).is_err(), "1024 bits");
        for wrong in ["", "es256", "es256 00", "eddsa zz", "none 00", "rs256 00 01"] {
            assert_eq!(PasskeyKey::from_text(wrong), None, "{wrong}");
        }
    }

    /// Made by `openssl dgst -sha256 -sign`.
    #[test]
    fn what_rsa_signed_is_known() {
        let modulus = octets("ce4580752a9a2610a43286f4426c9dd801819026cede9849f2e4a19bd64df51491d050831cf9563c5d2b06205897deeb64980cc65ec7cb39f4989fea5d7afe62e395ecee8797d7663bf5d9dcaf8aac6a1458be2095331699be10efbe9e913d561b9e378a3b74942b401e8869fb61e1cd7eed7dbe44318799873ff2cf163d3628ae2d71a7f5440f5d4fdf259ce1a74467672e509ddb647b098542442247f4a68a39cb994401e31bcc01caa55bdd1c968fca99d8f89926bcad8385b6461299d5b0bbab5a1abe4b0780e223218f97e8293bcaca125a8b8496b82d4666d56dd74cfcc99593f19813011f5c089708718165dcc74f3b28657d976c3a4c3e8022a91089")
            .expect("hexadecimal");
        let signed = octets("7b7c0775a53fa67eb85ab8cae4cddd2b26fdb59641e6a76e2f66ee587af7c02ddf4b284d882166a71f3519c43c34c33d067775aa33205b3adc5d78886c84cba045c79307024e73f8a73f45b58222cfc0192bf454b2101e88e0789f8eb5457e578f52891414a5b3315fc63c286d5262a930764b2902be4bb825db69bea5d8f9a5d3f4af00ae7c9c110dea215665543413455d121d3c96707d5fb0552cf1df551bb49ce33e02de327528ab83bbff9392d08f56e742e693800cc1985176e63efb6aece4de72e3c962e7dea170e965da8db9fe8ad0097866a2ed593cd044f12a63916e37aab8b2aed6b21cfbbe9bbdbbd6adb2f331029ed7ac84c6b95d3045843504")
            .expect("hexadecimal");
        let key = PasskeyKey::rs256(modulus, vec![1, 0, 1]).expect("2048 bits");
        assert!(key.signed(b"what was signed", &signed));
        assert!(!key.signed(b"what was sighed", &signed));
    }
}
