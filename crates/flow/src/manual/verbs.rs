//! The verbs and what stands beside them (§4).

use super::{Entry, Holds, Kind, Takes, Verb, key, may, must, named, one_of, words};

const SECTION: Holds = named(Kind::Section);
const OR_SECTION: Holds = Holds::One(Takes::ContinueOrSection);

/// What any step may carry.
pub const IF: Entry = may(
    "if",
    Holds::One(Takes::Condition),
    "The step is done only when this holds. An unknown value counts as no.",
);

const CHOICE: &[Entry] = &[
    must(
        "for",
        words("a prescription refill"),
        "What the key is for. Callers hear it: “For a prescription refill, press 2.”",
    ),
    may("go to", SECTION, "The section this key leads to."),
    may(
        "remember",
        words("age group is over 2 years"),
        "A plain fact for later conditions.",
    ),
];

const IF_NO_ANSWER: Entry = may(
    "if no answer",
    SECTION,
    "Where the call goes when the caller presses nothing. Without it: `every question: then`.",
);

/// A verb by its name.
pub fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

const fn bare(name: &'static str, does: &'static str) -> Verb {
    Verb {
        name,
        after: None,
        bare: true,
        beside: &[],
        does,
    }
}

const fn does(name: &'static str, after: Holds, beside: &'static [Entry], does: &'static str) -> Verb {
    Verb {
        name,
        after: Some(after),
        bare: false,
        beside,
        does,
    }
}

/// Every verb, in the order of the specification.
pub const VERBS: &[Verb] = &[
    bare("answer", "Picks up. The call's clock starts."),
    does(
        "say",
        words("Thank you for calling."),
        &[may(
            "can be skipped",
            one_of(&["yes", "no"]),
            "Whether a key ends the sentence (yes, unless it holds a number or a deadline).",
        )],
        "Says a sentence, in the caller's language.",
    ),
    does(
        "play",
        words("welcome.wav"),
        &[must(
            "words",
            words("Welcome to our practice."),
            "The same in words: said when the file cannot be played, and what tests and translations go by.",
        )],
        "Plays a sound file of `words/`.",
    ),
    Verb {
        name: "emergency notice",
        after: Some(one_of(&["general", "behavioral health", "obstetric"])),
        bare: true,
        beside: &[],
        does: "Says the approved notice to hang up and call 911, in every language of the practice. It cannot be skipped.",
    },
    bare(
        "choose language",
        "Offers one key for each language, each said in its own, and remembers the choice.",
    ),
    bare(
        "ask permission to record",
        "Asks; no answer is a no. The sealed recording starts only on yes, and a no costs the caller nothing.",
    ),
    does(
        "menu",
        words("How can we help?"),
        &[
            key(
                "press ",
                Holds::Map(CHOICE),
                "A key, what callers hear of it, and where it leads.",
            ),
            IF_NO_ANSWER,
        ],
        "Asks a question and says what each key is for; the words are made from the keys, so they cannot disagree.",
    ),
    does(
        "ask yes or no",
        words("Can this wait until our office opens?"),
        &[
            must("if yes", SECTION, "Where 1 leads."),
            must("if no", SECTION, "Where 2 leads."),
            IF_NO_ANSWER,
        ],
        "Asks a question that 1 (yes) or 2 (no) answers.",
    ),
    does(
        "ask",
        named(Kind::Field),
        &[IF_NO_ANSWER],
        "Asks for one detail of the library.",
    ),
    does(
        "triage",
        named(Kind::ProtocolFile),
        &[
            must(
                "if emergency",
                SECTION,
                "Where a caller in an emergency goes; say 911 there.",
            ),
            must("if urgent", SECTION, "Where a caller goes who needs a doctor now."),
            must("if semi-urgent", SECTION, "Where a caller goes who needs a nurse soon."),
            must("if routine", SECTION, "Where a caller goes whose answers are all no."),
        ],
        "Asks the questions of a protocol in order. The first yes decides; silence is never taken for a no.",
    ),
    bare(
        "tell the caller to call 911",
        "Says it twice in fixed words and offers nothing else. The line stays open 20 seconds for a key.",
    ),
    does(
        "collect",
        named(Kind::Message),
        &[],
        "Asks for the details of a message. Two silences end the asking.",
    ),
    does(
        "take message",
        named(Kind::Message),
        &[],
        "Asks for the details, keeps them durably, and delivers them.",
    ),
    does(
        "take refill",
        named(Kind::Message),
        &[must(
            "controlled medicine",
            one_of(&["doctor reviews"]),
            "A controlled medicine goes to a doctor; the language offers no other choice.",
        )],
        "Asks for the details of a refill, and whether the medicine is a controlled one.",
    ),
    does(
        "record a message",
        words("up to 3 minutes"),
        &[],
        "A tone, then the caller's voice until silence or the pound key; five minutes is the most.",
    ),
    does(
        "find patient by",
        Holds::List(Takes::OneOf(&[
            "caller number",
            "date of birth",
            "medical record number",
        ])),
        &[must(
            "if not found",
            SECTION,
            "Where the call goes when nobody matches, and when records are down.",
        )],
        "Looks the caller up in the records by two details or more.",
    ),
    does(
        "offer appointments",
        Holds::List(Takes::OneOf(&["book", "move", "cancel"])),
        &[
            may(
                "visit types",
                Holds::List(Takes::Words("office visit")),
                "Which kinds of visit may be arranged, in the records' own words; one alone is not asked for.",
            ),
            may("within", words("14 days"), "How far ahead."),
            may(
                "if nothing fits",
                SECTION,
                "Where the call goes when no time suits the caller; without it, as when records are down.",
            ),
            must(
                "if records are down",
                SECTION,
                "Where the call goes when the records system cannot be reached.",
            ),
        ],
        "Offers open times, and books, moves or cancels.",
    ),
    does(
        "escalate to",
        named(Kind::Ladder),
        &[
            may("about", named(Kind::Message), "The message whoever accepts is told of."),
            may(
                "while waiting",
                one_of(&["calm words", "hold music", "quiet"]),
                "What the caller hears between the words that come every 15 seconds.",
            ),
            may(
                "meanwhile ask",
                Holds::List(Takes::Named(Kind::Field)),
                "Details asked for while telephones ring.",
            ),
            key("or press ", Holds::Map(CHOICE), "One key that leaves the waiting."),
            may(
                "if accepted",
                one_of(&["connect them", "they call back"]),
                "What happens when somebody presses the accept key.",
            ),
            must(
                "if no one accepts",
                OR_SECTION,
                "`continue`, or a section that tells the caller what to do.",
            ),
            may(
                "if the caller hangs up",
                one_of(&["keep going, and call back", "stop"]),
                "Whether the ladder goes on; whoever accepts is then offered the number to call back.",
            ),
        ],
        "Rings people in the ladder's order until one presses the accept key; a voicemail cannot.",
    ),
    does(
        "connect to",
        named(Kind::PersonOrLine),
        &[
            may("ring for", words("30 seconds"), "How long it rings."),
            may(
                "show",
                one_of(&["practice number", "caller number"]),
                "Whose number is shown there.",
            ),
            must(
                "if no answer",
                OR_SECTION,
                "`continue`, or where the caller goes when nobody answers.",
            ),
        ],
        "Connects the caller to one person or line, and gets them back if nobody answers.",
    ),
    does(
        "transfer to",
        named(Kind::PersonOrLine),
        &[],
        "Hands the call over and forgets it. `connect to` gets the caller back when nobody answers.",
    ),
    does(
        "notify",
        named(Kind::InboxOrLadder),
        &[must(
            "saying",
            words("A caller to {practice} was told to call 911."),
            "The notice; nothing about the patient may stand in it.",
        )],
        "Tells somebody, without any detail of the caller.",
    ),
    does(
        "remember",
        words("age group is over 2 years"),
        &[],
        "Keeps a plain fact for later conditions of this call.",
    ),
    does(
        "use",
        named(Kind::Piece),
        &[
            must(
                "version",
                words("1"),
                "The piece's version, so that it cannot change unseen.",
            ),
            may(
                "with",
                Holds::Map(&[super::own(
                    "what the piece needs",
                    words("doctor on call"),
                    "What this flow gives the piece for it.",
                )]),
                "What the piece is told.",
            ),
        ],
        "Puts the steps of a shared piece here.",
    ),
    does("go to", SECTION, &[], "The call goes on in that section."),
    bare("hang up", "Ends the call."),
];
