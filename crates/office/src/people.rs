//! Logging in and out, and the acts by which people come, change and go.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use seal::keys::{hex, unhex};
use seal::{Authenticator, Password};

use crate::agreement::{Agreement, With};
use crate::incident::{Factors, Incident, Scope, Stage};
use crate::passkey::{self, Asserted, CEREMONY_MS, Challenge, Created, PASSKEYS_MAX, Site, Wrong};
use crate::password::judge;
use crate::session::{GLASS_MS, Session, Token};
use crate::{Allowed, Fact, Fault, Office, Permission, Refusal, Role, Secret};

/// How long an invitation waits.
const INVITED_MS: i64 = 72 * 60 * 60 * 1000;
/// How long the first of two people waits for the second.
const RESET_MS: i64 = 24 * 60 * 60 * 1000;
/// The longest time box.
pub(crate) const TIME_BOX_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// Letters of an id.
const ID_MAX: usize = 40;
/// Letters of whatever people write.
const TEXT_MAX: usize = 2_000;
/// A training counts for a year.
const TRAINING_DAYS: i64 = 365;

/// Names of many: one credential, one person (164.312(a)(2)(i), SEC-06).
const SHARED: &[&str] = &[
    "admin",
    "administrator",
    "all",
    "clinic",
    "clinician",
    "desk",
    "doctor",
    "doctors",
    "engineer",
    "everyone",
    "front",
    "frontdesk",
    "front-desk",
    "front.desk",
    "group",
    "guest",
    "manager",
    "nightdesk",
    "nobody",
    "nurse",
    "nurses",
    "office",
    "oncall",
    "on-call",
    "operator",
    "owner",
    "practice",
    "reception",
    "root",
    "service",
    "shared",
    "staff",
    "support",
    "system",
    "team",
    "test",
    "user",
    "users",
];

/// An invitation to set a password and a second factor.
pub struct Invited {
    /// What the person types, once.
    pub words: String,
    /// Until when.
    pub until: Timestamp,
}

/// Proof that somebody showed who they are a moment ago, for an act that takes them to a browser in between.
pub struct Proved {
    id: String,
    at_ms: i64,
}

/// What came of asking for a reset.
pub enum Reset {
    /// Somebody else has to ask too.
    WaitsForSecond,
    /// Two have asked.
    Invited(Invited),
}

impl Office {
    /// The first person of a house, who becomes its owner. Until somebody has logged in for the first time it may be done
    /// again: a code that was not written down must not shut the house for good.
    pub fn first(&mut self, id: &str, name: &str, password: &str, now: Timestamp) -> Result<Authenticator, Fault> {
        let again = self.state.people.contains_key(id) && !self.state.begun && self.state.people.len() == 1;
        if !(self.state.people.is_empty() || again) {
            return Err(Fault::RefusedAct(
                "this house has people already, who add others".to_owned(),
            ));
        }
        sound(id, name)?;
        judge(password, id, name)?;
        self.note(id, "first person", None, now)?;
        if !again {
            self.write(
                now,
                Fact::PersonAdded {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    role: Role::Owner,
                    practices: None,
                    until_ms: None,
                    by: id.to_owned(),
                },
            )?;
        }
        self.give_credentials(id, password, now)
    }

    /// Lets somebody in. Whoever is not let in is not told what was wrong.
    pub fn log_in(&mut self, id: &str, password: &str, code: &str, now: Timestamp) -> Result<(Token, Session), Fault> {
        self.prove(id, password, code, "log in", now)?;
        self.begins(id, now)
    }

    /// Ends a session.
    pub fn log_out(&mut self, token: &Token, now: Timestamp) -> Result<(), Fault> {
        let Some(session) = self.sessions.of(token) else {
            return Ok(());
        };
        self.sessions.end(token);
        self.note(&session.person, "log out", None, now)
    }

    /// Whose session it is, while it lasts.
    pub fn session(&self, token: &Token, now: Timestamp) -> Option<Session> {
        let session = self.sessions.of(token)?;
        let person = self.state.people.get(&session.person)?;
        (session.holds(self.idle_ms, now).is_ok() && person.disabled.is_none()).then_some(session)
    }

    /// A password and a code, both right, this once. Every answer is a row before it is given.
    fn prove(&mut self, id: &str, password: &str, code: &str, action: &str, now: Timestamp) -> Result<(), Fault> {
        if !self.state.people.contains_key(id) {
            // As slow as for somebody who is here; and the name typed may be a password in the wrong place.
            let _ = Password::keep(password, &mut |salt: &mut [u8]| salt.fill(0));
        }
        self.is_let_try(id, action, now)?;
        let person = self.known(id)?;
        let step = person
            .authenticator
            .as_ref()
            .and_then(|own| own.accepts(code, now.as_second(), person.unused));
        // Both are looked at whatever the first says.
        let right = person.password.as_ref().is_some_and(|own| own.is(password));
        match step.filter(|_| right) {
            Some(step) => {
                self.note(id, action, None, now)?;
                self.write(
                    now,
                    Fact::LoggedIn {
                        id: id.to_owned(),
                        step,
                    },
                )
            }
            None => {
                self.note(id, action, Some(crate::WRONG), now)?;
                self.write(now, Fact::LogInFailed { id: id.to_owned() })?;
                Err(Fault::RefusedLogIn)
            }
        }
    }

    /// A question that one passkey answers once, within five minutes.
    pub fn challenge(&mut self, now: Timestamp) -> Challenge {
        let mut octets = [0; 32];
        self.entropy()(&mut octets);
        Challenge::of(octets, now.as_millisecond())
    }

    /// Somebody is about to add or remove a passkey of theirs, and proves who they are by password and code.
    pub fn prove_for_passkey(&mut self, id: &str, password: &str, code: &str, now: Timestamp) -> Result<Proved, Fault> {
        self.prove(id, password, code, "change the passkeys", now)?;
        Ok(Proved {
            id: id.to_owned(),
            at_ms: now.as_millisecond(),
        })
    }

    /// Another passkey of somebody who proved to be themselves.
    pub fn add_passkey(
        &mut self,
        proved: Proved,
        name: &str,
        challenge: Challenge,
        site: &Site,
        created: &Created,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let id = proved.id;
        if now.as_millisecond().saturating_sub(proved.at_ms) > CEREMONY_MS {
            return Err(refused("that took longer than five minutes".to_owned()));
        }
        let name = short(name)?;
        // Disabled meanwhile, or reset by two others.
        let person = self.known(&id)?;
        if person.disabled.is_some() || !person.is_ready() {
            return Err(Fault::RefusedPasskey);
        }
        if name.trim().is_empty() || person.passkeys.iter().any(|known| known.name == name) {
            return Err(refused("a passkey has a name of its own".to_owned()));
        }
        if person.passkeys.len() >= PASSKEYS_MAX {
            return Err(refused(format!(
                "nobody needs more than {PASSKEYS_MAX} passkeys: remove one first"
            )));
        }
        match passkey::register(&challenge, site, created, now.as_millisecond()) {
            // One credential, one person (SEC-06).
            Ok((known, ..))
                if self
                    .state
                    .people
                    .values()
                    .any(|one| one.passkeys.iter().any(|own| own.id == known)) =>
            {
                self.note(&id, "add a passkey", Some("it is somebody's already"), now)?;
                Err(Fault::RefusedPasskey)
            }
            Ok((passkey, key, counter)) => {
                self.note(&id, "add a passkey", None, now)?;
                let key = key.to_text();
                self.write(
                    now,
                    Fact::PasskeyAdded {
                        id,
                        name,
                        passkey,
                        key,
                        counter,
                    },
                )
            }
            Err(wrong) => {
                self.note(&id, "add a passkey", Some(&wrong.to_string()), now)?;
                Err(Fault::RefusedPasskey)
            }
        }
    }

    /// A passkey that was lost or is not needed lets nobody in any more, and their sessions end.
    pub fn remove_passkey(&mut self, proved: Proved, name: &str, now: Timestamp) -> Result<(), Fault> {
        let id = proved.id;
        if !self.known(&id)?.passkeys.iter().any(|known| known.name == name) {
            return Err(refused(format!("`{id}` has no passkey `{name}`")));
        }
        self.note(&id, "remove a passkey", None, now)?;
        self.sessions.end_all_of(&id);
        let name = name.to_owned();
        self.write(now, Fact::PasskeyRemoved { id, name })
    }

    /// Lets somebody in by a passkey, which stands for both factors. Locks, pace, rows and silence are those of passwords.
    pub fn log_in_by_passkey(
        &mut self,
        id: &str,
        challenge: Challenge,
        site: &Site,
        asserted: &Asserted,
        now: Timestamp,
    ) -> Result<(Token, Session), Fault> {
        const ACTION: &str = "log in by passkey";
        self.is_let_try(id, ACTION, now)?;
        let known = &self.known(id)?.passkeys;
        let credential = hex(&asserted.id);
        let found = known
            .iter()
            .find(|known| known.id == credential && !known.shut)
            .cloned();
        let judged = match &found {
            Some(own) => passkey::assert(own, &challenge, site, asserted, now.as_millisecond()).map_err(Some),
            None => Err(None),
        };
        match judged {
            Ok(counter) => {
                self.note(id, ACTION, None, now)?;
                self.write(
                    now,
                    Fact::LoggedInByPasskey {
                        id: id.to_owned(),
                        passkey: credential,
                        counter,
                    },
                )?;
                self.begins(id, now)
            }
            Err(wrong) => {
                let why = wrong.map_or_else(|| "no passkey of theirs".to_owned(), |wrong| wrong.to_string());
                self.note(id, ACTION, Some(&why), now)?;
                self.write(now, Fact::LogInFailed { id: id.to_owned() })?;
                if wrong == Some(Wrong::Counter) {
                    self.write(
                        now,
                        Fact::PasskeyShut {
                            id: id.to_owned(),
                            passkey: credential,
                        },
                    )?;
                }
                Err(Fault::RefusedPasskey)
            }
        }
    }

    /// A session begins.
    fn begins(&mut self, id: &str, now: Timestamp) -> Result<(Token, Session), Fault> {
        self.sessions.sweep(now);
        let token = Token::draw(&mut self.entropy());
        let session = self.sessions.begin(&token, id, now)?;
        Ok((token, session))
    }

    /// Whether an answer of theirs is looked at at all.
    fn is_let_try(&mut self, id: &str, action: &str, now: Timestamp) -> Result<(), Fault> {
        let Some(person) = self.state.people.get(id) else {
            self.note("nobody", action, Some("no such person"), now)?;
            return Err(Fault::RefusedLogIn);
        };
        let (why, fault) = if person.disabled.is_some() {
            ("disabled", Fault::RefusedLogIn)
        } else if person.is_locked(now) {
            ("locked", Fault::RefusedLocked)
        } else if person.must_wait(now) {
            ("too fast", Fault::RefusedPace)
        } else {
            return Ok(());
        };
        self.note(id, action, Some(why), now)?;
        Err(fault)
    }

    /// Adds somebody, and invites them to set a password and a second factor of their own.
    pub fn add(
        &mut self,
        allowed: &Allowed,
        id: &str,
        name: &str,
        role: Role,
        practices: Option<BTreeSet<String>>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Invited, Fault> {
        needs(allowed, Permission::ManagePeople)?;
        sound(id, name)?;
        if self.state.people.contains_key(id) {
            return Err(refused(format!(
                "`{id}` was given to somebody already, and no name is ever used twice"
            )));
        }
        rank(allowed, role)?;
        let until_ms = boxed(role, until, now)?;
        self.write(
            now,
            Fact::PersonAdded {
                id: id.to_owned(),
                name: name.to_owned(),
                role,
                practices,
                until_ms,
                by: allowed.person.clone(),
            },
        )?;
        self.invite(id, BTreeSet::from([allowed.person.clone()]), now)
    }

    /// Another role, other practices, another time box.
    pub fn change_role(
        &mut self,
        allowed: &Allowed,
        id: &str,
        role: Role,
        practices: Option<BTreeSet<String>>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        needs(allowed, Permission::ManagePeople)?;
        let before = self.known(id)?.role;
        if allowed.person == id {
            return Err(refused("nobody changes their own role".to_owned()));
        }
        rank(allowed, before)?;
        rank(allowed, role)?;
        self.keeps_an_owner(id, role == Role::Owner)?;
        let until_ms = boxed(role, until, now)?;
        self.write(
            now,
            Fact::RoleChanged {
                id: id.to_owned(),
                role,
                practices,
                until_ms,
                by: allowed.person.clone(),
            },
        )
    }

    /// Somebody may do nothing any more, from this moment. Returns how many sessions ended.
    pub fn disable(&mut self, allowed: &Allowed, id: &str, reason: &str, now: Timestamp) -> Result<usize, Fault> {
        needs(allowed, Permission::ManagePeople)?;
        rank(allowed, self.known(id)?.role)?;
        self.keeps_an_owner(id, false)?;
        self.write(
            now,
            Fact::PersonDisabled {
                id: id.to_owned(),
                reason: short(reason)?,
                by: allowed.person.clone(),
            },
        )?;
        Ok(self.sessions.end_all_of(id))
    }

    /// One of the two people who reset somebody's password and second factor.
    pub fn reset(&mut self, allowed: &Allowed, id: &str, now: Timestamp) -> Result<Reset, Fault> {
        needs(allowed, Permission::ManagePeople)?;
        let person = self.known(id)?;
        if person.disabled.is_some() {
            return Err(refused(format!("`{id}` is disabled, and stays so")));
        }
        if allowed.person == id {
            return Err(refused(
                "nobody resets their own: `nightdesk people password` changes it".to_owned(),
            ));
        }
        let since = now.as_millisecond().saturating_sub(RESET_MS);
        let first = person.reset_asked.as_ref().filter(|(at, _)| *at > since);
        match first.map(|(_, by)| by.clone()) {
            Some(by) if by != allowed.person => {
                let both = BTreeSet::from([by, allowed.person.clone()]);
                self.sessions.end_all_of(id);
                self.invite(id, both, now).map(Reset::Invited)
            }
            // Somebody never let in has nothing that could be taken from them: the invitation got lost.
            _ if !person.is_ready() => {
                rank(allowed, person.role)?;
                let by = BTreeSet::from([allowed.person.clone()]);
                self.invite(id, by, now).map(Reset::Invited)
            }
            _ => {
                self.write(
                    now,
                    Fact::ResetAsked {
                        id: id.to_owned(),
                        by: allowed.person.clone(),
                    },
                )?;
                Ok(Reset::WaitsForSecond)
            }
        }
    }

    fn invite(&mut self, id: &str, by: BTreeSet<String>, now: Timestamp) -> Result<Invited, Fault> {
        let mut drawn = [0; 20];
        self.entropy()(&mut drawn);
        let letters = drawn
            .iter()
            .filter_map(|octet| b"ABCDEFGHJKMNPQRSTUVWXYZ23456789".get(usize::from(*octet) % 31));
        let letters: Vec<u8> = letters.copied().collect();
        let groups: Vec<String> = letters
            .chunks(5)
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        let words = groups.join("-");
        let until_ms = now.as_millisecond().saturating_add(INVITED_MS);
        let mark = hex(&self.sessions.mark(words.as_bytes()));
        self.write(
            now,
            Fact::Invited {
                id: id.to_owned(),
                mark,
                until_ms,
                by,
            },
        )?;
        Ok(Invited {
            words,
            until: Timestamp::from_millisecond(until_ms).unwrap_or(now),
        })
    }

    /// Somebody takes up an invitation: a password of their own, and a second factor.
    pub fn take_up(&mut self, id: &str, words: &str, password: &str, now: Timestamp) -> Result<Authenticator, Fault> {
        let person = self.state.people.get(id).filter(|person| person.disabled.is_none());
        let invitation = person.and_then(|person| person.invitation.clone());
        let name = person.map(|person| person.name.clone()).unwrap_or_default();
        let locked = person.is_some_and(|person| person.must_wait(now));
        let typed = words.trim().to_uppercase();
        let holds = invitation.is_some_and(|(mark, until_ms)| {
            now.as_millisecond() < until_ms
                && unhex(&mark).is_some_and(|mark| self.sessions.knows(typed.as_bytes(), &mark))
        });
        if !holds || locked {
            let who = if self.state.people.contains_key(id) {
                id
            } else {
                "nobody"
            };
            self.note(who, "take up an invitation", Some("no such invitation"), now)?;
            if self.state.people.contains_key(id) && !locked {
                self.write(now, Fact::LogInFailed { id: id.to_owned() })?;
            }
            return Err(refused(
                "that is no invitation that holds: each counts once, for 72 hours".to_owned(),
            ));
        }
        judge(password, id, &name)?;
        self.note(id, "take up an invitation", None, now)?;
        self.give_credentials(id, password, now)
    }

    /// A password that was judged, and a new second factor.
    fn give_credentials(&mut self, id: &str, password: &str, now: Timestamp) -> Result<Authenticator, Fault> {
        let authenticator = Authenticator::generate(&mut self.entropy());
        let password = self.kept(password)?;
        self.write(
            now,
            Fact::CredentialsSet {
                id: id.to_owned(),
                password,
                authenticator: Secret(authenticator.to_base32()),
            },
        )?;
        Ok(authenticator)
    }

    /// Another password for somebody who proves to be themselves.
    pub fn change_password(&mut self, id: &str, old: &str, code: &str, new: &str, now: Timestamp) -> Result<(), Fault> {
        self.prove(id, old, code, "change the password", now)?;
        let name = self.known(id)?.name.clone();
        judge(new, id, &name)?;
        let password = self.kept(new)?;
        self.sessions.end_all_of(id);
        self.write(
            now,
            Fact::PasswordChanged {
                id: id.to_owned(),
                password,
            },
        )
    }

    /// Another second factor for somebody who proves to be themselves with the one they have.
    pub fn change_authenticator(
        &mut self,
        id: &str,
        password: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Authenticator, Fault> {
        self.prove(id, password, code, "change the second factor", now)?;
        let authenticator = Authenticator::generate(&mut self.entropy());
        self.sessions.end_all_of(id);
        self.write(
            now,
            Fact::AuthenticatorChanged {
                id: id.to_owned(),
                authenticator: Secret(authenticator.to_base32()),
            },
        )?;
        Ok(authenticator)
    }

    /// Writes down that somebody was trained; it counts for a year, or until the day given.
    pub fn train(
        &mut self,
        allowed: &Allowed,
        id: &str,
        on: Date,
        topics: &str,
        until: Option<Date>,
        now: Timestamp,
    ) -> Result<Date, Fault> {
        needs(allowed, Permission::ManageTraining)?;
        self.known(id)?;
        if allowed.person == id && allowed.role != Role::Owner {
            return Err(refused("nobody writes down their own training".to_owned()));
        }
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let last = on.saturating_add(jiff::Span::new().days(TRAINING_DAYS));
        let until = until.unwrap_or(last);
        if on > today.saturating_add(jiff::Span::new().days(1)) || until < on || until > last {
            return Err(refused(
                "a training lies in the past, and counts for a year at most".to_owned(),
            ));
        }
        if topics.trim().is_empty() {
            return Err(refused("a training has a subject".to_owned()));
        }
        self.write(
            now,
            Fact::Trained {
                id: id.to_owned(),
                on,
                topics: short(topics)?,
                until,
                by: allowed.person.clone(),
            },
        )?;
        Ok(until)
    }

    /// Breaks the glass for an hour, in a session, for somebody who proves once more who they are (164.312(a)(2)(ii)).
    pub fn break_glass(
        &mut self,
        token: &Token,
        reason: &str,
        password: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Timestamp, Fault> {
        let mut session = self.session(token, now).ok_or(Refusal::NotLoggedIn)?;
        let role = self.known(&session.person)?.role;
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason.into());
        }
        if !role.may_break_glass() {
            self.note(
                &session.person,
                "break the glass",
                Some("not a clinician or nurse"),
                now,
            )?;
            return Err(refused("only a clinician or a nurse may break the glass".to_owned()));
        }
        self.prove(&session.person, password, code, "break the glass", now)?;
        let glass = self.drawn_name();
        let until_ms = now.as_millisecond().saturating_add(GLASS_MS);
        self.write(
            now,
            Fact::GlassBroken {
                glass: glass.clone(),
                id: session.person.clone(),
                reason: short(reason)?,
                until_ms,
            },
        )?;
        session.glass = Some(glass);
        session.used_ms = now.as_millisecond();
        self.sessions.keep(token, &session)?;
        Ok(Timestamp::from_millisecond(until_ms).unwrap_or(now))
    }

    /// Somebody else judges it.
    pub fn review_glass(&mut self, allowed: &Allowed, glass: &str, finding: &str, now: Timestamp) -> Result<(), Fault> {
        needs(allowed, Permission::ReviewBreakGlass)?;
        let found = self.state.glass.iter().find(|known| known.id == glass);
        let found = found.ok_or_else(|| refused(format!("the glass was never broken as `{glass}`")))?;
        if found.person == allowed.person {
            return Err(refused("nobody reviews their own".to_owned()));
        }
        if finding.trim().is_empty() {
            return Err(refused("a review says what was found".to_owned()));
        }
        self.write(
            now,
            Fact::GlassReviewed {
                glass: glass.to_owned(),
                finding: short(finding)?,
                by: allowed.person.clone(),
            },
        )
    }

    /// Files an agreement.
    pub fn file_agreement(&mut self, allowed: &Allowed, agreement: Agreement, now: Timestamp) -> Result<(), Fault> {
        needs(allowed, Permission::ManageAgreements)?;
        if self
            .state
            .agreements
            .iter()
            .any(|filed| filed.agreement.id == agreement.id)
        {
            return Err(refused(format!("there is an agreement `{}` already", agreement.id)));
        }
        let missing = agreement.missing();
        if !missing.is_empty() {
            return Err(refused(format!("the agreement lacks: {}", missing.join(", "))));
        }
        self.write(
            now,
            Fact::AgreementAdded {
                agreement,
                by: allowed.person.clone(),
            },
        )
    }

    /// Ends one.
    pub fn end_agreement(
        &mut self,
        allowed: &Allowed,
        agreement: &str,
        on: Date,
        reason: &str,
        now: Timestamp,
    ) -> Result<With, Fault> {
        needs(allowed, Permission::ManageAgreements)?;
        let filed = self
            .state
            .agreements
            .iter()
            .find(|filed| filed.agreement.id == agreement);
        let filed = filed.ok_or_else(|| refused(format!("there is no agreement `{agreement}`")))?;
        let with = filed.agreement.with.clone();
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason.into());
        }
        self.write(
            now,
            Fact::AgreementEnded {
                agreement: agreement.to_owned(),
                on,
                reason: short(reason)?,
                by: allowed.person.clone(),
            },
        )?;
        Ok(with)
    }

    /// Opens an incident; its clocks run from its discovery. Returns its name.
    pub fn open_incident(
        &mut self,
        allowed: &Allowed,
        what: &str,
        practice: &str,
        discovered: Timestamp,
        now: Timestamp,
    ) -> Result<String, Fault> {
        needs(allowed, Permission::ManageIncidents)?;
        if discovered > now {
            return Err(refused("nothing is discovered before it happens".to_owned()));
        }
        if what.trim().is_empty() {
            return Err(refused("an incident says what happened".to_owned()));
        }
        let day = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let incident = format!("{}-{:03}", day.year(), self.state.incidents.len() + 1);
        let with = With::Practice(practice.to_owned());
        let agreement_days = self
            .state
            .agreement(&with, day)
            .map(|filed| filed.agreement.breach_days);
        self.write(
            now,
            Fact::IncidentOpened {
                incident: incident.clone(),
                what: short(what)?,
                practice: practice.to_owned(),
                discovered_ms: discovered.as_millisecond(),
                agreement_days,
                by: allowed.person.clone(),
            },
        )?;
        Ok(incident)
    }

    /// Writes down whom it touches.
    pub fn scope_incident(&mut self, allowed: &Allowed, id: &str, scope: Scope, now: Timestamp) -> Result<(), Fault> {
        needs(allowed, Permission::ManageIncidents)?;
        self.open_one(id)?;
        self.write(
            now,
            Fact::IncidentScoped {
                incident: id.to_owned(),
                person: scope.person,
                from_ms: scope.from_ms,
                to_ms: scope.to_ms,
                individuals: scope.individuals,
                unknown: scope.unknown,
                by: allowed.person.clone(),
            },
        )
    }

    /// Takes it to a stage, or writes more down at the one it is at.
    pub fn stage_incident(
        &mut self,
        allowed: &Allowed,
        id: &str,
        stage: Stage,
        note: &str,
        factors: Option<Factors>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        needs(allowed, Permission::ManageIncidents)?;
        let before = self.open_one(id)?.stage;
        if stage < before {
            return Err(refused(format!(
                "it is at `{}` already, and goes forward only",
                before.name()
            )));
        }
        if let Some(factors) = &factors {
            let all = [
                &factors.nature,
                &factors.recipient,
                &factors.acquired,
                &factors.mitigated,
            ];
            if all
                .iter()
                .any(|factor| factor.trim().is_empty() || factor.len() > TEXT_MAX)
            {
                return Err(refused("each of the four factors is weighed in words".to_owned()));
            }
        }
        self.write(
            now,
            Fact::IncidentStaged {
                incident: id.to_owned(),
                stage,
                note: short(note)?,
                factors,
                by: allowed.person.clone(),
            },
        )
    }

    /// Closes it, once it was counted, weighed and reported.
    pub fn close_incident(&mut self, allowed: &Allowed, id: &str, outcome: &str, now: Timestamp) -> Result<(), Fault> {
        needs(allowed, Permission::ManageIncidents)?;
        let open = self.open_one(id)?.open_ends();
        if !open.is_empty() {
            return Err(refused(open.join("; ")));
        }
        if outcome.trim().is_empty() {
            return Err(refused("an incident closes with what came of it".to_owned()));
        }
        self.write(
            now,
            Fact::IncidentClosed {
                incident: id.to_owned(),
                outcome: short(outcome)?,
                by: allowed.person.clone(),
            },
        )
    }

    fn open_one(&self, id: &str) -> Result<&Incident, Fault> {
        match self.state.incident(id) {
            Some(incident) if incident.closed.is_none() => Ok(incident),
            Some(_) => Err(refused(format!("incident {id} is closed"))),
            None => Err(refused(format!("there is no incident {id}"))),
        }
    }

    fn known(&self, id: &str) -> Result<&crate::Person, Fault> {
        let person = self.state.people.get(id);
        person.ok_or_else(|| refused(format!("there is nobody called `{id}` here")))
    }

    /// Somebody must be left who answers for the house.
    fn keeps_an_owner(&self, without: &str, stays: bool) -> Result<(), Fault> {
        let others = self.state.people.values().filter(|person| {
            person.role == Role::Owner && person.disabled.is_none() && person.id != without && person.is_ready()
        });
        let is_owner = self.known(without)?.role == Role::Owner;
        if is_owner && !stays && others.count() == 0 {
            return Err(refused(
                "they are the last owner; make somebody else one first".to_owned(),
            ));
        }
        Ok(())
    }

    fn kept(&mut self, password: &str) -> Result<Secret, Fault> {
        let kept = Password::keep(password, &mut self.entropy());
        kept.map(|kept| Secret(kept.to_text()))
            .map_err(|_| Fault::Malformed("a password"))
    }
}

fn refused(what: String) -> Fault {
    Fault::RefusedAct(what)
}

fn needs(allowed: &Allowed, permission: Permission) -> Result<(), Fault> {
    if allowed.permission == permission {
        Ok(())
    } else {
        Err(Fault::Misuse)
    }
}

/// Only an owner makes, changes or disables owners.
fn rank(allowed: &Allowed, role: Role) -> Result<(), Fault> {
    if role == Role::Owner && allowed.role != Role::Owner {
        return Err(refused("only an owner may do that to an owner".to_owned()));
    }
    Ok(())
}

/// When a role ends: a time-boxed one must.
fn boxed(role: Role, until: Option<Timestamp>, now: Timestamp) -> Result<Option<i64>, Fault> {
    let Some(until) = until else {
        if role.is_time_boxed() {
            return Err(refused(format!(
                "`{}` is for a time: say how long, a week at most",
                role.name()
            )));
        }
        return Ok(None);
    };
    let (until_ms, at_ms) = (until.as_millisecond(), now.as_millisecond());
    if until_ms <= at_ms || until_ms.saturating_sub(at_ms) > TIME_BOX_MS_MAX {
        return Err(refused("a time box ends later than now, and within a week".to_owned()));
    }
    Ok(Some(until_ms))
}

fn sound(id: &str, name: &str) -> Result<(), Fault> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !(2..=ID_MAX).contains(&id.len())
        || !id.chars().all(letters)
        || !id.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Err(refused(format!(
            "`{}` is no name to log in with: 2 to {ID_MAX} small letters, digits, dots and hyphens, such as `marisol` or `m.vega`",
            id.chars().filter(|c| !c.is_control()).take(ID_MAX).collect::<String>()
        )));
    }
    if SHARED.contains(&id) || SHARED.contains(&id.trim_end_matches(|c: char| c.is_ascii_digit())) {
        return Err(refused(format!(
            "`{id}` could be anybody; one credential is one person's, so use their own name"
        )));
    }
    if name.trim().is_empty() || name.len() > ID_MAX * 4 || name.chars().any(char::is_control) {
        return Err(refused("a person has a name: `--name \"Marisol Vega\"`".to_owned()));
    }
    Ok(())
}

fn short(text: &str) -> Result<String, Fault> {
    if text.len() > TEXT_MAX {
        return Err(refused(format!("that is longer than {TEXT_MAX} octets")));
    }
    Ok(text.trim().to_owned())
}
