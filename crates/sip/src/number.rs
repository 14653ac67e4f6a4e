//! Telephone numbers: what a URI's user part says, as E.164 (RFC 3966, RFC 3261 §19.1.6), and what may never be dialled.
//!
//! Trunks write numbers in every dress: `+15125550142`, `15125550142`, `5125550142`, `(512) 555-0142`, `0115125550142`,
//! `tel:555-0142;phone-context=+1512`. [`e164`] makes one form of all of them, or says that there is no number. A caller's
//! number is [`Phi`] from here on.
//!
//! One thing to know: whoever places a call asks [`outbound`] first, for every call. A medical practice's machine that rings
//! 911 by mistake sends an ambulance to a server room.

use phi::Phi;

use crate::message::{Scheme, Uri};

/// Digits of a number, country code included (ITU-T E.164 §6).
pub const DIGITS_MAX: usize = 15;
/// Fewer digits than any country's subscriber has; a shorter one is a service of the network.
pub const DIGITS_MIN: usize = 7;
/// Bytes of a user part looked at.
pub const TEXT_BYTES_MAX: usize = 256;

/// How numbers are dialled where a trunk is at home: what turns a national form into an international one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub name: &'static str,
    /// The country calling code.
    code: &'static str,
    /// What is dialled before an international number.
    international: &'static str,
    /// What is dialled before a national number and is no part of it; empty where there is no such thing.
    trunk: &'static str,
    /// How many digits a national number has.
    digits: (usize, usize),
}

/// The North American Numbering Plan, which a row below is for each country that is asked for by name.
const fn nanp(name: &'static str) -> Country {
    country(name, "1", "011", "1", (10, 10))
}

const fn country(
    name: &'static str,
    code: &'static str,
    international: &'static str,
    trunk: &'static str,
    digits: (usize, usize),
) -> Country {
    Country {
        name,
        code,
        international,
        trunk,
        digits,
    }
}

impl Country {
    /// The United States, where this product is at home.
    pub const US: Country = nanp("US");

    /// Every country that can be named.
    pub const ALL: &'static [Country] = &[
        Self::US,
        nanp("CA"),
        nanp("PR"),
        country("AT", "43", "00", "0", (4, 13)),
        country("AU", "61", "0011", "0", (9, 9)),
        country("BE", "32", "00", "0", (8, 9)),
        country("CH", "41", "00", "0", (9, 9)),
        country("DE", "49", "00", "0", (5, 13)),
        country("ES", "34", "00", "", (9, 9)),
        country("FR", "33", "00", "0", (9, 9)),
        country("GB", "44", "00", "0", (9, 10)),
        country("IE", "353", "00", "0", (7, 9)),
        country("IL", "972", "00", "0", (8, 9)),
        country("IN", "91", "00", "0", (10, 10)),
        // The zero of an Italian number stays.
        country("IT", "39", "00", "", (6, 11)),
        country("MX", "52", "00", "", (10, 10)),
        country("NL", "31", "00", "0", (9, 9)),
        country("NZ", "64", "00", "0", (8, 10)),
    ];

    /// By its two letters.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|country| country.name.eq_ignore_ascii_case(name))
            .copied()
    }

    const fn is_nanp(&self) -> bool {
        matches!(self.code.as_bytes(), [b'1'])
    }
}

/// The number a URI names, as `+` and digits. `None` when it names none, or one that only means something elsewhere: a
/// short code, an extension, letters.
pub fn e164(uri: &Uri, home: Country) -> Option<Phi<String>> {
    let dialled = Dialled::of(uri)?;
    let number = dialled.international(home)?;
    is_subscriber(&number).then(|| Phi::new(number))
}

/// The same of a text that is no URI: what a file or a person wrote.
pub fn e164_of(text: &str, home: Country) -> Option<Phi<String>> {
    let number = Dialled::read(text, None)?.international(home)?;
    is_subscriber(&number).then(|| Phi::new(number))
}

/// How a trunk wants numbers written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// `+15125550142`.
    #[default]
    Plus,
    /// `15125550142`.
    Bare,
    /// `5125550142`: as dialled at home; numbers elsewhere with the country code, without the plus.
    National,
}

impl Format {
    /// An E.164 number in this form; anything else as it is.
    pub fn write(self, number: &str, home: Country) -> Phi<String> {
        let bare = number.strip_prefix('+').unwrap_or(number);
        Phi::new(match self {
            Format::Plus => number.to_owned(),
            Format::Bare => bare.to_owned(),
            Format::National => bare.strip_prefix(home.code).unwrap_or(bare).to_owned(),
        })
    }
}

/// Why a number is never dialled. It says nothing of the number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Barred {
    /// 911 and its like anywhere, and the test number 933.
    #[error("an emergency number")]
    Emergency,
    /// 211 to 811.
    #[error("a service number of the telephone network")]
    Service,
    /// 988 where the trunk has not been proved to complete it.
    #[error("the crisis line, which this trunk is not proved to reach")]
    CrisisLine,
    /// Numbers that cost whoever calls them.
    #[error("a premium-rate number")]
    Premium,
    /// Nothing that could be a subscriber's number.
    #[error("no telephone number")]
    NoNumber,
}

/// Whether 988 may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CrisisLine {
    /// No.
    #[default]
    Barred,
    /// The preset says that the trunk completes it, and a test call has proved it.
    Proved,
}

/// Emergency numbers, wherever they are dialled: who forwards a call abroad may have any of them programmed.
const EMERGENCY: [&str; 12] = [
    "911", "933", "112", "999", "000", "110", "111", "113", "115", "118", "119", "990",
];

/// What may be dialled, in the form it is dialled in: an E.164 number, or 988 where that is allowed. **Every call we place
/// passes here**; where the number comes from (only a practice's file) is the caller's to see to.
pub fn outbound(uri: &Uri, home: Country, crisis_line: CrisisLine) -> Result<Phi<String>, Barred> {
    if let Scheme::Other(scheme) = &uri.scheme {
        let service = uri.user.as_ref().map(|user| user.expose().to_ascii_lowercase());
        // RFC 5031: `urn:service:sos`, `urn:service:sos.ambulance` …
        let sos = &**scheme == "urn" && service.is_some_and(|service| service.starts_with("service:sos"));
        return Err(if sos { Barred::Emergency } else { Barred::NoNumber });
    }
    judge(Dialled::of(uri), home, crisis_line)
}

/// The same of a text that is no URI.
pub fn outbound_of(text: &str, home: Country, crisis_line: CrisisLine) -> Result<Phi<String>, Barred> {
    judge(Dialled::read(text, None), home, crisis_line)
}

fn judge(dialled: Option<Dialled>, home: Country, crisis_line: CrisisLine) -> Result<Phi<String>, Barred> {
    let dialled = dialled.ok_or(Barred::NoNumber)?;
    if let Some(barred) = dialled.service(home) {
        return match (barred, crisis_line) {
            (Barred::CrisisLine, CrisisLine::Proved) if !dialled.plus && dialled.digits == "988" => {
                Ok(Phi::new(dialled.digits))
            }
            _ => Err(barred),
        };
    }
    let number = dialled.international(home).ok_or(Barred::NoNumber)?;
    if let Some(nanp) = number.strip_prefix("+1") {
        let (area, rest) = nanp.split_at(nanp.len().min(3));
        // 976 is an exchange of every area, 900 an area of its own.
        if area == "900" || rest.starts_with("976") {
            return Err(Barred::Premium);
        }
        if area == "911" || rest.starts_with("911") {
            return Err(Barred::Emergency);
        }
        if is_n11(area) {
            return Err(Barred::Service);
        }
    }
    if is_subscriber(&number) {
        Ok(Phi::new(number))
    } else {
        Err(Barred::NoNumber)
    }
}

/// What was dialled: whether internationally, and the digits. It is a number, so it is never printed.
struct Dialled {
    plus: bool,
    digits: String,
}

impl Dialled {
    /// From a URI: `tel:`, or the user part of `sip:` and `sips:`, with the parameters that stand in either.
    fn of(uri: &Uri) -> Option<Self> {
        if matches!(uri.scheme, Scheme::Other(_)) {
            return None;
        }
        let user = uri.user_text()?.into_exposed();
        // RFC 3261 §19.1.6: what is a parameter of `tel:` is part of the user in `sip:`.
        let (number, params) = user.split_once(';').unwrap_or((&user, ""));
        let within = params.split(';').find_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.eq_ignore_ascii_case("phone-context").then_some(value)
        });
        Self::read(number, within.or(uri.param("phone-context")))
    }

    /// RFC 3966 §5.1.1: visual separators mean nothing; §5.1.5: a context of digits stands before a local number.
    fn read(number: &str, context: Option<&str>) -> Option<Self> {
        if number.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (plus, mut digits) = bare(number)?;
        if plus || digits.is_empty() {
            return (!digits.is_empty()).then_some(Self { plus, digits });
        }
        // A context that is a domain says whose number it is, and not which: it is read as dialled at home.
        if let Some((true, mut prefix)) = context.filter(|own| own.len() <= TEXT_BYTES_MAX).and_then(bare) {
            prefix.push_str(&digits);
            digits = prefix;
            return Some(Self { plus: true, digits });
        }
        Some(Self { plus, digits })
    }

    /// `+` and digits, whatever they are.
    fn international(&self, home: Country) -> Option<String> {
        let Self { plus, digits } = self;
        if *plus {
            return Some(format!("+{digits}"));
        }
        if let Some(abroad) = digits.strip_prefix(home.international) {
            return Some(format!("+{abroad}"));
        }
        let (fewest, most) = home.digits;
        let national = |digits: &str| {
            let fits = (fewest..=most).contains(&digits.len());
            fits.then(|| format!("+{}{digits}", home.code))
        };
        // Where there is a prefix it tells; where there is none, the length does. E.164 without its plus is what is left.
        let prefixed = (!home.trunk.is_empty())
            .then(|| digits.strip_prefix(home.trunk))
            .flatten();
        if let Some(number) = prefixed.and_then(national) {
            return Some(number);
        }
        if let Some(number) = digits
            .strip_prefix(home.code)
            .filter(|_| digits.len() > most)
            .and_then(national)
        {
            return Some(number);
        }
        if (home.is_nanp() || home.trunk.is_empty())
            && let Some(number) = national(digits)
        {
            return Some(number);
        }
        // Carriers that write E.164 without a plus write other countries' numbers so too; eleven digits or more are no
        // national number of a plan that has ten.
        (digits.len() > most.max(10) && !digits.starts_with('0')).then(|| format!("+{digits}"))
    }

    /// A number of the network itself, in any of the forms in which a switch would still hear it.
    fn service(&self, home: Country) -> Option<Barred> {
        let digits = self.digits.as_str();
        let without = |prefix: &str| digits.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        // As it is, with its country code, with a long-distance prefix, as if international, behind the `9` of an office.
        let forms = [
            Some(digits),
            without(home.code),
            without(home.trunk),
            without(home.international),
            without("9"),
        ];
        let mut found = None;
        for form in forms.into_iter().flatten() {
            let barred = if EMERGENCY.contains(&form) {
                Barred::Emergency
            } else if form == "988" {
                Barred::CrisisLine
            } else if form.len() == 3 && is_n11(form) {
                Barred::Service
            } else {
                continue;
            };
            if barred == Barred::Emergency {
                return Some(barred);
            }
            found = found.or(Some(barred));
        }
        found
    }
}

/// Whether it is international, and the digits. Letters, `*`, `#` and anything else make it no number.
fn bare(text: &str) -> Option<(bool, String)> {
    let text = text.trim_matches([' ', '\t']);
    let (plus, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut digits = String::with_capacity(rest.len());
    for char in rest.chars() {
        match char {
            '0'..='9' => digits.push(char),
            '-' | '.' | '(' | ')' | ' ' | '/' => {}
            _ => return None,
        }
    }
    Some((plus, digits))
}

/// `+` and a number somebody could have.
fn is_subscriber(number: &str) -> bool {
    let Some(digits) = number.strip_prefix('+') else {
        return false;
    };
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) || digits.starts_with('0') {
        return false;
    }
    match digits.strip_prefix('1').map(str::as_bytes) {
        // NPA and NXX of the North American plan begin with 2 to 9.
        Some(nanp) => nanp.len() == 10 && matches!(nanp, [b'2'..=b'9', _, _, b'2'..=b'9', ..]),
        None => true,
    }
}

fn is_n11(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'2'..=b'9', b'1', b'1'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(uri: &str, home: &str) -> Option<String> {
        let home = Country::named(home).expect("a country");
        e164(&Uri::parse(uri).expect("a URI"), home).map(Phi::into_exposed)
    }

    #[test]
    fn one_number_in_every_dress() {
        for uri in [
            "sip:+15125550142@carrier.example;user=phone",
            "sip:15125550142@carrier.example",
            "sip:5125550142@carrier.example",
            "sips:+1-512-555-0142@carrier.example",
            "sip:%2B15125550142@carrier.example",
            "sip:(512)555-0142@carrier.example",
            "sip:+1.512.555.0142@192.0.2.1",
            "sip:+15125550142;verstat=TN-Validation-Passed@carrier.example",
            "sip:5550142;phone-context=+1512@carrier.example",
            "sip:5125550142;phone-context=example.com@carrier.example",
            "sip:01115125550142@carrier.example",
            "tel:+1-512-555-0142",
            "tel:+15125550142;ext=12",
            "tel:555-0142;phone-context=+1-512",
            "tel:5125550142;phone-context=carrier.example",
        ] {
            assert_eq!(number(uri, "US").as_deref(), Some("+15125550142"), "{uri}");
        }
    }

    #[test]
    fn home_decides_what_a_national_form_means() {
        for (home, uri, expected) in [
            ("GB", "sip:01632960001@x.example", Some("+441632960001")),
            ("GB", "sip:00441632960001@x.example", Some("+441632960001")),
            ("GB", "sip:441632960001@x.example", Some("+441632960001")),
            ("US", "sip:441632960001@x.example", Some("+441632960001")),
            ("US", "sip:011441632960001@x.example", Some("+441632960001")),
            ("DE", "sip:03023125001@x.example", Some("+493023125001")),
            ("AU", "sip:0011441632960001@x.example", Some("+441632960001")),
            ("IT", "sip:0612345678@x.example", Some("+390612345678")),
            ("ES", "sip:910123456@x.example", Some("+34910123456")),
            // Seven digits are a local number, and nobody said where.
            ("US", "sip:5550142@x.example", None),
            ("US", "sip:+1555@x.example", None),
            ("US", "sip:+11125550142@x.example", None),
            ("US", "sip:+0123456789@x.example", None),
            ("US", "sip:+1234567890123456@x.example", None),
        ] {
            assert_eq!(number(uri, home).as_deref(), expected, "{home} {uri}");
        }
        assert_eq!(Country::named("gb").map(|country| country.name), Some("GB"));
        assert_eq!(Country::named("XX"), None);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for uri in [
            "sip:anonymous@anonymous.invalid",
            "sip:carrier.example",
            "sip:911@carrier.example",
            "sip:*67@carrier.example",
            "sip:%00@carrier.example",
            "sip:+@carrier.example",
            "sip:+1512555O142@carrier.example",
            "sip:%EF%BC%91%EF%BC%92@carrier.example",
            "tel:*67",
            "urn:service:sos",
        ] {
            assert_eq!(number(uri, "US"), None, "{uri}");
        }
        assert_eq!(e164_of(&"1".repeat(10_000), Country::US), None);
        assert_eq!(
            e164_of("(512) 555-0142", Country::US),
            Some(Phi::new("+15125550142".into()))
        );
        assert_eq!(e164_of("", Country::US), None);
    }

    #[test]
    fn a_trunk_gets_the_form_it_wants() {
        let written = |format: Format, number| format.write(number, Country::US).into_exposed();
        assert_eq!(written(Format::Plus, "+15125550142"), "+15125550142");
        assert_eq!(written(Format::Bare, "+15125550142"), "15125550142");
        assert_eq!(written(Format::National, "+15125550142"), "5125550142");
        assert_eq!(written(Format::National, "+441632960001"), "441632960001");
        assert_eq!(written(Format::National, "988"), "988");
    }

    fn verdict(uri: &str, home: &str, crisis_line: CrisisLine) -> Result<String, Barred> {
        let home = Country::named(home).expect("a country");
        outbound(&Uri::parse(uri).expect("a URI"), home, crisis_line).map(Phi::into_exposed)
    }

    #[test]
    fn emergency_and_service_numbers_are_never_dialled() {
        use Barred::{CrisisLine as Crisis, Emergency, NoNumber, Premium, Service};
        for (uri, barred) in [
            ("sip:911@x.example", Emergency),
            ("sip:9-1-1@x.example", Emergency),
            ("sip:%39%31%31@x.example", Emergency),
            ("sip:+911@x.example", Emergency),
            ("sip:1911@x.example", Emergency),
            ("sip:+1911@x.example", Emergency),
            ("sip:9911@x.example", Emergency),
            ("sip:011911@x.example", Emergency),
            ("sip:911;phone-context=+1@x.example", Emergency),
            ("tel:11;phone-context=+19", Emergency),
            ("tel:911;phone-context=carrier.example", Emergency),
            ("sip:+19115550142@x.example", Emergency),
            ("sip:+15129115555@x.example", Emergency),
            ("sip:933@x.example", Emergency),
            ("sip:112@x.example", Emergency),
            ("sip:+112@x.example", Emergency),
            ("sip:999@x.example", Emergency),
            ("urn:service:sos", Emergency),
            ("urn:service:sos.ambulance", Emergency),
            ("sip:211@x.example", Service),
            ("sip:411@x.example", Service),
            ("sip:1411@x.example", Service),
            ("sip:+14115550142@x.example", Service),
            ("sip:811@x.example", Service),
            ("sip:988@x.example", Crisis),
            ("sip:1988@x.example", Crisis),
            ("sip:+19005550142@x.example", Premium),
            ("sip:15129765555@x.example", Premium),
            ("sip:5550142@x.example", NoNumber),
            ("sip:0@x.example", NoNumber),
            ("sip:*67@x.example", NoNumber),
            ("sip:x.example", NoNumber),
            ("mailto:a@x.example", NoNumber),
        ] {
            assert_eq!(verdict(uri, "US", CrisisLine::Barred), Err(barred), "{uri}");
        }
        assert_eq!(verdict("sip:999@x.example", "GB", CrisisLine::Barred), Err(Emergency));
        assert_eq!(
            verdict("sip:0044999@x.example", "GB", CrisisLine::Barred),
            Err(NoNumber)
        );
        assert_eq!(verdict("sip:44999@x.example", "GB", CrisisLine::Barred), Err(Emergency));
    }

    #[test]
    fn the_crisis_line_is_dialled_where_it_is_proved_to_answer() {
        assert_eq!(verdict("sip:988@x.example", "US", CrisisLine::Proved), Ok("988".into()));
        assert_eq!(
            verdict("sip:1988@x.example", "US", CrisisLine::Proved),
            Err(Barred::CrisisLine)
        );
        assert_eq!(
            verdict("sip:911@x.example", "US", CrisisLine::Proved),
            Err(Barred::Emergency)
        );
        assert_eq!(
            outbound_of("988", Country::US, CrisisLine::Proved),
            Ok(Phi::new("988".into()))
        );
    }

    #[test]
    fn an_ordinary_number_is_dialled_as_e164() {
        for uri in [
            "sip:5125550142@x.example",
            "tel:+1-512-555-0142",
            "sip:15125550142@x.example",
        ] {
            assert_eq!(
                verdict(uri, "US", CrisisLine::Barred),
                Ok("+15125550142".into()),
                "{uri}"
            );
        }
        // 911 inside a number is no emergency.
        assert_eq!(
            verdict("sip:5125550911@x.example", "US", CrisisLine::Barred),
            Ok("+15125550911".into())
        );
        assert_eq!(
            outbound_of("(512) 555-0142", Country::US, CrisisLine::Barred),
            Ok(Phi::new("+15125550142".into()))
        );
    }

    proptest::proptest! {
        /// Whatever is dialled, nothing short and nothing of an emergency comes out.
        #[test]
        fn nothing_short_ever_comes_out(text in "[+0-9 ().;=a-f*#-]{0,40}", context in "[+0-9a-z.]{0,8}") {
            for home in Country::ALL {
                let uri = Uri::sip(Some(&format!("{text};phone-context={context}")), crate::message::Host::Absent, None);
                let verdicts = [
                    outbound(&uri, *home, CrisisLine::Barred),
                    outbound_of(&text, *home, CrisisLine::Barred),
                ];
                for number in verdicts.into_iter().flatten() {
                    let digits = number.expose().strip_prefix('+').expect("E.164").to_owned();
                    proptest::prop_assert!((DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()));
                    proptest::prop_assert!(!digits.starts_with("1911") && !digits.starts_with('0'));
                }
            }
        }
    }
}
