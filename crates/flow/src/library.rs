//! The built-in sentences, in every language the engine speaks. All of it is sample wording.
//!
//! A practice writes its own sentences; these are the ones it cannot write, because the safe thing must always be said
//! the same way: the emergency notice, the 911 direction, permission, read-backs, retries. Everything clinical here
//! waits for a medical director's approval before real callers hear it.
//!
//! To add a sentence, add a row to the table: name, English, Spanish. A `{key}` in it is replaced by [`Phrase::with_key`].

use crate::model::{Field, Notice};
use crate::words::{Language, Part};

macro_rules! phrases {
    ($($(#[$doc:meta])* $name:ident: $english:literal, $spanish:literal;)*) => {
        /// A built-in sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Phrase {
            $($(#[$doc])* $name,)*
        }

        impl Phrase {
            /// Every built-in sentence.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The sentence in a language.
            pub const fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::English) => $english,
                      (Self::$name, Language::Spanish) => $spanish,)*
                }
            }
        }
    };
}

phrases! {
    // Safety. Sample wording; needs a medical director.
    /// `emergency notice`, for any practice.
    EmergencyGeneral:
        "If this is a medical emergency, hang up and dial 911.",
        "Si se trata de una emergencia médica, cuelgue y marque el 911.";
    /// `emergency notice: behavioral health`.
    EmergencyBehavioral:
        "If you or someone else is in danger right now, hang up and dial 911. You can also call or text 988 at any time.",
        "Si usted u otra persona está en peligro en este momento, cuelgue y marque el 911. También puede llamar o enviar un mensaje de texto al 988 a cualquier hora.";
    /// `emergency notice: obstetric`.
    EmergencyObstetric:
        "If this is an emergency, such as heavy bleeding, severe pain, a seizure, or a baby about to be born, hang up and dial 911.",
        "Si se trata de una emergencia, como sangrado abundante, dolor muy fuerte, convulsiones o un bebé a punto de nacer, cuelgue y marque el 911.";
    /// `tell the caller to call 911`; said twice.
    Call911Now:
        "This may be an emergency. Please hang up and call 911 now. Do not wait for a call back.",
        "Esto puede ser una emergencia. Por favor, cuelgue y llame al 911 ahora mismo. No espere a que le devolvamos la llamada.";

    // Language and permission.
    /// One key per language, said in that language.
    ChooseLanguage:
        "For English, press {key}.",
        "Para español, marque {key}.";
    /// `ask permission to record`. No answer is a no.
    AskPermission:
        "May we record this call, so that we can check our care? Press 1 for yes, or 2 for no. You will get the same help either way.",
        "¿Nos permite grabar esta llamada para revisar nuestra atención? Marque 1 para sí, o 2 para no. Recibirá la misma ayuda en cualquier caso.";
    /// After a yes.
    WillRecord:
        "Thank you. This call is recorded.",
        "Gracias. Esta llamada se está grabando.";
    /// After a no, or silence.
    WillNotRecord:
        "This call is not recorded.",
        "Esta llamada no se está grabando.";

    // Questions in general.
    /// After a yes-or-no question.
    YesOrNo:
        "Press 1 for yes, or 2 for no.",
        "Marque 1 para sí, o 2 para no.";
    /// After a question nobody answered.
    StillThere:
        "I did not hear a key.",
        "No escuché ninguna tecla.";
    /// After a key that means nothing here.
    NotUnderstood:
        "Sorry, I did not get that.",
        "Disculpe, no le entendí.";

    // Fields.
    /// `callback number`, when the caller's number is known.
    CallbackNumberThis:
        "To be called back at the number you are calling from, press 1. Or enter another ten digit number, area code first.",
        "Si quiere que le llamemos al número desde el que está llamando, marque 1. O marque otro número de diez dígitos, empezando por el código de área.";
    /// `callback number`, when it is not.
    CallbackNumberAny:
        "Please enter the ten digit number where we can call you, area code first.",
        "Por favor, marque el número de diez dígitos donde podamos llamarle, empezando por el código de área.";
    /// `caller name`
    CallerName:
        "After the tone, please say your first and last name. Then press pound.",
        "Después del tono, diga su nombre y apellido. Luego marque la tecla de número.";
    /// `patient name`
    PatientName:
        "After the tone, please say the patient's first and last name. Then press pound.",
        "Después del tono, diga el nombre y el apellido del paciente. Luego marque la tecla de número.";
    /// `relationship to patient`
    RelationshipToPatient:
        "After the tone, please say how you are related to the patient. Then press pound.",
        "Después del tono, diga cuál es su relación con el paciente. Luego marque la tecla de número.";
    /// `reason`
    Reason:
        "After the tone, please say why you are calling. Then press pound.",
        "Después del tono, diga el motivo de su llamada. Luego marque la tecla de número.";
    /// `medicine`
    Medicine:
        "After the tone, please say the name of the medicine. Then press pound.",
        "Después del tono, diga el nombre de la medicina. Luego marque la tecla de número.";
    /// `prescriber`
    Prescriber:
        "After the tone, please say who prescribed it. Then press pound.",
        "Después del tono, diga quién se la recetó. Luego marque la tecla de número.";
    /// `pharmacy`
    Pharmacy:
        "After the tone, please say the name of your pharmacy and the street it is on. Then press pound.",
        "Después del tono, diga el nombre de su farmacia y la calle en que está. Luego marque la tecla de número.";
    /// `best time to call`
    BestTimeToCall:
        "After the tone, please say the best time to call you. Then press pound.",
        "Después del tono, diga a qué hora es mejor llamarle. Luego marque la tecla de número.";
    /// `patient date of birth`
    PatientDateOfBirth:
        "Please enter the patient's date of birth as eight digits: two for the month, two for the day, and four for the year.",
        "Por favor, marque la fecha de nacimiento del paciente con ocho dígitos: dos para el mes, dos para el día y cuatro para el año.";
    /// `patient age`
    PatientAge:
        "Please enter the patient's age in years, then press pound.",
        "Por favor, marque la edad del paciente en años y luego la tecla de número.";
    /// `safe to call back`
    SafeToCallBack:
        "Is it safe for us to call you back at this number?",
        "¿Es seguro que le llamemos a este número?";
    /// `voice message`
    VoiceMessage:
        "After the tone, please say your name, your number, and how we can help. Then press pound.",
        "Después del tono, diga su nombre, su número y en qué podemos ayudarle. Luego marque la tecla de número.";
    /// `record a message`
    LeaveAMessage:
        "Please leave a message after the tone. Say your name and your number. Then press pound.",
        "Por favor, deje un mensaje después del tono. Diga su nombre y su número. Luego marque la tecla de número.";
    /// `take refill`: a yes marks it for the doctor.
    Controlled:
        "Is it a medicine for pain, anxiety, sleep, or attention?",
        "¿Es una medicina para el dolor, la ansiedad, el sueño o la atención?";

    // Read-backs.
    /// Before a number or a date is read back.
    YouEntered:
        "You entered",
        "Usted marcó";
    /// After it.
    IsThatRight:
        "If that is right, press 1. To enter it again, press 2.",
        "Si es correcto, marque 1. Para marcarlo otra vez, marque 2.";
    /// Fewer than ten digits, or no such number.
    NotANumber:
        "That is not a ten digit telephone number.",
        "Ese no es un número de teléfono de diez dígitos.";
    /// No such day, or not in the last 120 years.
    NotABirthDate:
        "That is not a date of birth I can use.",
        "Esa no es una fecha de nacimiento que yo pueda usar.";
    /// Nothing was said after the tone.
    NothingHeard:
        "I did not hear anything.",
        "No escuché nada.";

    // Waiting.
    /// Every 15 s while a ladder runs.
    StillTrying:
        "I am still trying to reach someone for you. Please stay on the line.",
        "Sigo intentando comunicarme con alguien para usted. Por favor, permanezca en la línea.";
    /// The same, for `while waiting: calm words`.
    StillHere:
        "I am still here with you. I am reaching someone now. Please stay with me.",
        "Sigo aquí con usted. Estoy llamando a alguien en este momento. Por favor, quédese conmigo.";
    /// Just before the bridge.
    Connecting:
        "I have someone for you now.",
        "Ya tengo a alguien para usted.";
    /// While the records are asked.
    OneMoment:
        "One moment, please.",
        "Un momento, por favor.";

    // Patients and appointments.
    /// `find patient by: [medical record number]`
    MedicalRecordNumber:
        "Please enter the medical record number, then press pound.",
        "Por favor, marque el número de expediente médico y luego la tecla de número.";
    /// `find patient by`: nobody, two, or no longer with the practice. The caller must not learn which, nor whether
    /// somebody is a patient.
    NotMatched:
        "I cannot look this up by telephone right now. A person will help you with it.",
        "En este momento no puedo buscarlo por teléfono. Una persona le ayudará.";
    /// `offer appointments: [book]`
    ToBook:
        "To make a new appointment, press {key}.",
        "Para hacer una cita nueva, marque {key}.";
    /// `offer appointments: [move]`
    ToMove:
        "To move an appointment to another time, press {key}.",
        "Para cambiar una cita a otra hora, marque {key}.";
    /// `offer appointments: [cancel]`
    ToCancel:
        "To cancel an appointment, press {key}.",
        "Para cancelar una cita, marque {key}.";
    /// Before the visit types.
    WhichVisit:
        "Which kind of visit do you need?",
        "¿Qué tipo de visita necesita?";
    /// Before the caller's own appointments.
    TheirAppointments:
        "You have these appointments.",
        "Usted tiene estas citas.";
    /// After one of several times.
    ForThis:
        "For this one, press {key}.",
        "Para esta, marque {key}.";
    /// After the last of them.
    ForNone:
        "If none of these is right, press {key}.",
        "Si ninguna es la que busca, marque {key}.";
    /// Before an appointment.
    YourAppointment:
        "Your appointment is",
        "Su cita es";
    /// Before the times that are offered.
    TheseTimes:
        "I can offer you these times.",
        "Puedo ofrecerle estas horas.";
    /// Somebody else booked it meanwhile.
    JustTaken:
        "I am sorry, that time was just taken.",
        "Lo siento, esa hora se acaba de ocupar.";
    /// Nothing to offer, or nothing the caller may do by telephone.
    NothingFits:
        "I have nothing more that I can arrange by telephone. A person will help you.",
        "No tengo nada más que pueda arreglar por teléfono. Una persona le ayudará.";
    /// After a new appointment, before its time.
    Booked:
        "You are booked for",
        "Su cita quedó para";
    /// After a move, before the new time.
    Moved:
        "Your appointment is now",
        "Su cita ahora es";
    /// Before it is done.
    SureToCancel:
        "To cancel it, press 1. To keep it, press 2.",
        "Para cancelarla, marque 1. Para conservarla, marque 2.";
    /// After it is done.
    Cancelled:
        "Your appointment is cancelled.",
        "Su cita está cancelada.";
    /// After a 2.
    Kept:
        "Your appointment stays as it is.",
        "Su cita queda como está.";
    /// `{appointment}`, when there is none ahead.
    NotInTheBook:
        "not in our book",
        "todavía sin fecha";
    /// `offer appointments` and `find patient by` while records are down.
    RecordsDown:
        "I cannot open the appointment book right now. A person will call you back to help.",
        "En este momento no puedo abrir la agenda de citas. Una persona le llamará para ayudarle.";

    // To the person whose phone rings.
    /// When the call is recorded, before they accept (§10). They are a party too, and may say no (CON-05).
    WhisperRecorded:
        "This call is recorded. If you do not want that, press {key} first.",
        "Esta llamada se está grabando. Si no lo desea, marque antes {key}.";
    /// After that key.
    WhisperUnrecorded:
        "The recording will stop when you take the call.",
        "La grabación se detendrá cuando usted tome la llamada.";
    /// After the accept key of somebody who has a PIN (§9).
    AskPin:
        "Please enter your PIN.",
        "Por favor, marque su PIN.";
    /// It was another one.
    WrongPin:
        "That is not your PIN. Please enter it again.",
        "Ese no es su PIN. Por favor, márquelo otra vez.";
    /// When the caller has hung up.
    WhisperCallBack:
        "The caller has hung up. Press 1 and I will give you the number to call back.",
        "La persona que llamó ya colgó. Marque 1 y le daré el número para devolver la llamada.";
    /// Before the number.
    WhisperNumber:
        "The number to call back is",
        "El número para devolver la llamada es";
    /// Someone else accepted first.
    WhisperTaken:
        "Thank you. Someone else has taken this call.",
        "Gracias. Otra persona ya tomó esta llamada.";

    // When things go wrong.
    /// The safety net begins.
    Trouble:
        "We are having a problem with our system.",
        "Tenemos un problema con nuestro sistema.";
    /// The practice may not speak for itself: never released, or its files are broken.
    NotInService:
        "The usual service of this line is not available right now.",
        "El servicio habitual de esta línea no está disponible en este momento.";
    /// No agreement with the practice holds: nobody is rung, nothing is kept (ADM-01). Said of any number, about nobody.
    OutOfService:
        "The number you have called is not in service. If this is an emergency, hang up and dial 911.",
        "El número al que ha llamado no está en servicio. Si se trata de una emergencia, cuelgue y marque el 911.";
    /// Step budget or 60 minutes.
    TooLong:
        "This call has lasted a long time. I will try to reach a person for you now.",
        "Esta llamada ha durado mucho. Ahora intentaré comunicarle con una persona.";
    /// Said last where nothing else is.
    Goodbye:
        "Thank you. Goodbye.",
        "Gracias. Adiós.";
}

/// The keys a menu or a language may have.
const KEYS: [char; 11] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '#'];

impl Phrase {
    /// The words of an emergency notice.
    pub const fn notice(notice: Notice) -> Self {
        match notice {
            Notice::General => Self::EmergencyGeneral,
            Notice::BehavioralHealth => Self::EmergencyBehavioral,
            Notice::Obstetric => Self::EmergencyObstetric,
        }
    }

    /// The question that asks for a field; a callback number has another when the caller's is not known.
    pub const fn asks(field: Field) -> Self {
        match field {
            Field::CallbackNumber => Self::CallbackNumberThis,
            Field::CallerName => Self::CallerName,
            Field::PatientName => Self::PatientName,
            Field::RelationshipToPatient => Self::RelationshipToPatient,
            Field::Reason => Self::Reason,
            Field::Medicine => Self::Medicine,
            Field::Prescriber => Self::Prescriber,
            Field::Pharmacy => Self::Pharmacy,
            Field::BestTimeToCall => Self::BestTimeToCall,
            Field::PatientDateOfBirth => Self::PatientDateOfBirth,
            Field::PatientAge => Self::PatientAge,
            Field::SafeToCallBack => Self::SafeToCallBack,
            Field::VoiceMessage => Self::VoiceMessage,
            Field::MedicalRecordNumber => Self::MedicalRecordNumber,
        }
    }

    /// The clip of this sentence.
    pub fn part(self, language: Language) -> Part {
        Part::new(self.text(language), language)
    }

    /// The clip of this sentence with its `{key}` filled in.
    pub fn with_key(self, language: Language, key: char) -> Part {
        Part::new(
            self.text(language).replace("{key}", spoken_key(key, language)),
            language,
        )
    }

    /// What a safety net can come to say by itself, whatever a practice wrote: the advice to call 911, company while phones
    /// ring, a message, and that something is wrong.
    pub const OF_THE_NET: &[Self] = &[
        Self::Call911Now,
        Self::StillThere,
        Self::NotUnderstood,
        Self::NothingHeard,
        Self::LeaveAMessage,
        Self::StillTrying,
        Self::StillHere,
        Self::Connecting,
        Self::OneMoment,
        Self::WhisperTaken,
        Self::Trouble,
        Self::NotInService,
        Self::OutOfService,
        Self::TooLong,
        Self::Goodbye,
    ];

    /// Every clip of the library in one language.
    pub fn parts(language: Language) -> Vec<Part> {
        Self::ALL
            .iter()
            .flat_map(|phrase| {
                let keyed = phrase.text(language).contains("{key}");
                let keys: &[char] = if keyed { &KEYS } else { &KEYS[..1] };
                keys.iter().map(|&key| phrase.with_key(language, key))
            })
            .collect()
    }
}

/// A menu's line as the caller hears it: `For an appointment, press 3.` Spoken from the option itself (§2.2), so the
/// words can never promise a key that leads elsewhere.
pub(crate) fn option_line(label: &str, key: char, language: Language) -> String {
    let label = label.trim().trim_end_matches(['.', ',']);
    let key = spoken_key(key, language);
    match language {
        Language::English => format!("For {label}, press {key}."),
        Language::Spanish => format!("Para {label}, marque {key}."),
    }
}

/// How a key is said.
const fn spoken_key(key: char, language: Language) -> &'static str {
    match (key, language) {
        ('0', _) => "0",
        ('1', _) => "1",
        ('2', _) => "2",
        ('3', _) => "3",
        ('4', _) => "4",
        ('5', _) => "5",
        ('6', _) => "6",
        ('7', _) => "7",
        ('8', _) => "8",
        ('9', _) => "9",
        ('*', Language::English) => "star",
        ('*', Language::Spanish) => "asterisco",
        (_, Language::English) => "pound",
        (_, Language::Spanish) => "la tecla de número",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safe_things_are_said_in_the_words_callers_know() {
        for notice in [Notice::General, Notice::BehavioralHealth, Notice::Obstetric] {
            assert!(
                Phrase::notice(notice)
                    .text(Language::English)
                    .contains("hang up and dial 911")
            );
            assert!(
                Phrase::notice(notice)
                    .text(Language::Spanish)
                    .contains("cuelgue y marque el 911")
            );
        }
        assert!(Phrase::Call911Now.text(Language::English).contains("call 911 now"));
        assert!(
            Phrase::Controlled
                .text(Language::English)
                .contains("pain, anxiety, sleep, or attention")
        );
    }

    #[test]
    fn a_menu_line_is_spoken_from_its_option() {
        assert_eq!(
            option_line("a medical question or a symptom", '1', Language::English),
            "For a medical question or a symptom, press 1."
        );
        assert_eq!(
            option_line("una receta", '2', Language::Spanish),
            "Para una receta, marque 2."
        );
    }

    #[test]
    fn no_clip_of_the_library_holds_a_brace() {
        for language in Language::ALL {
            assert!(
                Phrase::parts(language)
                    .iter()
                    .all(|part| !part.text.contains(['{', '}']))
            );
        }
    }
}
