//! Key files: what one writes another reads, and nothing else.

use proptest::prelude::*;
use seal::keys::{KEY_FILE_MAX, hex, unhex};
use seal::{BookKey, Fault, RecipientPublic, RecipientSecret, Signer, Verifier};

fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |out| {
        for octet in out {
            *octet = next;
            next = next.wrapping_add(1);
        }
    }
}

#[test]
fn each_kind_goes_through_its_file() {
    let secret = RecipientSecret::generate(3, &mut counting());
    let again = RecipientSecret::from_bytes(&secret.to_bytes()).expect("its own file");
    assert_eq!(again.public(), secret.public());
    assert_eq!(again.public().epoch(), 3);
    assert_eq!(
        RecipientPublic::from_bytes(&secret.public().to_bytes()).expect("its own file"),
        secret.public()
    );

    let signer = Signer::generate(&mut counting());
    let verifier = Verifier::from_bytes(&signer.verifier().to_bytes()).expect("its own file");
    let signature = Signer::from_bytes(&signer.to_bytes())
        .expect("its own file")
        .sign(b"rows");
    assert_eq!(verifier.check(b"rows", &signature), Ok(()));
    assert_eq!(verifier.check(b"rows!", &signature), Err(Fault::RefusedSignature));

    let key = BookKey::generate(&mut counting());
    let again = BookKey::from_bytes(&key.to_bytes()).expect("its own file");
    let mut body = b"details".to_vec();
    key.segment(&[1; 32]).seal(9, b"clear", &mut body).expect("short");
    assert!(
        again.segment(&[2; 32]).open(9, b"clear", &mut body.clone()).is_err(),
        "another segment"
    );
    assert!(
        again.segment(&[1; 32]).open(8, b"clear", &mut body.clone()).is_err(),
        "another number"
    );
    assert!(
        again.segment(&[1; 32]).open(9, b"cleared", &mut body.clone()).is_err(),
        "other words in the clear"
    );
    assert_eq!(
        again.segment(&[1; 32]).open(9, b"clear", &mut body).expect("the same"),
        b"details"
    );
}

const VERIFY_FILE: &str = "\
nightdesk-key 1 book-verify
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
check 378675ca
";

/// RFC 8032 §7.1, TEST 1, by way of our key file.
#[test]
fn a_published_signature() {
    let seed: [u8; 32] = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").expect("hex");
    let signer = Signer::generate(&mut |out| out.copy_from_slice(&seed));
    let file = String::from_utf8(signer.verifier().to_bytes()).expect("text");
    assert_eq!(file, VERIFY_FILE);
    assert_eq!(
        hex(&signer.sign(b"")),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    );
}

#[test]
fn a_key_of_another_kind_is_named() {
    let secret = RecipientSecret::generate(0, &mut counting());
    let other = Fault::MalformedKey("a key of another kind");
    assert_eq!(RecipientPublic::from_bytes(&secret.to_bytes()).err(), Some(other));
    assert_eq!(
        RecipientSecret::from_bytes(&secret.public().to_bytes()).err(),
        Some(other)
    );
    assert_eq!(BookKey::from_bytes(&secret.to_bytes()).err(), Some(other));
    assert_eq!(
        Signer::from_bytes(&BookKey::generate(&mut counting()).to_bytes()).err(),
        Some(other)
    );
}

/// Any octet of a key file changed, or its end missing: refused, at the start of the program.
#[test]
fn a_damaged_key_file_is_refused() {
    let file = RecipientSecret::generate(12, &mut counting()).to_bytes();
    for place in 0..file.len() - 1 {
        let mut damaged = file.to_vec();
        damaged[place] ^= 1;
        assert!(RecipientSecret::from_bytes(&damaged).is_err(), "octet {place}");
        assert!(RecipientSecret::from_bytes(&file[..place]).is_err(), "cut at {place}");
    }
    assert!(RecipientSecret::from_bytes(&[b'\n'; KEY_FILE_MAX + 1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(RecipientSecret::from_bytes(&bytes).is_err());
        let text = [b"nightdesk-key 1 ".as_slice(), &bytes].concat();
        prop_assert!(BookKey::from_bytes(&text).is_err());
    }

    #[test]
    fn digits_go_there_and_back(bytes in any::<[u8; 32]>()) {
        prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
    }
}
