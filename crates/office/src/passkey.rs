//! Passkeys: what a browser hands over, judged (W3C Web Authentication Level 2, §7.1 and §7.2).
//!
//! A passkey that verified its person (UV: fingerprint, face, PIN of the device) is something they have and something they are
//! or know: both factors at once. Without UV it is none. No statement of the device's maker is asked for or believed (`none`): a
//! practice does not choose its people's telephones. One challenge is answered once.

use ciborium::Value;
use seal::PasskeyKey;
use seal::keys::hex;
use serde::Deserialize;

/// Octets of anything a browser hands over.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Octets of a credential's id (§6.1: at most 1023).
const ID_BYTES_MAX: usize = 1_023;
/// Bits of the authenticator's data (§6.1).
const UP: u8 = 1;
const UV: u8 = 1 << 2;
const AT: u8 = 1 << 6;

/// How long a ceremony may take.
pub const CEREMONY_MS: i64 = 5 * 60 * 1000;
/// Passkeys of one person.
pub const PASSKEYS_MAX: usize = 8;

/// A question only one answer is taken to.
pub struct Challenge {
    octets: [u8; 32],
    made_ms: i64,
}

/// To whom the browser must think it spoke.
#[derive(Debug, Clone)]
pub struct Site {
    /// The page: `http://localhost:8912`.
    pub origin: String,
    /// The relying party's id: `localhost`.
    pub rp: String,
}

/// What `navigator.credentials.create` gave, decoded.
#[derive(Debug, Clone)]
pub struct Created {
    /// `response.clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `response.attestationObject`.
    pub attestation: Vec<u8>,
}

/// What `navigator.credentials.get` gave, decoded.
#[derive(Debug, Clone)]
pub struct Asserted {
    /// The credential's id.
    pub id: Vec<u8>,
    /// `response.clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `response.authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `response.signature`.
    pub signature: Vec<u8>,
}

/// Somebody's passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// What they call it.
    pub name: String,
    /// Its id, in hexadecimal.
    pub id: String,
    /// When it was added.
    pub added_ms: i64,
    /// When it let them in the last time.
    pub used_ms: Option<i64>,
    /// It was shut because its counter went back: somebody may have a copy.
    pub shut: bool,
    pub(crate) key: PasskeyKey,
    pub(crate) counter: u32,
}

/// Why an answer is not taken. Only the audit trail says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// It is not what the standard says it looks like.
    #[error("not an answer of a passkey: {0}")]
    Malformed(&'static str),
    /// To another question, or too late.
    #[error("an answer to another question, or too late")]
    Challenge,
    /// From a page of somebody else.
    #[error("an answer to another page")]
    Origin,
    /// For another service.
    #[error("a passkey of another service")]
    Party,
    /// Nobody touched the device.
    #[error("nobody was at the device")]
    NotPresent,
    /// The device did not ask who it is.
    #[error("the device did not verify its person")]
    NotVerified,
    /// The key did not sign that.
    #[error("the signature is another's")]
    Signature,
    /// The counter is not higher than before.
    #[error("the passkey's counter went back: a copy of it may be in use; it is shut")]
    Counter,
}

impl Passkey {
    /// Its id, as browsers know it.
    pub fn octets(&self) -> Vec<u8> {
        let (pairs, _) = self.id.as_bytes().as_chunks::<2>();
        let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
        let octet = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high) * 16 + nibble(*low)).unwrap_or(0);
        pairs.iter().map(octet).collect()
    }
}

impl Challenge {
    /// Of octets nobody can guess.
    pub(crate) fn of(octets: [u8; 32], made_ms: i64) -> Self {
        Self { octets, made_ms }
    }

    /// As browsers are given it.
    pub fn to_base64url(&self) -> String {
        base64url(&self.octets)
    }
}

/// What `clientDataJSON` says (§5.8.1); the rest of it is not ours to read.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// The first 37 octets of an authenticator's data, and what follows.
struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    rest: &'a [u8],
}

/// §7.1: a new passkey, by what the browser made. Gives its id, key and counter.
pub(crate) fn register(
    challenge: &Challenge,
    site: &Site,
    created: &Created,
    now_ms: i64,
) -> Result<(String, PasskeyKey, u32), Wrong> {
    client(challenge, site, "webauthn.create", &created.client_data, now_ms)?;
    let attestation = item(&mut sized(&created.attestation)?)?;
    let data = field(&attestation, "authData").and_then(|value| value.as_bytes());
    let data = data.ok_or(Wrong::Malformed("no authenticator data"))?;
    let read = authenticator(site, data)?;
    if read.flags & AT == 0 {
        return Err(Wrong::Malformed("no credential in it"));
    }
    // §6.5.1: AAGUID, length of the id, id, key.
    let (_aaguid, rest) = read.rest.split_first_chunk::<16>().ok_or(Wrong::Malformed("cut off"))?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Wrong::Malformed("cut off"))?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > ID_BYTES_MAX {
        return Err(Wrong::Malformed("an id of no length"));
    }
    let (id, mut rest) = rest.split_at_checked(length).ok_or(Wrong::Malformed("cut off"))?;
    let key = cose(&item(&mut rest)?)?;
    Ok((hex(id), key, read.counter))
}

/// §7.2: whether this passkey's person answered. Gives the counter to be kept.
pub(crate) fn assert(
    passkey: &Passkey,
    challenge: &Challenge,
    site: &Site,
    asserted: &Asserted,
    now_ms: i64,
) -> Result<u32, Wrong> {
    client(challenge, site, "webauthn.get", &asserted.client_data, now_ms)?;
    let read = authenticator(site, sized(&asserted.authenticator_data)?)?;
    // Step 20: the data, then the hash of the client's.
    let signed = [
        asserted.authenticator_data.as_slice(),
        &seal::hash(&asserted.client_data),
    ]
    .concat();
    if !passkey.key.signed(&signed, sized(&asserted.signature)?) {
        return Err(Wrong::Signature);
    }
    // Step 21: devices that count at all count up.
    if (read.counter > 0 || passkey.counter > 0) && read.counter <= passkey.counter {
        return Err(Wrong::Counter);
    }
    Ok(read.counter)
}

fn client(challenge: &Challenge, site: &Site, kind: &str, json: &[u8], now_ms: i64) -> Result<(), Wrong> {
    let said: ClientData = serde_json::from_slice(sized(json)?).map_err(|_| Wrong::Malformed("no client data"))?;
    if said.kind != kind {
        return Err(Wrong::Malformed("an answer of another kind"));
    }
    let in_time = (0..CEREMONY_MS).contains(&now_ms.saturating_sub(challenge.made_ms));
    if said.challenge != challenge.to_base64url() || !in_time {
        return Err(Wrong::Challenge);
    }
    if said.origin != site.origin || said.cross_origin {
        return Err(Wrong::Origin);
    }
    Ok(())
}

fn authenticator<'a>(site: &Site, data: &'a [u8]) -> Result<AuthenticatorData<'a>, Wrong> {
    let cut = Wrong::Malformed("cut off");
    let (party, rest) = data.split_first_chunk::<32>().ok_or(cut)?;
    let (flags, rest) = rest.split_first().ok_or(cut)?;
    let (counter, rest) = rest.split_first_chunk::<4>().ok_or(cut)?;
    if *party != seal::hash(site.rp.as_bytes()) {
        return Err(Wrong::Party);
    }
    if flags & UP == 0 {
        return Err(Wrong::NotPresent);
    }
    if flags & UV == 0 {
        return Err(Wrong::NotVerified);
    }
    Ok(AuthenticatorData {
        flags: *flags,
        counter: u32::from_be_bytes(*counter),
        rest,
    })
}

/// RFC 9052 §7, RFC 9053 §2 and §7, RFC 8230 §4.
fn cose(key: &Value) -> Result<PasskeyKey, Wrong> {
    let unusable = Wrong::Malformed("no key that we know");
    let number = |label: i64| labelled(key, label).and_then(Value::as_integer).map(i128::from);
    let octets = |label: i64| labelled(key, label).and_then(|value| value.as_bytes());
    let chunk = |label: i64| <[u8; 32]>::try_from(octets(label)?.as_slice()).ok();
    match (number(1), number(3), number(-1)) {
        (Some(2), Some(-7), Some(1)) => {
            let (x, y) = chunk(-2).zip(chunk(-3)).ok_or(unusable)?;
            Ok(PasskeyKey::es256(&x, &y))
        }
        (Some(1), Some(-8), Some(6)) => chunk(-2).map(PasskeyKey::EdDsa).ok_or(unusable),
        (Some(3), Some(-257), _) => {
            let (n, e) = octets(-1).zip(octets(-2)).ok_or(unusable)?;
            PasskeyKey::rs256(n.clone(), e.clone()).map_err(|_| unusable)
        }
        _ => Err(unusable),
    }
}

fn sized(octets: &[u8]) -> Result<&[u8], Wrong> {
    if octets.len() > ANSWER_BYTES_MAX {
        return Err(Wrong::Malformed("too long"));
    }
    Ok(octets)
}

/// One item of CBOR (RFC 8949), however deep: sixteen levels are more than any of these has.
fn item(octets: &mut &[u8]) -> Result<Value, Wrong> {
    ciborium::de::from_reader_with_recursion_limit(octets, 16).map_err(|_| Wrong::Malformed("no CBOR"))
}

fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let entries = map.as_map()?;
    let (_, value) = entries.iter().find(|(key, _)| key.as_text() == Some(name))?;
    Some(value)
}

fn labelled(map: &Value, label: i64) -> Option<&Value> {
    let entries = map.as_map()?;
    let (_, value) = entries
        .iter()
        .find(|(key, _)| key.as_integer().map(i128::from) == Some(i128::from(label)))?;
    Some(value)
}

/// RFC 4648 §5, without padding.
pub fn base64url(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let whole = group
            .iter()
            .chain(std::iter::repeat(&0))
            .take(3)
            .fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
        for place in 0..=group.len() {
            let letter = LETTERS.get(whole >> (18 - 6 * place) & 63);
            text.extend(letter.map(|letter| char::from(*letter)));
        }
    }
    text
}

/// The same, read; `None` for what is none.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from(held >> bits & 0xFF).ok()?);
        }
        held &= (1 << bits) - 1;
    }
    // A single letter over, or bits that nobody can have meant.
    (bits < 6 && held == 0).then_some(octets)
}

#[cfg(test)]
pub(crate) mod tests;
