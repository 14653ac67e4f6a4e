//! What shows what: a thing of the language, and the tests and scenarios in which it is seen to work.

/// How files are called in the table, and where they are.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("run", "crates/flow/src/run/tests.rs"),
    ("appointments", "crates/flow/tests/appointments.rs"),
    ("field", "crates/flow/src/run/field.rs"),
    ("words", "crates/flow/src/words.rs"),
    ("everything", "fixtures/flows/good/everything/everything.tests.yaml"),
    ("cedar", "flows/cedar-family-medicine/after-hours.tests.yaml"),
    ("more of cedar", "flows/cedar-family-medicine/more.tests.yaml"),
    (
        "cedar appointments",
        "flows/cedar-family-medicine/appointments.tests.yaml",
    ),
    ("crisis", "flows/stillwater-behavioral-health/crisis.tests.yaml"),
    ("pediatrics", "flows/bright-harbor-pediatrics/pediatrics.tests.yaml"),
    ("more of pediatrics", "flows/bright-harbor-pediatrics/more.tests.yaml"),
    ("files", "crates/flow/tests/files.rs"),
    ("settings", "crates/flow/tests/settings.rs"),
    ("suite", "crates/flow/src/rehearse/suite.rs"),
    ("consent", "crates/flow/src/consent.rs"),
    ("recorded", "crates/voice/src/recorded.rs"),
    ("library", "crates/voice/src/library.rs"),
    ("list", "crates/oncall/src/list.rs"),
    ("carriers", "crates/switchboard/src/desk/carriers.rs"),
    ("rehearsal", "crates/switchboard/src/rehearse.rs"),
    ("must have", "crates/flow/tests/must_have.rs"),
    ("shipped", "crates/flow/tests/shipped.rs"),
    ("actor", "crates/flow/src/rehearse/actor.rs"),
    ("judge", "crates/flow/src/rehearse/judge.rs"),
    ("practice", "crates/flow/src/parse/practice.rs"),
    ("condition", "crates/flow/src/parse/condition.rs"),
    ("protocol", "crates/flow/src/parse/protocol.rs"),
    ("explain", "crates/flow/src/review.rs"),
    ("time", "crates/flow/src/time.rs"),
    ("promise", "crates/flow/src/time/promise.rs"),
    ("holidays", "crates/flow/src/time/holidays.rs"),
    ("escalation", "crates/oncall/src/escalation.rs"),
    ("storms", "crates/oncall/tests/storms.rs"),
    ("practices", "crates/exchange/src/practices.rs"),
    ("serve", "crates/exchange/tests/serve.rs"),
    ("commands", "tests/tests/commands.rs"),
    ("editor", "tests/tests/editor.rs"),
    ("release", "tests/tests/release.rs"),
    ("broken", "tests/tests/broken.rs"),
    ("pages", "tests/tests/pages.rs"),
];

const WRONG: &str = "files: every_wrong_file_is_told_what_is_wrong";
const OF_A_PRACTICE: &str = "settings: every_setting_of_a_practice_is_what_is_written";
const OF_A_FLOW: &str = "settings: what_a_flow_says_of_itself_is_what_is_written";
const OF_A_PROTOCOL: &str = "settings: what_a_protocol_says_of_itself_is_what_is_written";
const OF_A_PIECE: &str = "settings: what_a_shared_piece_says_of_itself_is_what_is_written";
const TOLD_NEXT: &str = "settings: who_is_told_of_a_message_and_when_is_printed_as_it_is_written";
const SLIP: &str = "suite: every_slip_has_a_plain_word_and_a_line";
const READS: &str = "suite: the_shipped_file_reads_whole";
const SHIFTS: &str = "list: a_list_answers_by_layer_and_says_why";
const GREETING: &str = "everything: The greeting says what is true on a Saturday night, and nothing else";
const MONDAY: &str = "everything: The same line at lunch on a Monday, called from nobody knows where";
const FEVER: &str = "everything: Somebody of forty with a fever hears music while the second doctor is found";
const SEVEN: &str = "everything: A child of seven whose pain is graded by its own question";
const NEWBORN: &str = "everything: A newborn is asked about as one";
const CHEST: &str = "everything: Chest pain is told to call 911, and the notice says so with its time and nothing else";
const POISON: &str = "everything: A child who swallowed something is put through to Poison Control";
const REFILL: &str = "everything: A controlled medicine goes to a doctor, and the shared piece asks what else";
const PIECE: &str = "everything: There is something else, so the shared piece leads to the doctor it was given";
const PAPER: &str = "appointments: every_word_about_records_reads";
const DOWN: &str = "cedar appointments: The records go down while a time is looked for, so a person will call";
const RECORDS: &str = "everything: Records are down, so a person will call about the appointment";
const WAITS: &str = "everything: What can wait leaves the ladder by a key";
const NOBODY: &str = "everything: Nobody accepts, so the caller is told so and leaves a message while paging goes on";
const LEAVES: &str = "everything: Who hangs up while telephones ring is called back";
const STAR: &str = "everything: Star says the menu again, a wrong key is told, and nobody is lost by either";
const SPANISH: &str = "more of cedar: Spanish is spoken after 2";

/// Each thing, and what shows it; ` + ` between several.
pub(crate) const SHOWN: &[(&str, &str)] = &[
    (
        "T001 wrong",
        "must have: an_emergency_question_nobody_can_be_asked_is_told_of",
    ),
    (
        "T001 right",
        "must have: every_shipped_flow_passes_what_every_flow_must",
    ),
    (
        "T002 wrong",
        "must have: a_question_moved_down_is_told_as_its_callers_way",
    ),
    ("T002 right", "shipped: every_scenario_passes"),
    ("T010 wrong", SLIP),
    ("T010 right", READS),
    ("T011 wrong", SLIP),
    ("T011 right", READS),
    ("T012 wrong", SLIP),
    ("T012 right", READS),
    // Verbs.
    ("answer", "serve: a_call_is_answered_heard_ended_and_written_down"),
    ("say", GREETING),
    (
        "say / can be skipped: yes",
        "run: a_sentence_that_may_not_be_skipped_is_said_to_its_end",
    ),
    (
        "say / can be skipped: no",
        "run: a_sentence_that_may_not_be_skipped_is_said_to_its_end",
    ),
    ("play", GREETING),
    ("play / words", GREETING),
    (
        "emergency notice",
        "run: keys_during_the_emergency_notice_are_not_acted_on",
    ),
    (
        "emergency notice: general",
        "run: each_emergency_notice_has_its_own_words",
    ),
    (
        "emergency notice: behavioral health",
        "run: each_emergency_notice_has_its_own_words",
    ),
    (
        "emergency notice: obstetric",
        "run: each_emergency_notice_has_its_own_words",
    ),
    ("choose language", SPANISH),
    ("ask permission to record", GREETING),
    ("menu", STAR),
    ("menu / press 1 / for", STAR),
    ("menu / press 1 / go to", STAR),
    (
        "menu / press 1 / remember",
        "pediatrics: The same fever in a six year old is not asked the newborn question",
    ),
    (
        "menu / if no answer",
        "everything: Silence at the first menu goes where the menu says, not where every question does",
    ),
    ("ask yes or no", POISON),
    ("ask yes or no / if yes", POISON),
    (
        "ask yes or no / if no",
        "everything: A child who does not breathe is an emergency",
    ),
    (
        "ask yes or no / if no answer",
        "everything: Nobody says whether the child breathes, so 911 it is",
    ),
    ("ask", SEVEN),
    ("ask / if no answer", "everything: Whoever gives no age is put through"),
    ("triage", FEVER),
    ("triage / if emergency", CHEST),
    ("triage / if urgent", FEVER),
    ("triage / if semi-urgent", NEWBORN),
    (
        "triage / if routine",
        "more of cedar: No to every question is called back by a nurse",
    ),
    ("tell the caller to call 911", CHEST),
    ("collect", FEVER),
    ("take message", RECORDS),
    ("take refill", REFILL),
    ("take refill / controlled medicine: doctor reviews", REFILL),
    ("record a message", NOBODY),
    ("find patient by", RECORDS),
    ("find patient by: caller number", RECORDS),
    ("find patient by: date of birth", RECORDS),
    ("find patient by: medical record number", RECORDS),
    ("find patient by / if not found", RECORDS),
    ("offer appointments", RECORDS),
    ("offer appointments: book", RECORDS),
    ("offer appointments: move", RECORDS),
    ("offer appointments: cancel", RECORDS),
    ("offer appointments / visit types", RECORDS),
    ("offer appointments / within", RECORDS),
    ("offer appointments / if nothing fits", RECORDS),
    ("offer appointments / if records are down", RECORDS),
    ("escalate to", FEVER),
    (
        "escalate to / about",
        "pages: the_ten_scenarios_of_cedar_pass_in_memory_through_the_whole_desk",
    ),
    (
        "escalate to / while waiting: calm words",
        "run: quiet_and_calm_words_come_every_fifteen_seconds",
    ),
    ("escalate to / while waiting: hold music", FEVER),
    (
        "escalate to / while waiting: quiet",
        "run: quiet_and_calm_words_come_every_fifteen_seconds",
    ),
    ("escalate to / meanwhile ask", FEVER),
    ("escalate to / or press 1 / for", WAITS),
    ("escalate to / or press 1 / go to", WAITS),
    (
        "escalate to / or press 1 / remember",
        "run: a_key_of_the_waiting_is_remembered",
    ),
    ("escalate to / if accepted: connect them", FEVER),
    (
        "escalate to / if accepted: they call back",
        "run: whoever_accepts_may_call_back_instead",
    ),
    ("escalate to / if no one accepts", NOBODY),
    (
        "escalate to / if the caller hangs up: keep going, and call back",
        LEAVES,
    ),
    (
        "escalate to / if the caller hangs up: stop",
        "run: a_ladder_that_stops_with_the_caller_is_rung_no_more",
    ),
    ("connect to", POISON),
    (
        "connect to / ring for",
        "run: a_line_is_rung_as_long_and_shown_what_the_flow_says",
    ),
    (
        "connect to / show: practice number",
        "run: a_line_is_rung_as_long_and_shown_what_the_flow_says",
    ),
    (
        "connect to / show: caller number",
        "run: a_line_is_rung_as_long_and_shown_what_the_flow_says",
    ),
    (
        "connect to / if no answer",
        "everything: Poison Control does not pick up, so the doctor is rung",
    ),
    ("transfer to", STAR),
    ("notify", CHEST),
    ("notify / saying", CHEST),
    ("remember", FEVER),
    ("use", REFILL),
    (
        "use / version",
        "files: a_shared_piece_is_read_in_its_place + files: every_wrong_file_is_told_what_is_wrong",
    ),
    ("use / with / ‹what the piece needs›", PIECE),
    ("go to", GREETING),
    ("hang up", RECORDS),
    ("if", GREETING),
    // Events.
    (
        "no key in the wait: said again, shorter the second time",
        "run: an_urgent_caller_who_falls_silent_elsewhere_is_put_through",
    ),
    (
        "no key: `every question: wait` and `ask again` decide how long and how often",
        "run: every_question_waits_and_asks_as_the_flow_says",
    ),
    (
        "a question's own `if no answer`",
        "everything: Silence at the first menu goes where the menu says, not where every question does",
    ),
    ("wrong key: sorry, and the question again", STAR),
    (
        "still nothing after `ask again`: `every question: then`",
        "more of cedar: A caller who presses nothing at all leaves a voice message, in English, unrecorded",
    ),
    (
        "silence inside triage: the protocol's `if an answer is unclear`",
        "cedar: Silence during the red-flag questions is urgent, never routine",
    ),
    (
        "the quiet-caller rule: no details, the calling number, escalate",
        "run: silence_at_a_red_flag_is_urgent_and_asks_nothing_more",
    ),
    (
        "0 pressed: the `press 0` section",
        "more of cedar: 0 in the middle of the red flags asks whether it can wait",
    ),
    ("star pressed: hear it again", STAR),
    ("hang-up while collecting: delivered, marked cut off", NEWBORN),
    ("hang-up while escalating: the ladder goes on", LEAVES),
    (
        "hang-up while escalating: `stop`",
        "run: a_ladder_that_stops_with_the_caller_is_rung_no_more",
    ),
    (
        "speech fails: what was cached or recorded is heard",
        "broken: the_program_that_speaks_is_gone",
    ),
    (
        "disk full: the safety net",
        "broken: the_disk_is_full + everything: With a full disk nothing is promised, and a doctor is rung",
    ),
    (
        "database down: the safety net",
        "more of cedar: The book cannot be written, so nothing is promised and a doctor is rung",
    ),
    ("records down: a person will call", RECORDS),
    (
        "internet down: nothing a caller hears",
        "everything: Without the internet a caller notices nothing",
    ),
    ("a bug in a verb: the safety net", "broken: a_verb_panics"),
    (
        "everything broken: the safety net, compiled and its audio ready",
        "cedar: Everything behind the phone line is broken",
    ),
    (
        "step budget (200): one warning, then the safety net",
        "run: a_circle_ends_in_the_net_with_a_warning",
    ),
    ("60 minutes: one warning, then the safety net", "run: an_hour_is_enough"),
    (
        "a section that runs out: the safety net",
        "run: a_section_without_an_ending_ends_in_the_net",
    ),
    // Conditions.
    ("the office is open", "everything: A Tuesday morning is said to be one"),
    ("the office is closed", "everything: Thanksgiving morning is a holiday"),
    ("today is a holiday", "everything: Thanksgiving morning is a holiday"),
    ("it is lunch time", MONDAY),
    ("nobody is on call", "everything: Nobody is listed tonight"),
    ("records are down", GREETING),
    ("recording is allowed", GREETING),
    (
        "this number called in the last hour",
        "run: what_the_desk_knows_beforehand_decides_and_what_nobody_knows_is_no",
    ),
    ("language", GREETING),
    ("line called", MONDAY),
    ("time", GREETING),
    ("day", GREETING),
    ("caller state", GREETING),
    ("age group, or any remembered name", FEVER),
    ("patient age", NEWBORN),
    ("is", GREETING),
    (
        "is not",
        "pediatrics: The same fever in a six year old is not asked the newborn question",
    ),
    ("is one of", MONDAY),
    ("is under", NEWBORN),
    ("is over", FEVER),
    ("is at least", SEVEN),
    ("is at most", SEVEN),
    ("is between … and …", GREETING),
    ("is known", NEWBORN),
    (
        "is unknown",
        "run: what_the_desk_knows_beforehand_decides_and_what_nobody_knows_is_no",
    ),
    ("… and …", "everything: Thanksgiving morning is a holiday"),
    ("an amount with its unit", "condition: clauses_are_typed_when_read"),
    (
        "an unknown value is no",
        "run: what_the_desk_knows_beforehand_decides_and_what_nobody_knows_is_no",
    ),
    // Details.
    (
        "callback number (routing)",
        "run: a_number_is_confirmed_or_marked + field: only_a_number_somebody_can_have_is_a_number",
    ),
    ("caller name (identity)", RECORDS),
    ("patient name (identity)", FEVER),
    ("relationship to patient (identity)", RECORDS),
    ("reason (clinical)", FEVER),
    ("medicine (clinical)", REFILL),
    ("prescriber (clinical)", REFILL),
    ("pharmacy (clinical)", REFILL),
    ("best time to call (routing)", RECORDS),
    (
        "patient date of birth (identity)",
        "everything: A controlled medicine goes to a doctor, and the shared piece asks what else + field: a_birth_date_is_real_past_and_of_somebody_alive",
    ),
    ("patient age (identity)", NEWBORN),
    ("safe to call back (routing)", FEVER),
    ("voice message (clinical)", RECORDS),
    // Fill-ins.
    ("{practice}", GREETING),
    ("{caller number}", "words: every_fill_in_is_in_the_vocabulary"),
    ("{call back by}", RECORDS),
    ("{time}", CHEST),
    ("{appointment}", RECORDS),
    // A flow.
    ("(flow) / flow", OF_A_FLOW),
    ("(flow) / format", OF_A_FLOW),
    ("(flow) / version", OF_A_FLOW),
    ("(flow) / practice", OF_A_FLOW),
    ("(flow) / spoken in", OF_A_FLOW),
    ("(flow) / owner", OF_A_FLOW),
    ("(flow) / clinical approval / by", OF_A_FLOW),
    ("(flow) / clinical approval / on", OF_A_FLOW),
    ("(flow) / clinical approval / review by", OF_A_FLOW),
    ("(flow) / clinical approval / fingerprint", OF_A_FLOW),
    ("(flow) / start", OF_A_FLOW),
    ("(flow) / sections / ‹section›", OF_A_FLOW),
    ("(flow) / answers / line", "files: cedar_compiles_without_an_error"),
    ("(flow) / answers / when", "files: cedar_compiles_without_an_error"),
    ("(flow) / recording: ask first", GREETING),
    (
        "(flow) / recording: never",
        "crisis: A caller who says nothing reaches a counselor",
    ),
    (
        "(flow) / every question / wait",
        "run: every_question_waits_and_asks_as_the_flow_says",
    ),
    (
        "(flow) / every question / ask again",
        "run: every_question_waits_and_asks_as_the_flow_says",
    ),
    (
        "(flow) / every question / then",
        "more of cedar: A caller who presses nothing at all leaves a voice message, in English, unrecorded",
    ),
    (
        "(flow) / every question / press 0",
        "more of cedar: 0 in the middle of the red flags asks whether it can wait",
    ),
    ("(flow) / every question / press star: hear it again", STAR),
    (
        "(flow) / if the caller hangs up: send what we have",
        "more of cedar: A caller who hangs up in the middle of a message is called back all the same",
    ),
    (
        "(flow) / if the caller hangs up: send what we have, and mark it cut off",
        NEWBORN,
    ),
    (
        "(flow) / if anything breaks: use the safety net",
        "cedar: Everything behind the phone line is broken",
    ),
    ("(flow) / messages / ‹message› / ask", RECORDS),
    ("(flow) / messages / ‹message› / goes to", RECORDS),
    (
        "(flow) / messages / ‹message› / call back by",
        "everything: Records are down, so a person will call about the appointment + promise: promises_fall_on_days_the_office_opens",
    ),
    (
        "(flow) / messages / ‹message› / mark as",
        "run: a_message_without_audio_asks_for_no_clip_and_carries_its_mark",
    ),
    ("(flow) / messages / ‹message› / record audio: encrypted", RECORDS),
    (
        "(flow) / messages / ‹message› / record audio: none",
        "run: a_message_without_audio_asks_for_no_clip_and_carries_its_mark",
    ),
    (
        "(flow) / safety net",
        "everything: Without a voice the safety net rings a doctor",
    ),
    // A protocol.
    ("(protocol) / protocol", OF_A_PROTOCOL),
    ("(protocol) / format", OF_A_PROTOCOL),
    ("(protocol) / version", OF_A_PROTOCOL),
    ("(protocol) / for", OF_A_PROTOCOL),
    ("(protocol) / source", OF_A_PROTOCOL),
    ("(protocol) / emergency / id", OF_A_PROTOCOL),
    ("(protocol) / emergency / only if", OF_A_PROTOCOL),
    ("(protocol) / semi-urgent / id", OF_A_PROTOCOL),
    ("(protocol) / semi-urgent / only if", OF_A_PROTOCOL),
    // A shared piece.
    ("(shared) / shared", OF_A_PIECE),
    ("(shared) / format", OF_A_PIECE),
    ("(shared) / version", OF_A_PIECE),
    ("(shared) / needs", OF_A_PIECE),
    ("(shared) / sections / ‹section›", OF_A_PIECE),
    (
        "(protocol) / clinical approval / by",
        "explain: the_review_copy_of_cedar",
    ),
    (
        "(protocol) / clinical approval / on",
        "explain: the_review_copy_of_cedar",
    ),
    (
        "(protocol) / clinical approval / review by",
        "commands: flow_check_judges_approvals_by_the_day_and_recordings_by_their_sentences + broken: an_approval_has_run_out",
    ),
    (
        "(protocol) / clinical approval / fingerprint",
        "files: a_signature_holds_until_a_word_changes",
    ),
    ("(protocol) / emergency / ask", CHEST),
    ("(protocol) / urgent / ask", FEVER),
    (
        "(protocol) / urgent / id",
        "protocol: a_question_keeps_its_name_until_its_words_change",
    ),
    (
        "(protocol) / urgent / only if",
        "more of pediatrics: A six week old with no wet diaper is not asked about three days of fever",
    ),
    ("(protocol) / semi-urgent / ask", NEWBORN),
    (
        "(protocol) / if every answer is no",
        "more of cedar: No to every question is called back by a nurse",
    ),
    (
        "(protocol) / if an answer is unclear",
        "cedar: Silence during the red-flag questions is urgent, never routine",
    ),
    // A practice.
    (
        "(practice) / practice",
        "settings: every_setting_of_a_practice_is_what_is_written + everything: The greeting says what is true on a Saturday night, and nothing else",
    ),
    ("(practice) / format", OF_A_PRACTICE),
    (
        "(practice) / state",
        "settings: every_setting_of_a_practice_is_what_is_written + consent: the_strictest_of_caller_practice_and_provider_decides",
    ),
    (
        "(practice) / time zone",
        "settings: every_setting_of_a_practice_is_what_is_written + time: the_wall_clock_decides_on_the_days_the_clocks_change",
    ),
    ("(practice) / languages", OF_A_PRACTICE),
    (
        "(practice) / lines / ‹line›",
        "settings: every_setting_of_a_practice_is_what_is_written + carriers: the_practice_is_found_in_the_order_of_belief_and_never_in_from",
    ),
    (
        "(practice) / outside lines / ‹line›",
        "settings: every_setting_of_a_practice_is_what_is_written + everything: A child who swallowed something is put through to Poison Control",
    ),
    (
        "(practice) / lunch",
        "settings: every_setting_of_a_practice_is_what_is_written + time: lunch_is_a_fact_of_an_open_office",
    ),
    (
        "(practice) / people / ‹person› / role",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / people / ‹person› / call",
        "settings: every_setting_of_a_practice_is_what_is_written + rehearsal: a_person_with_a_pin_is_reached_by_it_alone",
    ),
    (
        "(practice) / people / ‹person› / page",
        "settings: every_setting_of_a_practice_is_what_is_written + settings: who_is_told_of_a_message_and_when_is_printed_as_it_is_written",
    ),
    (
        "(practice) / people / ‹person› / pin",
        "settings: every_setting_of_a_practice_is_what_is_written + rehearsal: a_person_with_a_pin_is_reached_by_it_alone",
    ),
    (
        "(practice) / on call / raise an alarm",
        "practice: an_alarm_is_raised_as_long_before_as_is_written_or_two_days + practices: a_gap_is_told_as_long_before_as_the_practice_wants",
    ),
    (
        "(practice) / inboxes / ‹inbox› / tell",
        "settings: every_setting_of_a_practice_is_what_is_written + settings: who_is_told_of_a_message_and_when_is_printed_as_it_is_written",
    ),
    ("(practice) / inboxes / ‹inbox› / if unclaimed after", TOLD_NEXT),
    ("(practice) / inboxes / ‹inbox› / then tell", TOLD_NEXT),
    ("(practice) / inboxes / ‹inbox› / may see: routing", OF_A_PRACTICE),
    ("(practice) / inboxes / ‹inbox› / may see: identity", OF_A_PRACTICE),
    ("(practice) / inboxes / ‹inbox› / may see: clinical", OF_A_PRACTICE),
    ("(practice) / records / system", OF_A_PRACTICE),
    (
        "(practice) / records / reads",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / records / writes",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / records / baa",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / records / places",
        "settings: every_setting_of_a_practice_is_what_is_written + appointments: a_place_is_said_where_the_practice_knows_its_name_and_left_out_elsewhere",
    ),
    (
        "(practice) / keep / messages",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / keep / recordings",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    (
        "(practice) / keep / keys pressed",
        "settings: every_setting_of_a_practice_is_what_is_written",
    ),
    (
        "(practice) / keep / calls",
        "settings: every_setting_of_a_practice_is_what_is_written",
    ),
    (
        "(practice) / keep / audit",
        "settings: every_setting_of_a_practice_is_what_is_written",
    ),
    (
        "(practice) / keep / after the contract ends",
        "settings: every_setting_of_a_practice_is_what_is_written",
    ),
    (
        "(practice) / confidentiality",
        "settings: every_setting_of_a_practice_is_what_is_written + files: every_wrong_file_is_told_what_is_wrong",
    ),
    ("(practice) / hours / lunch", "time: lunch_is_a_fact_of_an_open_office"),
    (
        "(practice) / hours / ‹Monday to Thursday›",
        "time: the_office_opens_and_closes_to_the_minute + practice: days_go_round_the_week",
    ),
    (
        "(practice) / closed on",
        "time: a_half_day_is_a_holiday_and_a_business_day + holidays: a_year_with_an_observed_friday",
    ),
    (
        "(practice) / on call / ‹role› / from",
        "practices: the_shift_list_beside_it_says_who_is_on_duty",
    ),
    (
        "(practice) / on call / ‹role› / ‹setting›",
        "practices: the_shift_list_beside_it_says_who_is_on_duty",
    ),
    (
        "(practice) / on call / if nobody is listed",
        "more of cedar: Nobody is on call, so the one who answers for every gap is rung",
    ),
    ("(practice) / ladders / ‹ladder› / order / call", NOBODY),
    (
        "(practice) / ladders / ‹ladder› / order / tries",
        "escalation: tries_of_a_rung_are_apart_from_start_to_start_and_the_next_rung_begins_at_once",
    ),
    (
        "(practice) / ladders / ‹ladder› / order / apart",
        "escalation: tries_of_a_rung_are_apart_from_start_to_start_and_the_next_rung_begins_at_once",
    ),
    (
        "(practice) / ladders / ‹ladder› / order / ring for",
        "escalation: a_try_that_outlasts_the_spacing_is_followed_at_once",
    ),
    (
        "(practice) / ladders / ‹ladder› / they hear",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "(practice) / ladders / ‹ladder› / accept with",
        "storms: a_climb_ends_accepts_at_most_once_and_only_by_the_key",
    ),
    (
        "(practice) / ladders / ‹ladder› / pass with",
        "storms: a_key_of_two_passes_it_on_within_two_seconds",
    ),
    (
        "(practice) / ladders / ‹ladder› / keep paging",
        "storms: nobody_answers_so_paging_goes_on_for_an_hour",
    ),
    // A scenario.
    ("(tests for) / tests for", READS),
    ("(tests for) / scenarios / name", READS),
    ("(tests for) / given / now", GREETING),
    ("(tests for) / given / on call / ‹role›", GREETING),
    ("(tests for) / scenarios / caller", MONDAY),
    ("(tests for) / scenarios / line", MONDAY),
    ("(tests for) / scenarios / now", MONDAY),
    (
        "(tests for) / scenarios / on call / ‹role›",
        "everything: Nobody is listed tonight",
    ),
    ("(tests for) / scenarios / phones / ‹person›: accepts", FEVER),
    (
        "(tests for) / scenarios / phones / ‹person›: accepts unrecorded",
        "pages: the_doctor_does_not_want_to_be_recorded",
    ),
    ("(tests for) / scenarios / phones / ‹person›: declines", FEVER),
    (
        "(tests for) / scenarios / phones / ‹person›: voicemail",
        "cedar: A fever reaches the doctor, and voicemail does not count as a doctor",
    ),
    ("(tests for) / scenarios / phones / ‹person›: no answer", NOBODY),
    ("(tests for) / scenarios / phones / ‹person›: busy", NOBODY),
    ("(tests for) / scenarios / phones / ‹person›: screening", NOBODY),
    ("(tests for) / given / records / answers after", PAPER),
    ("(tests for) / given / records / down after", PAPER),
    ("(tests for) / scenarios / records / down after", DOWN),
    ("(tests for) / given / records / cancels nothing: no", PAPER),
    ("(tests for) / given / records / cancels nothing: yes", PAPER),
    ("(tests for) / given / records / open times / at", PAPER),
    ("(tests for) / given / records / open times / place", PAPER),
    ("(tests for) / given / records / open times / type", PAPER),
    ("(tests for) / given / records / open times / with", PAPER),
    ("(tests for) / given / records / patients / appointments / at", PAPER),
    ("(tests for) / given / records / patients / appointments / place", PAPER),
    ("(tests for) / given / records / patients / appointments / type", PAPER),
    ("(tests for) / given / records / patients / appointments / with", PAPER),
    ("(tests for) / given / records / patients / date of birth", PAPER),
    (
        "(tests for) / given / records / patients / medical record number",
        PAPER,
    ),
    ("(tests for) / given / records / patients / no longer here: no", PAPER),
    ("(tests for) / given / records / patients / no longer here: yes", PAPER),
    ("(tests for) / given / records / patients / number", PAPER),
    ("(tests for) / given / records / taken", PAPER),
    ("(tests for) / scenarios / records / answers after", PAPER),
    ("(tests for) / scenarios / records / cancels nothing: no", PAPER),
    ("(tests for) / scenarios / records / cancels nothing: yes", PAPER),
    ("(tests for) / scenarios / records / open times / at", PAPER),
    ("(tests for) / scenarios / records / open times / place", PAPER),
    ("(tests for) / scenarios / records / open times / type", PAPER),
    ("(tests for) / scenarios / records / open times / with", PAPER),
    (
        "(tests for) / scenarios / records / patients / appointments / at",
        PAPER,
    ),
    (
        "(tests for) / scenarios / records / patients / appointments / place",
        PAPER,
    ),
    (
        "(tests for) / scenarios / records / patients / appointments / type",
        PAPER,
    ),
    (
        "(tests for) / scenarios / records / patients / appointments / with",
        PAPER,
    ),
    ("(tests for) / scenarios / records / patients / date of birth", PAPER),
    (
        "(tests for) / scenarios / records / patients / medical record number",
        PAPER,
    ),
    (
        "(tests for) / scenarios / records / patients / no longer here: no",
        PAPER,
    ),
    (
        "(tests for) / scenarios / records / patients / no longer here: yes",
        PAPER,
    ),
    ("(tests for) / scenarios / records / patients / number", PAPER),
    ("(tests for) / scenarios / records / taken", PAPER),
    ("(tests for) / scenarios / failing: records", RECORDS),
    (
        "(tests for) / scenarios / failing: speech",
        "everything: Without a voice the safety net rings a doctor",
    ),
    (
        "(tests for) / scenarios / failing: database",
        "more of cedar: The book cannot be written, so nothing is promised and a doctor is rung",
    ),
    (
        "(tests for) / scenarios / failing: internet",
        "everything: Without the internet a caller notices nothing",
    ),
    (
        "(tests for) / scenarios / failing: disk",
        "everything: With a full disk nothing is promised, and a doctor is rung",
    ),
    (
        "(tests for) / scenarios / failing: trunk",
        "everything: With no way out nobody can be rung, and paging goes on",
    ),
    (
        "(tests for) / scenarios / failing: everything",
        "cedar: Everything behind the phone line is broken",
    ),
    (
        "(tests for) / scenarios / conversation: stays silent",
        "actor: staying_silent_lasts_until_the_next_hears_comes_true",
    ),
    ("(tests for) / scenarios / conversation: hangs up", LEAVES),
    (
        "(tests for) / scenarios / conversation / hears",
        "actor: hears_matches_across_clips_without_regard_to_case_and_punctuation",
    ),
    (
        "(tests for) / scenarios / conversation / presses",
        "actor: a_list_is_one_key_per_quiet_turn_and_a_string_is_typed_at_once",
    ),
    ("(tests for) / scenarios / conversation / says", FEVER),
    (
        "(tests for) / scenarios / conversation / waits",
        "actor: waiting_takes_its_time",
    ),
    (
        "(tests for) / scenarios / expect / outcome",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / within",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / tried",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / message / marked",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / message / cut off: yes",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / message / cut off: no",
        "everything: Without the internet a caller notices nothing",
    ),
    (
        "(tests for) / scenarios / expect / message / missing",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / notices never include",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    (
        "(tests for) / scenarios / expect / never hears",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    ("(tests for) / scenarios / expect / call recording: on", GREETING),
    (
        "(tests for) / scenarios / expect / call recording: off",
        "judge: every_expectation_can_fail_and_says_how",
    ),
    // Files without settings.
    (
        "a translation file: an English sentence, a colon, its translation",
        "files: every_sentence_of_cedar_is_spoken_in_both_languages",
    ),
    ("a translation that is missing", WRONG),
    ("a translation that nobody asks for", WRONG),
    ("a translation with other fill-ins than its sentence", WRONG),
    (
        "`words/`: a recording is of one sentence, by its name or a line of `index.txt`",
        "recorded: files_are_found_by_their_name_and_by_the_index",
    ),
    (
        "`words/`: a recording is not heard once its sentence has changed",
        "library: a_recording_wins_over_speech_until_its_sentence_changes",
    ),
    (
        "the booth's script (`flow words export`) and its takes",
        "commands: flow_words_go_out_as_a_script_and_come_back_as_recordings_of_their_sentences",
    ),
    ("`on-call.txt`: `zone:`", SHIFTS),
    ("`on-call.txt`: role, person, from, until", SHIFTS),
    ("`on-call.txt`: `every Monday to Friday 17:00 | 08:00`", SHIFTS),
    ("`on-call.txt`: `turns of 7 days from …`", SHIFTS),
    ("`on-call.txt`: `cover`", SHIFTS),
    (
        "`on-call.txt`: a line that cannot be read",
        "list: every_fault_is_named_with_its_line_and_its_remedy",
    ),
    // Commands.
    (
        "flow new",
        "commands: flow_new_makes_a_practice_that_checks_and_passes_and_writes_over_nothing",
    ),
    (
        "flow check",
        "commands: flow_check_finds_cedar_good + commands: flow_check_names_the_line_and_the_fix_in_a_broken_flow",
    ),
    (
        "flow check --format json",
        "commands: flow_check_tells_programs_one_object_a_line",
    ),
    (
        "flow test",
        "commands: the_scenarios_pass_in_memory_with_what_every_flow_must_have",
    ),
    (
        "flow test --require",
        "commands: a_release_is_not_rehearsed_while_an_urgent_path_has_no_scenario",
    ),
    (
        "flow test --over-sip",
        "commands: the_ten_scenarios_pass_over_sip_with_real_audio_and_digits",
    ),
    (
        "flow simulate",
        "commands: flow_simulate_is_held_through_a_pipe_and_can_be_kept_as_a_scenario",
    ),
    (
        "flow read",
        "commands: flow_read_prints_what_callers_hear_and_html_to_sign",
    ),
    (
        "flow read --html",
        "commands: flow_read_prints_what_callers_hear_and_html_to_sign",
    ),
    (
        "flow explain urgent",
        "commands: flow_graph_and_explain_show_the_same_flow",
    ),
    (
        "flow explain delivery",
        "commands: flow_graph_and_explain_show_the_same_flow",
    ),
    (
        "flow explain worst-times",
        "commands: worst_times_are_proved_and_measured",
    ),
    (
        "flow graph (SVG)",
        "commands: flow_graph_and_explain_show_the_same_flow",
    ),
    (
        "flow graph --format mermaid",
        "commands: flow_graph_and_explain_show_the_same_flow",
    ),
    (
        "flow graph --format dot",
        "commands: flow_graph_and_explain_show_the_same_flow",
    ),
    (
        "flow diff",
        "commands: flow_diff_says_a_downgrade_in_clinical_words_and_by_its_exit_status",
    ),
    (
        "flow sign",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow release",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow release --at",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow rollback",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow releases",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow status",
        "release: nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call",
    ),
    (
        "flow words export",
        "commands: flow_words_go_out_as_a_script_and_come_back_as_recordings_of_their_sentences",
    ),
    (
        "flow words import",
        "commands: flow_words_go_out_as_a_script_and_come_back_as_recordings_of_their_sentences",
    ),
    ("flow schema", "editor: what_ships_fits_the_schema_and_a_slip_does_not"),
    ("flow lsp", "editor: a_real_editor_finds_mends_completes_and_follows"),
    (
        "flow replay --last",
        "release: past_calls_are_put_through_a_draft_and_exactly_those_it_changes_are_named",
    ),
];
