//! A device made of software, right and wrong in every way a device or a page can be.

use ciborium::Value;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::*;

const NOW_MS: i64 = 1_764_000_000_000;

enum Pair {
    P256(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A device, as it is to behave.
pub(crate) struct Device {
    pair: Pair,
    flags: u8,
    pub(crate) counter: u32,
    rp: &'static str,
    origin: &'static str,
    kind: Option<&'static str>,
}

const ID: [u8; 16] = [0xA5; 16];

impl Device {
    pub(crate) fn new(ed: bool) -> Self {
        let random = SystemRandom::new();
        let pair = if ed {
            let document = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
            Pair::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("its own"))
        } else {
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
            Pair::P256(pair.expect("its own"))
        };
        Self {
            pair,
            flags: UP | UV,
            counter: 1,
            rp: "localhost",
            origin: "http://localhost:8912",
            kind: None,
        }
    }

    fn client(&self, challenge: &Challenge, kind: &str) -> Vec<u8> {
        let kind = self.kind.unwrap_or(kind);
        let challenge = challenge.to_base64url();
        let origin = self.origin;
        format!("{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\",\"crossOrigin\":false,\"other\":1}}")
            .into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut data = seal::hash(self.rp.as_bytes()).to_vec();
        data.push(self.flags | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn cose(&self) -> Value {
        let number = |number: i64| Value::Integer(number.into());
        let entries = match &self.pair {
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                vec![
                    (number(1), number(2)),
                    (number(3), number(-7)),
                    (number(-1), number(1)),
                    (number(-2), Value::Bytes(point[1..33].to_vec())),
                    (number(-3), Value::Bytes(point[33..].to_vec())),
                ]
            }
            Pair::Ed(pair) => vec![
                (number(1), number(1)),
                (number(3), number(-8)),
                (number(-1), number(6)),
                (number(-2), Value::Bytes(pair.public_key().as_ref().to_vec())),
            ],
        };
        Value::Map(entries)
    }

    pub(crate) fn creates(&self, challenge: &Challenge) -> Created {
        let mut data = self.data(AT);
        data.extend([0; 16]);
        data.extend(16_u16.to_be_bytes());
        data.extend(ID);
        ciborium::into_writer(&self.cose(), &mut data).expect("memory");
        let text = |text: &str| Value::Text(text.to_owned());
        let object = Value::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(Vec::new())),
            (text("authData"), Value::Bytes(data)),
        ]);
        let mut attestation = Vec::new();
        ciborium::into_writer(&object, &mut attestation).expect("memory");
        Created {
            client_data: self.client(challenge, "webauthn.create"),
            attestation,
        }
    }

    pub(crate) fn asserts(&self, challenge: &Challenge) -> Asserted {
        let client_data = self.client(challenge, "webauthn.get");
        let authenticator_data = self.data(0);
        let signed = [authenticator_data.as_slice(), &seal::hash(&client_data)].concat();
        let signature = match &self.pair {
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), &signed)
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(&signed).as_ref().to_vec(),
        };
        Asserted {
            id: ID.to_vec(),
            client_data,
            authenticator_data,
            signature,
        }
    }
}

fn challenge(number: u8) -> Challenge {
    Challenge::of([number; 32], NOW_MS)
}

pub(crate) fn site() -> Site {
    Site {
        origin: "http://localhost:8912".to_owned(),
        rp: "localhost".to_owned(),
    }
}

fn registered(device: &Device) -> Passkey {
    let made = challenge(1);
    let (id, key, counter) = register(&made, &site(), &device.creates(&made), NOW_MS).expect("as it should be");
    assert_eq!(id, hex(&ID));
    Passkey {
        name: "laptop".to_owned(),
        id,
        added_ms: NOW_MS,
        used_ms: None,
        shut: false,
        key,
        counter,
    }
}

/// A device of either kind registers and lets in.
#[test]
fn a_device_registers_and_lets_in() {
    for ed in [false, true] {
        let mut device = Device::new(ed);
        let passkey = registered(&device);
        device.counter = 7;
        let asked = challenge(2);
        assert_eq!(
            assert(&passkey, &asked, &site(), &device.asserts(&asked), NOW_MS + 60_000),
            Ok(7)
        );
        // Devices that do not count say nought, and are believed as long as they never did.
        let uncounted = Passkey { counter: 0, ..passkey };
        device.counter = 0;
        assert_eq!(
            assert(&uncounted, &asked, &site(), &device.asserts(&asked), NOW_MS),
            Ok(0)
        );
    }
}

/// Whatever is wrong is told by its own name, in a registration and in a log-in.
#[test]
fn whatever_is_wrong_is_refused_by_its_name() {
    type Change = fn(&mut Device);
    let cases: [(Change, Wrong); 6] = [
        (|device| device.origin = "http://localhost:8913", Wrong::Origin),
        (|device| device.origin = "https://evil.example.com", Wrong::Origin),
        (|device| device.rp = "example.com", Wrong::Party),
        (|device| device.flags = UV, Wrong::NotPresent),
        (|device| device.flags = UP, Wrong::NotVerified),
        (
            |device| device.kind = Some("payment.get"),
            Wrong::Malformed("an answer of another kind"),
        ),
    ];
    for (change, wrong) in cases {
        let mut device = Device::new(false);
        let passkey = registered(&device);
        device.counter = 9;
        change(&mut device);
        let asked = challenge(3);
        assert_eq!(
            register(&asked, &site(), &device.creates(&asked), NOW_MS).err(),
            Some(wrong)
        );
        assert_eq!(
            assert(&passkey, &asked, &site(), &device.asserts(&asked), NOW_MS),
            Err(wrong)
        );
    }
    let mut device = Device::new(false);
    let passkey = registered(&device);
    let (asked, other) = (challenge(4), challenge(5));
    device.counter = 2;
    let answer = device.asserts(&asked);
    assert_eq!(
        assert(&passkey, &other, &site(), &answer, NOW_MS),
        Err(Wrong::Challenge),
        "another question"
    );
    let late = NOW_MS + CEREMONY_MS;
    assert_eq!(
        assert(&passkey, &asked, &site(), &answer, late),
        Err(Wrong::Challenge),
        "too late"
    );
    let counted = Passkey {
        counter: 2,
        ..passkey.clone()
    };
    assert_eq!(
        assert(&counted, &asked, &site(), &answer, NOW_MS),
        Err(Wrong::Counter),
        "not higher"
    );
    let of_another = registered(&Device::new(false));
    assert_eq!(
        assert(&of_another, &asked, &site(), &answer, NOW_MS),
        Err(Wrong::Signature)
    );
    let mut client = answer.clone();
    client.client_data = String::from_utf8(client.client_data)
        .expect("text")
        .replace("\"other\":1", "\"other\":2")
        .into_bytes();
    assert_eq!(
        assert(&passkey, &asked, &site(), &client, NOW_MS),
        Err(Wrong::Signature),
        "what was signed changed"
    );
}

/// Every flip and every cut of what a browser hands over is refused or read as before; nothing panics.
#[test]
fn damaged_answers_are_refused() {
    let mut device = Device::new(false);
    let passkey = registered(&device);
    device.counter = 5;
    let asked = challenge(6);
    let (created, answer) = (device.creates(&asked), device.asserts(&asked));
    for at in 0..created.attestation.len() {
        for bit in 0..8 {
            let mut damaged = created.clone();
            damaged.attestation[at] ^= 1 << bit;
            let _ = register(&asked, &site(), &damaged, NOW_MS);
        }
        let mut cut = created.clone();
        cut.attestation.truncate(at);
        assert!(register(&asked, &site(), &cut, NOW_MS).is_err(), "cut at {at}");
    }
    for at in 0..answer.authenticator_data.len() {
        let mut damaged = answer.clone();
        damaged.authenticator_data[at] ^= 1;
        assert!(
            assert(&passkey, &asked, &site(), &damaged, NOW_MS).is_err(),
            "octet {at}"
        );
    }
    for at in 0..answer.signature.len() {
        let mut damaged = answer.clone();
        damaged.signature[at] ^= 1;
        assert!(
            assert(&passkey, &asked, &site(), &damaged, NOW_MS).is_err(),
            "octet {at}"
        );
    }
    let mut long = answer.clone();
    long.client_data = vec![b' '; ANSWER_BYTES_MAX + 1];
    assert_eq!(
        assert(&passkey, &asked, &site(), &long, NOW_MS),
        Err(Wrong::Malformed("too long"))
    );
    // Lists in lists in lists.
    let deep = Created {
        attestation: vec![0x81; 60_000],
        ..created
    };
    assert_eq!(
        register(&asked, &site(), &deep, NOW_MS).err(),
        Some(Wrong::Malformed("no CBOR"))
    );
}

#[test]
fn octets_travel_as_letters() {
    for (octets, letters) in [
        (&b""[..], ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (&[0xFB, 0xFF], "-_8"),
    ] {
        assert_eq!(base64url(octets), letters);
        assert_eq!(from_base64url(letters).as_deref(), Some(octets));
    }
    for wrong in ["Z", "Zg==", "Zh", "Zm9v Yg", "Z+"] {
        assert_eq!(from_base64url(wrong), None, "{wrong}");
    }
}
