//! Whose permission a recording needs: the law as dated data, and the strictest of everybody on the call.
//!
//! Federal law asks for one party's consent (18 U.S.C. § 2511(2)(d)); a state may ask for everybody's, and where parties are
//! in different states the stricter law may apply (Kearney v. Salomon Smith Barney, 39 Cal. 4th 95 (2006)). Nobody knows
//! where a caller stands: an area code is a hint, and no hint is taken for the stricter law. Published lists differ, so this
//! one holds every state that any of them names, and says where they do not agree.
//!
//! One thing to know: the table decides nothing alone. Every caller is asked (`ask permission to record`), whatever their
//! state; the rule says, in the record of the call, which law stood behind the question.

use std::fmt;

use phi::Phi;

use crate::area;

/// When the table was last gone through, and by whom that may give legal advice: nobody yet.
pub const READ: &str = "2026-11-21";

/// A state whose law asks, or is said to ask, for everybody's consent to record a telephone call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// The state.
    pub state: &'static str,
    /// Where the law stands.
    pub statute: &'static str,
    /// Where published lists do not agree, and what about.
    pub disputed: Option<&'static str>,
}

/// Every such state. One that is not here asks for one party's consent.
pub const ALL_PARTIES: [Law; 14] = [
    law("California", "Cal. Penal Code §§ 632, 632.7"),
    disputed(
        "Connecticut",
        "Conn. Gen. Stat. § 52-570d",
        "a civil statute; the criminal one (§ 53a-187) asks for one party",
    ),
    disputed(
        "Delaware",
        "Del. Code tit. 11, § 1335(a)(4)",
        "tit. 11, § 2402(c)(4) asks for one party; left out of some lists",
    ),
    law("Florida", "Fla. Stat. § 934.03(2)(d)"),
    law("Illinois", "720 Ill. Comp. Stat. 5/14-2"),
    law("Maryland", "Md. Code, Cts. & Jud. Proc. § 10-402(c)(3)"),
    law("Massachusetts", "Mass. Gen. Laws ch. 272, § 99"),
    disputed(
        "Michigan",
        "Mich. Comp. Laws § 750.539c",
        "a party to the call may record it (Sullivan v. Gray, 1982)",
    ),
    law("Montana", "Mont. Code § 45-8-213"),
    disputed(
        "Nevada",
        "Nev. Rev. Stat. § 200.620",
        "read as asking everybody since Lane v. Allstate (1998)",
    ),
    law("New Hampshire", "N.H. Rev. Stat. § 570-A:2"),
    disputed(
        "Oregon",
        "Or. Rev. Stat. § 165.540",
        "everybody in person, one party by telephone",
    ),
    law("Pennsylvania", "18 Pa. Cons. Stat. §§ 5703, 5704(4)"),
    law("Washington", "Wash. Rev. Code § 9.73.030"),
];

const fn law(state: &'static str, statute: &'static str) -> Law {
    Law {
        state,
        statute,
        disputed: None,
    }
}

const fn disputed(state: &'static str, statute: &'static str, what: &'static str) -> Law {
    Law {
        state,
        statute,
        disputed: Some(what),
    }
}

/// Whose state it is that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The caller's number.
    Caller,
    /// The practice file.
    Practice,
    /// The telephone of somebody who may be connected.
    Provider,
}

/// The rule of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody must consent, by this law.
    AllParties(Whose, Law),
    /// Everybody must consent, because nobody knows which law applies.
    Unknown(Whose),
    /// One party's consent is enough wherever the parties may be.
    OneParty,
}

/// The strictest rule of everybody who may be on a call: a law that is known before one that is not, the caller's first.
pub fn rule<'a>(
    caller: Option<&Phi<String>>,
    practice: &str,
    providers: impl IntoIterator<Item = &'a Phi<String>>,
) -> Rule {
    let practice = area::STATES
        .iter()
        .map(|(state, _)| *state)
        .find(|state| *state == practice);
    let mut states = vec![
        (Whose::Caller, caller.and_then(area::state_of)),
        (Whose::Practice, practice),
    ];
    states.extend(
        providers
            .into_iter()
            .map(|number| (Whose::Provider, area::state_of(number))),
    );
    let known = states.iter().find_map(|(whose, state)| {
        let law = ALL_PARTIES.iter().find(|law| Some(law.state) == *state)?;
        Some(Rule::AllParties(*whose, *law))
    });
    let unknown = states
        .iter()
        .find(|(_, state)| state.is_none())
        .map(|(whose, _)| Rule::Unknown(*whose));
    known.or(unknown).unwrap_or(Rule::OneParty)
}

impl Rule {
    /// Whether everybody must consent.
    pub fn asks_everybody(&self) -> bool {
        !matches!(self, Self::OneParty)
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "the caller's number",
            Self::Practice => "the practice",
            Self::Provider => "a provider's telephone",
        })
    }
}

/// For the record of a call.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllParties(whose, law) => write!(f, "every party: {} ({}), by {whose}", law.state, law.statute),
            Self::Unknown(whose) => write!(f, "every party: the state of {whose} is not known"),
            Self::OneParty => f.write_str("one party (18 U.S.C. § 2511(2)(d)); every caller is asked all the same"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: &str) -> Phi<String> {
        Phi::new(number.to_owned())
    }

    /// Proves CON-02: and nobody knows is as strict as can be.
    #[test]
    fn the_strictest_of_caller_practice_and_provider_decides() {
        let (texas, washington, abroad) = (number("+15125550199"), number("+12065550188"), number("+441632960001"));
        let said = |caller: Option<&Phi<String>>, practice: &str, providers: &[&Phi<String>]| {
            rule(caller, practice, providers.iter().copied()).to_string()
        };
        let one = "one party (18 U.S.C. § 2511(2)(d)); every caller is asked all the same";
        assert_eq!(said(Some(&texas), "Texas", &[&texas]), one);
        let wash = "every party: Washington (Wash. Rev. Code § 9.73.030), by";
        assert_eq!(
            said(Some(&washington), "Texas", &[&texas]),
            format!("{wash} the caller's number")
        );
        assert_eq!(said(Some(&texas), "Washington", &[]), format!("{wash} the practice"));
        assert_eq!(
            said(Some(&texas), "Texas", &[&texas, &washington]),
            format!("{wash} a provider's telephone")
        );
        for caller in [None, Some(&abroad)] {
            assert_eq!(
                said(caller, "Texas", &[&texas]),
                "every party: the state of the caller's number is not known"
            );
        }
        assert_eq!(
            said(Some(&texas), "Atlantis", &[]),
            "every party: the state of the practice is not known"
        );
        // A law that is known says more than that one is not.
        assert_eq!(said(None, "Washington", &[]), format!("{wash} the practice"));
    }

    /// Proves CON-01: by the number they call from.
    #[test]
    fn every_area_code_of_the_fourteen_states_asks_everybody_and_no_other_does() {
        for (state, codes) in area::STATES {
            let strict = ALL_PARTIES.iter().any(|law| law.state == state);
            for code in codes {
                let caller = number(&format!("+1{code}5550123"));
                assert_eq!(rule(Some(&caller), "Texas", []).asks_everybody(), strict, "{state}");
            }
        }
        let known = |law: &Law| area::STATES.iter().any(|(state, _)| *state == law.state);
        assert!(ALL_PARTIES.iter().all(known));
    }
}
