//! A root kept by a security token (PKCS#11): the token wraps it with an AES key that never leaves the token.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::{Entropy, Fault};

/// Where a token's wrapping key is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token's PKCS#11 library, as a full path.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// The wrapping key's label.
    pub key: String,
}

impl Token {
    /// Wraps a root with the token's key, which is made when it is not there: AES-256, sensitive, not extractable. Nonce
    /// first, as everywhere.
    pub(crate) fn wrap(
        &self,
        pin: Zeroizing<String>,
        name: &str,
        root: &[u8; 32],
        entropy: Entropy<'_>,
    ) -> Result<Vec<u8>, Fault> {
        let session = self.open(pin)?;
        let key = match self.find(&session)? {
            Some(key) => key,
            None => {
                let template = [
                    Attribute::Token(true),
                    Attribute::Private(true),
                    Attribute::Sensitive(true),
                    Attribute::Extractable(false),
                    Attribute::Modifiable(false),
                    Attribute::Encrypt(true),
                    Attribute::Decrypt(true),
                    Attribute::ValueLen(32.into()),
                    Attribute::Label(self.key.as_bytes().to_vec()),
                ];
                session.generate_key(&Mechanism::AesKeyGen, &template).map_err(token)?
            }
        };
        let mut nonce = [0; 12];
        entropy(&mut nonce);
        let kept = nonce;
        let gcm = GcmParams::new(&mut nonce, name.as_bytes(), 128.into()).map_err(token)?;
        let sealed = session.encrypt(&Mechanism::AesGcm(gcm), key, root).map_err(token)?;
        Ok([kept.as_slice(), &sealed].concat())
    }

    /// Has the token unwrap what [`Token::wrap`] made.
    pub(crate) fn unwrap(
        &self,
        pin: Zeroizing<String>,
        name: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let session = self.open(pin)?;
        let key = self
            .find(&session)?
            .ok_or_else(|| Fault::Token(format!("{} holds no key `{}`", self.label, self.key)))?;
        let (nonce, sealed) = wrapped
            .split_first_chunk::<12>()
            .ok_or_else(|| Fault::Token("the wrapped root is cut short".to_owned()))?;
        let mut nonce = *nonce;
        let gcm = GcmParams::new(&mut nonce, name.as_bytes(), 128.into()).map_err(token)?;
        session
            .decrypt(&Mechanism::AesGcm(gcm), key, sealed)
            .map(Zeroizing::new)
            .map_err(token)
    }

    fn open(&self, pin: Zeroizing<String>) -> Result<Session, Fault> {
        let library = Pkcs11::new(&self.module).map_err(token)?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Whoever has it in use already has initialized it.
            Ok(()) | Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(fault) => return Err(token(fault)),
        }
        for slot in library.get_slots_with_token().map_err(token)? {
            if library.get_token_info(slot).map_err(token)?.label() != self.label {
                continue;
            }
            let session = library.open_rw_session(slot).map_err(token)?;
            let pin = AuthPin::new(pin.as_str().into());
            return match session.login(UserType::User, Some(&pin)) {
                Ok(()) => Ok(session),
                Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::PinIncorrect, _)) => Err(
                    Fault::RefusedRoot(format!("the PIN is not that of the token {}", self.label)),
                ),
                Err(fault) => Err(token(fault)),
            };
        }
        Err(Fault::Token(format!(
            "{} knows no token labelled `{}`",
            self.module.display(),
            self.label
        )))
    }

    fn find(&self, session: &Session) -> Result<Option<ObjectHandle>, Fault> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.key.as_bytes().to_vec()),
        ];
        Ok(session.find_objects(&template).map_err(token)?.into_iter().next())
    }
}

fn token(fault: cryptoki::error::Error) -> Fault {
    Fault::Token(fault.to_string())
}
