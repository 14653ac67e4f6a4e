//! Keys and how they look in a file: three lines of text, so that a person can tell which key a file holds.
//!
//! ```text
//! nightdesk-key 1 recording-public epoch=1
//! 8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a
//! check 2b1c3d4e
//! ```
//! The last line is the start of SHA-256 over the two before it: a mistyped or truncated key is refused at the start
//! of the program and not when somebody wants to listen. Secret keys never belong on the disk that holds recordings.

use hpke::{Deserializable, Kem, Serializable};
use zeroize::{Zeroize, Zeroizing};

use crate::container::{Slot, SlotKind};
use crate::{BookKey, Entropy, Fault, Parent, Signer, TokenKey, Verifier, hash};

type X25519 = hpke::kem::X25519HkdfSha256;
type Suite4Aead = hpke::aead::AesGcm256;
type Suite4Kdf = hpke::kdf::HkdfSha256;

/// Longest key file we read.
pub const KEY_FILE_MAX: usize = 512;

const MARK: &str = "nightdesk-key 1";

/// For whom a recording is sealed: an X25519 public key and which generation of it this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientPublic {
    key: [u8; 32],
    epoch: u32,
}

/// Who may open a recording. Wiped when dropped.
pub struct RecipientSecret {
    key: Zeroizing<[u8; 32]>,
    epoch: u32,
}

/// A sealed file's own part of its key: 32 octets that lie with the keys and never beside the file. Without them the
/// recipient's secret key opens nothing, so that wiping them destroys exactly this file, and every copy of it. Wiped when
/// dropped.
pub struct ItemShare(Box<Zeroizing<[u8; 32]>>);

impl ItemShare {
    /// A new one. It stays where it was drawn: what is moved leaves a copy behind.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        entropy(key.as_mut_slice());
        Self(key)
    }

    /// One from its 32 octets.
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(Box::new(key))
    }

    /// Its 32 octets, for whoever keeps it.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// RFC 9180 §5.1.2: the share is the pre-shared key, the file's id its name.
    fn bundle<'a>(share: &'a Self, file: &'a [u8; 16]) -> hpke::PskBundle<'a> {
        hpke::PskBundle::new(share.0.as_slice(), file.as_slice()).expect("neither is empty")
    }
}

impl RecipientPublic {
    /// Its name in a header: the first half of SHA-256 of the key.
    pub fn id(&self) -> [u8; 16] {
        let (id, _) = hash(&self.key)
            .split_first_chunk()
            .map(|(id, rest)| (*id, rest.len()))
            .expect("16 of 32");
        id
    }

    /// One from its 32 octets, as they stand in a bundle.
    pub fn new(key: [u8; 32], epoch: u32) -> Self {
        Self { key, epoch }
    }

    /// Its 32 octets.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Which generation of the recipient's key this is: a month and class ([`crate::Month::generation`]), or a small number.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&format!("recording-public epoch={}", self.epoch), &self.key)
            .as_bytes()
            .to_vec()
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        let (key, epoch) = read(file, "recording-public")?;
        Ok(Self { key: *key, epoch })
    }

    /// Wraps a file key so that only this recipient can have it (RFC 9180 §6.1), and only with the file's share if it
    /// has one.
    pub(crate) fn wrap(
        &self,
        file_key: &[u8; 32],
        info: &[u8],
        file: &[u8; 16],
        share: Option<&ItemShare>,
        entropy: Entropy<'_>,
    ) -> Result<Slot, Fault> {
        let (kind, mode) = match share {
            None => (SlotKind::Base, hpke::OpModeS::Base),
            Some(share) => (SlotKind::Shared, hpke::OpModeS::Psk(ItemShare::bundle(share, file))),
        };
        let unusable = Fault::MalformedKey("no X25519 public key one can seal for");
        let key = <X25519 as Kem>::PublicKey::from_bytes(&self.key).map_err(|_| unusable)?;
        let (enc, wrapped) = hpke::single_shot_seal_with_rng::<Suite4Aead, Suite4Kdf, X25519>(
            &mode,
            &key,
            info,
            file_key,
            &[],
            &mut Drawn(entropy),
        )
        .map_err(|_| unusable)?;
        Ok(Slot {
            kind,
            epoch: self.epoch,
            key_id: self.id(),
            enc: enc.to_bytes().as_slice().try_into().map_err(|_| unusable)?,
            wrapped: wrapped.as_slice().try_into().map_err(|_| unusable)?,
        })
    }
}

impl RecipientPublic {
    /// Seals a few octets so that only this recipient can have them: encapsulated key first (RFC 9180 §6.1, base mode).
    pub fn seal_to(&self, info: &[u8], plain: &[u8], entropy: Entropy<'_>) -> Result<Vec<u8>, Fault> {
        let unusable = Fault::MalformedKey("no X25519 public key one can seal for");
        let key = <X25519 as Kem>::PublicKey::from_bytes(&self.key).map_err(|_| unusable)?;
        let (enc, sealed) = hpke::single_shot_seal_with_rng::<Suite4Aead, Suite4Kdf, X25519>(
            &hpke::OpModeS::Base,
            &key,
            info,
            plain,
            &[],
            &mut Drawn(entropy),
        )
        .map_err(|_| unusable)?;
        Ok([enc.to_bytes().as_slice(), &sealed].concat())
    }

    /// The key file of an engine, for whom bundles are sealed.
    pub fn to_engine_bytes(&self) -> Vec<u8> {
        write("engine-public", &self.key).as_bytes().to_vec()
    }

    /// Reads the key file of an engine.
    pub fn from_engine_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(*read(file, "engine-public")?.0, 0))
    }
}

impl RecipientSecret {
    /// Opens what [`RecipientPublic::seal_to`] made with the same `info`.
    pub fn open_from(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let (enc, sealed) = sealed.split_first_chunk::<32>().ok_or(Fault::RefusedWrap)?;
        let secret = <X25519 as Kem>::PrivateKey::from_bytes(self.key.as_slice()).map_err(|_| Fault::RefusedKey)?;
        let enc = <X25519 as Kem>::EncappedKey::from_bytes(enc).map_err(|_| Fault::RefusedWrap)?;
        let mode = hpke::OpModeR::Base;
        hpke::single_shot_open::<Suite4Aead, Suite4Kdf, X25519>(&mode, &secret, &enc, info, sealed, &[])
            .map(Zeroizing::new)
            .map_err(|_| Fault::RefusedWrap)
    }

    /// The key file an engine opens its bundle with; wiped when dropped.
    pub fn to_engine_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("engine-secret", &self.key))
    }

    /// Reads the key file of an engine.
    pub fn from_engine_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(read(file, "engine-secret")?.0, 0))
    }

    /// A new key pair.
    pub fn generate(epoch: u32, entropy: Entropy<'_>) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy(seed.as_mut_slice());
        let (secret, _) = X25519::derive_keypair(seed.as_slice());
        let mut key = Zeroizing::new([0; 32]);
        secret.write_exact(key.as_mut_slice());
        Self { key, epoch }
    }

    /// One from its 32 octets.
    pub fn new(key: Zeroizing<[u8; 32]>, epoch: u32) -> Self {
        Self { key, epoch }
    }

    /// Its 32 octets, for whoever wraps it.
    pub fn secret(&self) -> &[u8; 32] {
        &self.key
    }

    /// The half to seal with.
    pub fn public(&self) -> RecipientPublic {
        let secret = <X25519 as Kem>::PrivateKey::from_bytes(self.key.as_slice()).expect("any 32 octets are a scalar");
        let mut key = [0; 32];
        X25519::sk_to_pk(&secret).write_exact(&mut key);
        RecipientPublic { key, epoch: self.epoch }
    }

    /// The key file; wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write(&format!("recording-secret epoch={}", self.epoch), &self.key))
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        let (key, epoch) = read(file, "recording-secret")?;
        Ok(Self { key, epoch })
    }

    /// The file key in a slot, when the slot is ours and untouched and its share is at hand if it asks for one.
    pub(crate) fn unwrap(
        &self,
        slot: &Slot,
        info: &[u8],
        file: &[u8; 16],
        share: Option<&ItemShare>,
    ) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let mode = match (slot.kind, share) {
            (SlotKind::Base, _) => hpke::OpModeR::Base,
            (SlotKind::Shared, Some(share)) => hpke::OpModeR::Psk(ItemShare::bundle(share, file)),
            (SlotKind::Shared, None) => return Err(Fault::RefusedShare),
        };
        let secret = <X25519 as Kem>::PrivateKey::from_bytes(self.key.as_slice()).map_err(|_| Fault::RefusedKey)?;
        let enc = <X25519 as Kem>::EncappedKey::from_bytes(&slot.enc).map_err(|_| Fault::RefusedKey)?;
        let opened = Zeroizing::new(
            hpke::single_shot_open::<Suite4Aead, Suite4Kdf, X25519>(&mode, &secret, &enc, info, &slot.wrapped, &[])
                .map_err(|_| Fault::RefusedKey)?,
        );
        let mut key = Zeroizing::new([0; 32]);
        if opened.len() != key.len() {
            return Err(Fault::RefusedKey);
        }
        key.copy_from_slice(&opened);
        Ok(key)
    }
}

impl Parent {
    /// The key file of a root; wiped when dropped. It belongs into a credential store and on no disk.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("root", self.secret()))
    }

    /// Reads the key file of a root.
    pub fn from_bytes(file: &[u8]) -> Result<Zeroizing<[u8; 32]>, Fault> {
        Ok(read(file, "root")?.0)
    }
}

impl BookKey {
    /// A new key.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy(key.as_mut_slice());
        Self::new(key)
    }

    /// The key file; wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("book", self.secret()))
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(read(file, "book")?.0))
    }
}

impl Signer {
    /// A new key pair.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy(seed.as_mut_slice());
        Self::new(seed)
    }

    /// The key file; wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("book-signing", self.seed()))
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(read(file, "book-signing")?.0))
    }

    /// The key file of a person who approves releases; wiped when dropped. No book is ever signed with it.
    pub fn to_approver_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("approver-secret", self.seed()))
    }

    /// Reads the key file of a person who approves releases.
    pub fn from_approver_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(read(file, "approver-secret")?.0))
    }
}

impl Verifier {
    /// The key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        write("book-verify", self.key()).as_bytes().to_vec()
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(*read(file, "book-verify")?.0))
    }

    /// The key file others know an approver by.
    pub fn to_approver_bytes(&self) -> Vec<u8> {
        write("approver-public", self.key()).as_bytes().to_vec()
    }

    /// Reads the key file others know an approver by.
    pub fn from_approver_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(*read(file, "approver-public")?.0))
    }
}

impl TokenKey {
    /// The key file; wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wiped(write("sessions", self.secret()))
    }

    /// Reads a key file.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Fault> {
        Ok(Self::new(read(file, "sessions")?.0))
    }
}

/// Octets as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for octet in bytes {
        for nibble in [octet >> 4, octet & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).expect("four bits are one hexadecimal digit"));
        }
    }
    out
}

/// Exactly `N` octets from `2 N` hexadecimal digits.
pub fn unhex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return None;
    }
    let mut out = [0; N];
    for (octet, [high, low]) in out.iter_mut().zip(pairs) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *octet = u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok()?;
    }
    Some(out)
}

fn write(kind: &str, key: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex(key));
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_MAX));
    for part in [MARK, " ", kind, "\n", digits.as_str(), "\n"] {
        text.push_str(part);
    }
    let check = check(&text);
    text.push_str("check ");
    text.push_str(&check);
    text.push('\n');
    text
}

fn read(file: &[u8], kind: &'static str) -> Result<(Zeroizing<[u8; 32]>, u32), Fault> {
    if file.len() > KEY_FILE_MAX {
        return Err(Fault::MalformedKey("longer than a key file can be"));
    }
    let text = std::str::from_utf8(file).map_err(|_| Fault::MalformedKey("not a text file"))?;
    let mut lines = text.lines();
    let (Some(first), Some(digits), Some(last)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(Fault::MalformedKey("not three lines"));
    };
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(Fault::MalformedKey("not three lines"));
    }
    let described = first
        .strip_prefix(MARK)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or(Fault::MalformedKey("no key file"))?;
    let mut words = described.split(' ');
    if words.next() != Some(kind) {
        return Err(Fault::MalformedKey("a key of another kind"));
    }
    let epoch = match (words.next(), words.next()) {
        (None, _) => 0,
        (Some(word), None) => word
            .strip_prefix("epoch=")
            .and_then(|digits| digits.parse().ok())
            .ok_or(Fault::MalformedKey("a first line we do not understand"))?,
        _ => return Err(Fault::MalformedKey("a first line we do not understand")),
    };
    let mut whole = Zeroizing::new(String::with_capacity(KEY_FILE_MAX));
    for part in [first, "\n", digits, "\n"] {
        whole.push_str(part);
    }
    if last.strip_prefix("check ") != Some(check(&whole).as_str()) {
        return Err(Fault::MalformedKey("mistyped or cut short: the check does not fit"));
    }
    let key = unhex(digits).ok_or(Fault::MalformedKey("not 64 hexadecimal digits"))?;
    Ok((Zeroizing::new(key), epoch))
}

fn check(lines: &str) -> String {
    hex(hash(lines.as_bytes()).first_chunk::<4>().expect("4 of 32"))
}

fn wiped(mut text: Zeroizing<String>) -> Zeroizing<Vec<u8>> {
    let out = Zeroizing::new(text.as_bytes().to_vec());
    text.zeroize();
    out
}

/// Our entropy in the form `hpke` asks for.
struct Drawn<'a>(Entropy<'a>);

impl hpke::rand_core::TryRng for Drawn<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut octets = [0; 4];
        (self.0)(&mut octets);
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut octets = [0; 8];
        (self.0)(&mut octets);
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        (self.0)(out);
        Ok(())
    }
}

impl hpke::rand_core::TryCryptoRng for Drawn<'_> {}
