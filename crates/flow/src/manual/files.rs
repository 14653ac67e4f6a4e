//! The files and what stands in them (§3).

use super::{Entry, Holds, Kind, Takes, may, must, named, one_of, own, words};

const LEVELS: &[&str] = &["emergency", "urgent", "semi-urgent", "routine"];

const APPROVAL: Entry = must(
    "clinical approval",
    Holds::Map(&[
        must(
            "by",
            words("\"Adaeze Okafor MD, medical director\""),
            "Who approved it.",
        ),
        must("on", words("2026-11-18"), "The day it was approved."),
        must("review by", words("2027-02-18"), "The day until which it holds."),
        may(
            "fingerprint",
            words("the first sixteen digits `flow check` prints"),
            "What was approved, so that a later change is seen.",
        ),
    ]),
    "Who answers for the clinical wording, and until when.",
);

const FORMAT: Entry = must("format", words("1"), "The edition of this language.");

const SECTIONS: Holds = Holds::Map(&[own(
    "section",
    Holds::Steps,
    "A part of the call: steps, one after the other. Its name is yours.",
)]);

/// A flow: what callers hear and where they go.
pub const FLOW: &[Entry] = &[
    must(
        "flow",
        words("After hours at Cedar Family Medicine"),
        "The flow's name, for reports.",
    ),
    FORMAT,
    must(
        "version",
        words("2026-11-21.1"),
        "Change it with every change callers can hear.",
    ),
    must(
        "practice",
        named(Kind::PracticeFile),
        "The practice file of this folder.",
    ),
    must(
        "spoken in",
        Holds::List(Takes::Named(Kind::Language)),
        "Languages callers can choose; each but English needs its sentence file.",
    ),
    must(
        "answers",
        Holds::Map(&[
            must("line", named(Kind::Line), "The line this flow answers."),
            must(
                "when",
                Holds::One(Takes::Condition),
                "When it answers: `any time`, `the office is closed`.",
            ),
        ]),
        "Which calls come here.",
    ),
    must(
        "owner",
        words("Marisol Vega, practice manager"),
        "Who is asked about this flow.",
    ),
    APPROVAL,
    may(
        "recording",
        one_of(&["ask first", "never"]),
        "Whether callers are asked to be recorded. Nobody is recorded without asking.",
    ),
    must(
        "every question",
        Holds::Map(&[
            may(
                "wait",
                words("6 seconds"),
                "How long a key is waited for, 2 to 30 seconds.",
            ),
            may(
                "ask again",
                words("2 times"),
                "How often a question is asked again, 1 to 3 times.",
            ),
            must(
                "then",
                named(Kind::Section),
                "Where a caller goes who presses nothing, unless the question says otherwise.",
            ),
            may("press 0", named(Kind::Section), "Where 0 leads, from every question."),
            may("press star", one_of(&["hear it again"]), "What star does."),
        ]),
        "What holds for every question of the flow.",
    ),
    must(
        "if the caller hangs up",
        one_of(&["send what we have", "send what we have, and mark it cut off"]),
        "What becomes of details a caller had given.",
    ),
    must(
        "if anything breaks",
        one_of(&["use the safety net"]),
        "What happens when the engine, a disk or a network fails.",
    ),
    must("start", named(Kind::Section), "The section the call begins in."),
    must("sections", SECTIONS, "The parts of the call."),
    may(
        "messages",
        Holds::Map(&[own(
            "message",
            Holds::Map(&[
                must(
                    "ask",
                    Holds::List(Takes::Named(Kind::Field)),
                    "The details asked for, in this order.",
                ),
                must("goes to", named(Kind::InboxOrLadder), "Who gets it."),
                may(
                    "call back by",
                    words("noon on the next business day"),
                    "The promise; callers hear it as {call back by}.",
                ),
                may("mark as", words("lab"), "A mark the inbox shows."),
                may(
                    "record audio",
                    one_of(&["encrypted", "none"]),
                    "Whether what callers say for it is kept as sound.",
                ),
            ]),
            "A kind of message: what is asked and who gets it. Its name is yours.",
        )]),
        "The kinds of message callers can leave.",
    ),
    must(
        "safety net",
        Holds::Steps,
        "What a caller gets when anything is broken. It needs no disk, database or internet.",
    ),
];

/// A protocol: triage questions in order.
pub const PROTOCOL: &[Entry] = &[
    must("protocol", words("Adult symptoms"), "The protocol's name, for reports."),
    FORMAT,
    must("version", words("4"), "Change it with every change of a question."),
    must("for", words("adults, 18 and older"), "Whom it is for."),
    must(
        "source",
        words("the guideline and its edition"),
        "Where the questions come from.",
    ),
    APPROVAL,
    may("emergency", QUESTIONS, "Questions whose yes means: call 911 now."),
    may("urgent", QUESTIONS, "Questions whose yes means: a doctor now."),
    may("semi-urgent", QUESTIONS, "Questions whose yes means: a nurse soon."),
    must(
        "if every answer is no",
        one_of(LEVELS),
        "The level of a caller whose answers are all no.",
    ),
    must(
        "if an answer is unclear",
        one_of(LEVELS),
        "The level of a caller who is silent or unclear: urgent or emergency.",
    ),
];

const QUESTIONS: Holds = Holds::Eithers(
    Takes::Words("Is there chest pain or pressure, or trouble breathing?"),
    &[
        must(
            "ask",
            words("Is the soft spot bulging?"),
            "The question; yes must be the worse answer.",
        ),
        may(
            "id",
            words("soft spot"),
            "A name for reports that outlives a change of the words.",
        ),
        may("only if", Holds::One(Takes::Condition), "Asked only when this holds."),
    ],
);

/// A shared piece.
pub const SHARED: &[Entry] = &[
    must("shared", words("Poison Control"), "The piece's name, for reports."),
    FORMAT,
    must("version", words("1"), "Flows name it; change it with every change."),
    may(
        "needs",
        Holds::List(Takes::Words("the ladder")),
        "What a flow must say beside `with:`.",
    ),
    must("sections", SECTIONS, "Its sections; a flow uses one of them."),
];

const NUMBERS: Holds = Holds::Map(&[own("line", words("+1 512 555 0100"), "A number with its country.")]);

/// The practice: what changes with people and not with releases.
pub const PRACTICE: &[Entry] = &[
    must("practice", words("Cedar Family Medicine"), "The name callers hear."),
    FORMAT,
    must(
        "state",
        words("Texas"),
        "The state; it decides which law of recording applies.",
    ),
    must(
        "time zone",
        words("America/Chicago"),
        "Its place in the time zone database.",
    ),
    must(
        "languages",
        Holds::List(Takes::Named(Kind::Language)),
        "Languages callers can be served in.",
    ),
    must("lines", NUMBERS, "The numbers callers dial."),
    may(
        "outside lines",
        NUMBERS,
        "Numbers of others that a flow may connect to, such as Poison Control.",
    ),
    may(
        "hours",
        Holds::Map(&[
            may("lunch", words("noon to 1:00 pm"), "When nobody answers at midday."),
            own(
                "Monday to Thursday",
                words("8:00 am to 5:00 pm"),
                "When the office is open on these days.",
            ),
        ]),
        "When the office is open.",
    ),
    may("lunch", words("noon to 1:00 pm"), "When nobody answers at midday."),
    may(
        "closed on",
        Holds::List(Takes::Words("US federal holidays")),
        "Days the office is closed: holidays, a date, `2026-12-24 from noon`, a span of dates.",
    ),
    must(
        "people",
        Holds::Map(&[own(
            "person",
            Holds::Map(&[
                must(
                    "role",
                    words("physician"),
                    "What the person is; it decides what they may see.",
                ),
                must("call", words("+1 512 555 0141"), "The telephone that rings."),
                may("page", words("wctp 5125550141"), "Another way to wake the person."),
                may("pin", words("\"0417\""), "Digits that must follow the accept key."),
            ]),
            "Somebody who can be reached.",
        )]),
        "Who can be reached.",
    ),
    must(
        "on call",
        Holds::Map(&[
            must(
                "if nobody is listed",
                named(Kind::Person),
                "Who answers for every gap in the schedule.",
            ),
            may(
                "raise an alarm",
                words("48 hours before a gap, or when a feed is 6 hours old"),
                "How long ahead the practice is warned that nobody is listed; 48 hours when it does not say.",
            ),
            own(
                "role",
                Holds::Either(
                    Takes::Named(Kind::Person),
                    &[
                        must("from", words("QGenda"), "The schedule that says who is on duty."),
                        own("setting", words("CALL"), "What the schedule must be told."),
                    ],
                ),
                "Who is on duty in this role: a person, or a schedule.",
            ),
        ]),
        "Who is on duty.",
    ),
    must(
        "ladders",
        Holds::Map(&[own(
            "ladder",
            Holds::Map(&[
                must(
                    "order",
                    Holds::Maps(&[
                        must("call", named(Kind::PersonOrRole), "Who is rung at this rung."),
                        may("tries", words("2"), "How often."),
                        may("apart", words("2 minutes"), "How long between two tries."),
                        may(
                            "ring for",
                            words("25 seconds"),
                            "How long it rings, 5 seconds to 2 minutes.",
                        ),
                    ]),
                    "Who is rung, one after the other; two people at least.",
                ),
                must(
                    "they hear",
                    words("An urgent call for {practice}. Press 1 to take it now, or 2 to pass it on."),
                    "What whoever picks up hears; nothing about the patient may stand in it.",
                ),
                must(
                    "accept with",
                    words("1"),
                    "The key that takes the call. A voicemail cannot press it.",
                ),
                may("pass with", words("2"), "The key that passes it on."),
                may(
                    "keep paging",
                    words("every 5 minutes for 1 hour"),
                    "What goes on after the last rung until somebody accepts.",
                ),
            ]),
            "People to ring until one accepts.",
        )]),
        "Who is rung, in which order.",
    ),
    may(
        "inboxes",
        Holds::Map(&[own(
            "inbox",
            Holds::Map(&[
                must("tell", named(Kind::PersonOrRole), "Who is told of a message."),
                may("if unclaimed after", words("2 hours"), "How long a message may lie."),
                may("then tell", named(Kind::PersonOrRole), "Who is told when it did."),
                may(
                    "may see",
                    one_of(&["routing", "identity", "clinical"]),
                    "The most private details its readers may see.",
                ),
            ]),
            "Where messages wait for somebody to claim them.",
        )]),
        "Where messages go.",
    ),
    may(
        "records",
        Holds::Map(&[
            must("system", words("athenahealth"), "The records system."),
            may("reads", Holds::List(Takes::Words("patients")), "What is read from it."),
            may(
                "writes",
                Holds::List(Takes::Words("documents")),
                "What is written to it.",
            ),
            may(
                "places",
                Holds::List(Takes::Words("the Main Street office")),
                "Its names of the places appointments are at, as callers hear them after “at”.",
            ),
            may(
                "baa",
                words("athenahealth-2026"),
                "The agreement with whoever runs it, by its name in the office, where it is not filed under the system's name; without one that holds it is not asked.",
            ),
        ]),
        "The practice's records system.",
    ),
    may(
        "keep",
        Holds::Map(&[
            may("messages", words("6 years"), "How long messages are kept."),
            may("recordings", words("90 days"), "How long recordings are kept."),
            may(
                "keys pressed",
                words("1 year"),
                "How long what callers pressed and answered is kept.",
            ),
            may(
                "calls",
                words("6 years"),
                "How long it is kept that there was a call, and what came of it.",
            ),
            may(
                "audit",
                words("6 years"),
                "How long it is kept who did what; six years at least.",
            ),
            may(
                "after the contract ends",
                words("30 days"),
                "Days between the end of the contract and the destruction of everything.",
            ),
        ]),
        "How long things are kept; then they are destroyed.",
    ),
    may(
        "confidentiality",
        words("Part 2 program"),
        "Whether 42 CFR Part 2 (substance use) binds the practice.",
    ),
];

const GIVEN_NOW: Entry = may(
    "now",
    words("Saturday 2026-11-21 11:40 pm"),
    "When the call comes in, on the practice's clock.",
);
const GIVEN_ON_CALL: Entry = may(
    "on call",
    Holds::Map(&[own("role", named(Kind::Person), "Who is on duty in this role.")]),
    "Who is on duty.",
);

const VISITS: Holds = Holds::Maps(&[
    must("type", words("office visit"), "The kind of visit."),
    must(
        "at",
        words("Monday 2026-11-23 10:00 am"),
        "When, on the practice's clock.",
    ),
    may("with", words("Dr. Okafor"), "With whom."),
    may("place", words("the Main Street office"), "Where."),
]);
const GIVEN_RECORDS: Entry = may(
    "records",
    Holds::Map(&[
        may(
            "patients",
            Holds::Maps(&[
                may("number", words("+1 512 555 0199"), "Their telephone."),
                may("date of birth", words("1984-02-09"), "When they were born."),
                may("medical record number", words("12345"), "Their number in the records."),
                may(
                    "no longer here",
                    one_of(&["yes", "no"]),
                    "Dead, merged into another, or gone: nobody to be found.",
                ),
                may("appointments", VISITS, "What they have."),
            ]),
            "Who is known.",
        ),
        may("open times", VISITS, "Times that can be booked."),
        may(
            "taken",
            Holds::List(Takes::Words("Monday 2026-11-23 10:00 am")),
            "Open times that somebody else takes just before they are booked.",
        ),
        may(
            "cancels nothing",
            one_of(&["yes", "no"]),
            "Whether every cancellation is refused.",
        ),
        may(
            "answers after",
            words("6 seconds"),
            "How long every answer takes; after four seconds the records count as down.",
        ),
        may(
            "down after",
            words("2 answers"),
            "After how many answers the records go down, in the middle of the call.",
        ),
    ]),
    "What the records hold. Without it no records are connected, and they are down.",
);

/// Scenarios: what must happen.
pub const TESTS: &[Entry] = &[
    must("tests for", named(Kind::FlowFile), "The flow that is tried."),
    may(
        "given",
        Holds::Map(&[GIVEN_NOW, GIVEN_ON_CALL, GIVEN_RECORDS]),
        "What holds for every scenario that does not say otherwise.",
    ),
    must(
        "scenarios",
        Holds::Maps(&[
            must(
                "name",
                words("A fever reaches the doctor"),
                "What must happen, in a sentence.",
            ),
            may(
                "caller",
                words("+1 512 555 0199"),
                "The caller's number, or `withheld`.",
            ),
            may("line", named(Kind::Line), "The line that is called."),
            GIVEN_NOW,
            GIVEN_ON_CALL,
            GIVEN_RECORDS,
            may(
                "phones",
                Holds::Map(&[own(
                    "person",
                    Holds::List(Takes::OneOf(&[
                        "accepts",
                        "accepts unrecorded",
                        "declines",
                        "voicemail",
                        "no answer",
                        "busy",
                        "screening",
                    ])),
                    "What this person's telephone does, try by try.",
                )]),
                "What telephones do.",
            ),
            may(
                "failing",
                Holds::List(Takes::OneOf(&[
                    "records",
                    "speech",
                    "database",
                    "internet",
                    "disk",
                    "trunk",
                    "everything",
                ])),
                "What is broken.",
            ),
            must(
                "conversation",
                Holds::Eithers(
                    Takes::OneOf(&["stays silent", "hangs up"]),
                    &[
                        may(
                            "hears",
                            words("press 1"),
                            "Words that must be heard before the caller goes on.",
                        ),
                        may(
                            "presses",
                            Holds::List(Takes::Words("1")),
                            "A key, digits in quotes, or a list of them.",
                        ),
                        may("says", words("Ana Rivera"), "What the caller says after a tone."),
                        may("waits", words("20 seconds"), "The caller does nothing for so long."),
                    ],
                ),
                "What the caller does, in order.",
            ),
            must(
                "expect",
                Holds::Map(&[
                    may("outcome", words("connected to Dr. Lindqvist"), "How the call must end."),
                    may("within", words("90 seconds"), "By when."),
                    may(
                        "tried",
                        Holds::List(Takes::Named(Kind::Person)),
                        "Who was rung, in order.",
                    ),
                    may(
                        "message",
                        Holds::Map(&[
                            may("marked", Holds::List(Takes::Words("doctor must review")), "Its marks."),
                            may(
                                "cut off",
                                one_of(&["yes", "no"]),
                                "Whether the caller hung up while telling.",
                            ),
                            may("missing", Holds::List(Takes::Named(Kind::Field)), "Details it lacks."),
                        ]),
                        "The message that must be left.",
                    ),
                    may(
                        "notices never include",
                        Holds::List(Takes::Words("chest")),
                        "Words that no notice may hold.",
                    ),
                    may(
                        "never hears",
                        Holds::List(Takes::Words("approved")),
                        "Words the caller may not hear.",
                    ),
                    may(
                        "call recording",
                        one_of(&["on", "off"]),
                        "Whether the call is recorded.",
                    ),
                ]),
                "What must have happened.",
            ),
        ]),
        "The calls that are played.",
    ),
];

/// What a file of this name holds; `None` when the name says nothing, or every name in it is a sentence.
pub fn file(name: &str) -> Option<&'static [Entry]> {
    if name == "practice.yaml" || name.ends_with(".practice.yaml") {
        return Some(PRACTICE);
    }
    [
        (".flow.yaml", FLOW),
        (".protocol.yaml", PROTOCOL),
        (".shared.yaml", SHARED),
        (".tests.yaml", TESTS),
    ]
    .into_iter()
    .find(|(ending, _)| name.ends_with(ending))
    .map(|(_, entries)| entries)
}
