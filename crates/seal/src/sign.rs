//! Ed25519: who closed a stretch of the book, checked with a public key only.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::Fault;

/// Octets of a signature.
pub const SIGNATURE: usize = 64;

/// The key that signs checkpoints. Its seed is wiped when dropped.
pub struct Signer {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

/// The key that checks them; anyone may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier([u8; 32]);

impl Signer {
    pub(crate) fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).expect("any 32 octets are a seed");
        Self { seed, pair }
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        self.pair
            .sign(message)
            .as_ref()
            .try_into()
            .expect("RFC 8032 §5.1.6: a signature is 64 octets")
    }

    /// The half to check with.
    pub fn verifier(&self) -> Verifier {
        Verifier(
            self.pair
                .public_key()
                .as_ref()
                .try_into()
                .expect("RFC 8032 §5.1.5: a public key is 32 octets"),
        )
    }
}

impl Verifier {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the signer signed exactly this.
    pub fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| Fault::RefusedSignature)
    }
}
