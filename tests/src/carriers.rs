//! What the seven carriers put on the wire (integrations.md §1.3 and §1.4), as words for the scenarios of
//! `tests/sipp/presets`: how they write numbers, which codecs and methods they name, where the caller's number, its
//! verdict and the forwarding trace stand.
//!
//! One thing to know: this is the carriers' side, written from what was seen of them; what *we* do with a carrier stands
//! in the presets, and the tests bring the two together.

/// How a carrier writes a number of ours in the request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `+15125550100`
    E164,
    /// `15125550100`
    WithoutPlus,
    /// `5125550100`
    National,
}

impl Form {
    /// A number in E.164, as this carrier writes it.
    pub fn write(self, number: &str) -> String {
        let bare = number.trim_start_matches('+');
        match self {
            Self::E164 => format!("+{bare}"),
            Self::WithoutPlus => bare.to_owned(),
            Self::National => bare.strip_prefix('1').unwrap_or(bare).to_owned(),
        }
    }
}

/// What a preset says of encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS and SRTP, or no call.
    Required,
    /// TLS and SRTP where the carrier was told to.
    Preferred,
    /// Neither.
    Off,
}

/// One carrier's habits.
#[derive(Debug, Clone, Copy)]
pub struct Carrier {
    /// The name of our preset for it.
    pub preset: &'static str,
    /// Its numbers.
    pub form: Form,
    /// Numbers that it is asked to call.
    pub dials: Form,
    /// Payload types of its offer, in its order.
    pub payloads: &'static str,
    /// What they mean.
    pub codecs: &'static str,
    /// Methods it takes.
    pub allow: &'static str,
    /// Headers that say who calls; `CALLER` stands for the number.
    pub identity: &'static str,
    /// The verdict on the caller's number that these headers carry, as the book says it; empty when they carry none.
    pub verdict: &'static str,
    /// Whether its calls are encrypted: as its preset ships, unless `also` says otherwise.
    pub encryption: Encryption,
    /// Whether its calls follow our registration, as its preset ships.
    pub registers: bool,
    /// What the configuration says of it besides its preset.
    pub also: &'static str,
}

const NO_UPDATE: &str = "INVITE, ACK, CANCEL, BYE, REFER, OPTIONS, NOTIFY, INFO";
const WITH_UPDATE: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";
const MU_AND_A: &str = "a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000";

/// The carriers' key and salt, in base64, for AES_CM_128_HMAC_SHA1_80.
pub const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

/// All seven.
pub const CARRIERS: [Carrier; 7] = [
    Carrier {
        preset: "twilio",
        form: Form::E164,
        dials: Form::E164,
        payloads: "0 8 101",
        codecs: "a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=maxptime:20",
        allow: NO_UPDATE,
        identity: "P-Asserted-Identity: <sip:CALLER@pstn.example.com>\nX-Twilio-VerStat: TN-Validation-Passed-A",
        verdict: "passed A",
        encryption: Encryption::Required,
        registers: false,
        also: "",
    },
    Carrier {
        preset: "telnyx",
        form: Form::E164,
        dials: Form::E164,
        payloads: "0 8 9 18 101",
        codecs: "a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:9 G722/8000\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\n\
                 a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15",
        allow: NO_UPDATE,
        // A bare “Passed” is an A here.
        identity: "P-Asserted-Identity: <sip:CALLER@sip.example.com;verstat=TN-Validation-Passed>",
        verdict: "passed A",
        encryption: Encryption::Preferred,
        registers: false,
        also: "",
    },
    Carrier {
        preset: "bandwidth",
        form: Form::E164,
        dials: Form::E164,
        payloads: "0 18 101",
        codecs: "a=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15",
        allow: NO_UPDATE,
        identity: "P-Asserted-Identity: <sip:CALLER;verstat=TN-Validation-Passed-B@192.0.2.31>\nP-Attestation-Indicator: B\n\
                   P-Origination-ID: 3a47ca23-d7d3-446b-821d-33d5deedbed4",
        verdict: "passed B",
        encryption: Encryption::Off,
        registers: false,
        also: "",
    },
    Carrier {
        preset: "flowroute",
        form: Form::WithoutPlus,
        dials: Form::E164,
        payloads: "0 18 8 101",
        codecs: "a=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15",
        allow: NO_UPDATE,
        identity: "P-Asserted-Identity: <sip:CALLER@192.0.2.41>",
        verdict: "",
        encryption: Encryption::Off,
        registers: false,
        also: "",
    },
    Carrier {
        preset: "voipms",
        form: Form::National,
        dials: Form::National,
        payloads: "0 101",
        codecs: "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16",
        allow: NO_UPDATE,
        identity: "Remote-Party-ID: <sip:CALLER@192.0.2.51>;party=calling;privacy=off;screen=no",
        verdict: "",
        encryption: Encryption::Off,
        registers: true,
        also: "",
    },
    Carrier {
        preset: "signalwire",
        form: Form::E164,
        dials: Form::E164,
        payloads: "102 9 0 8 101 13",
        codecs: "a=rtpmap:102 opus/48000/2\na=fmtp:102 useinbandfec=1\na=rtpmap:9 G722/8000\na=rtpmap:0 PCMU/8000\n\
                 a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=rtpmap:13 CN/8000",
        allow: WITH_UPDATE,
        identity: "",
        verdict: "",
        encryption: Encryption::Required,
        registers: true,
        also: "",
    },
    Carrier {
        preset: "plivo",
        form: Form::WithoutPlus,
        dials: Form::WithoutPlus,
        payloads: "8 0 101",
        codecs: MU_AND_A,
        allow: WITH_UPDATE,
        identity: "X-Plivo-Stir-Verification: Verified",
        verdict: "passed A",
        encryption: Encryption::Required,
        registers: false,
        also: "",
    },
];

/// A sub-account of VoIP.ms with `Encrypted SIP Traffic`, set up as the steps of its preset say.
pub const VOIPMS_ENCRYPTED: Carrier = Carrier {
    encryption: Encryption::Required,
    also: "    encryption: required\n",
    ..CARRIERS[4]
};

impl Carrier {
    /// Words for a scenario in which `caller` calls `number`, both in E.164.
    pub fn words(&self, number: &str, caller: &str) -> Vec<(&'static str, String)> {
        let theirs = self.form.write(caller);
        vec![
            (
                "called",
                format!("sip:{}@[remote_ip]:[remote_port]", self.form.write(number)),
            ),
            ("caller", format!("<sip:{theirs}@carrier.example.com>")),
            ("identity", self.identity.replace("CALLER", &theirs)),
            ("headers", String::new()),
            ("allow", self.allow.to_owned()),
            ("payloads", self.payloads.to_owned()),
            ("codecs", self.codecs.to_owned()),
            ("edge", "[local_ip]:[local_port]".to_owned()),
            (
                "profile",
                if self.is_secure() { "RTP/SAVP" } else { "RTP/AVP" }.to_owned(),
            ),
            (
                "crypto",
                match self.is_secure() {
                    true => format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
                    false => String::new(),
                },
            ),
        ]
    }

    /// Whether its calls come by TLS with SRTP.
    pub fn is_secure(&self) -> bool {
        self.encryption != Encryption::Off
    }

    /// How its calls and ours to it travel, as the configuration has it.
    pub fn transport(&self) -> &'static str {
        if self.is_secure() { "tls" } else { "udp" }
    }

    /// Whether its Allow has UPDATE.
    pub fn has_update(&self) -> bool {
        self.allow.contains("UPDATE")
    }
}

/// The words, with one of them said differently.
pub fn but(
    mut words: Vec<(&'static str, String)>,
    name: &'static str,
    word: impl Into<String>,
) -> Vec<(&'static str, String)> {
    words.retain(|(known, _)| *known != name);
    words.push((name, word.into()));
    words
}
