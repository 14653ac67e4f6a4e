//! The state a caller's number belongs to, for `caller state`.
//!
//! One thing to know: a number's state is not where the caller stands. People keep their mobile numbers when they move,
//! so nothing that matters may hang on it alone; the rule on unknown conditions (S012) sees to that.

use phi::Phi;

/// The state of a number's area code (North American Numbering Plan); `None` for numbers from elsewhere.
pub(crate) fn state_of(number: &Phi<String>) -> Option<&'static str> {
    let digits = number.expose().strip_prefix("+1")?;
    let code: u16 = digits.get(..3)?.parse().ok()?;
    STATES
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map(|(state, _)| *state)
}

/// What a practice writes for its state, by its full name: `Texas`, `texas`, `TX`, `Puerto Rico`.
pub(crate) fn state_named(written: &str) -> Option<&'static str> {
    let by_code = POSTAL.iter().position(|code| code.eq_ignore_ascii_case(written));
    let by_code = by_code.and_then(|at| STATES.get(at)).map(|(state, _)| *state);
    by_code.or_else(|| named().find(|state| state.eq_ignore_ascii_case(written)))
}

/// Every name that [`state_named`] knows.
pub(crate) fn named() -> impl Iterator<Item = &'static str> + Clone {
    STATES.iter().map(|(state, _)| *state).chain(TERRITORIES)
}

/// Where practices are too; whose permission a recording needs there is not in our table, and so everybody's.
const TERRITORIES: [&str; 5] = [
    "American Samoa",
    "Guam",
    "Northern Mariana Islands",
    "Puerto Rico",
    "U.S. Virgin Islands",
];

/// The postal codes, in the order of [`STATES`].
const POSTAL: [&str; 51] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY",
];

/// Every state with its area codes.
pub(crate) const STATES: [(&str, &[u16]); 51] = [
    ("Alabama", &[205, 251, 256, 334, 659, 938]),
    ("Alaska", &[907]),
    ("Arizona", &[480, 520, 602, 623, 928]),
    ("Arkansas", &[327, 479, 501, 870]),
    (
        "California",
        &[
            209, 213, 279, 310, 323, 341, 350, 369, 408, 415, 424, 442, 510, 530, 559, 562, 619, 626, 628, 650, 657,
            661, 669, 707, 714, 738, 747, 760, 805, 818, 820, 831, 837, 840, 858, 909, 916, 925, 949, 951,
        ],
    ),
    ("Colorado", &[303, 719, 720, 748, 970, 983]),
    ("Connecticut", &[203, 475, 860, 959]),
    ("Delaware", &[302]),
    ("District of Columbia", &[202, 771]),
    (
        "Florida",
        &[
            239, 305, 321, 324, 352, 386, 407, 448, 561, 645, 656, 689, 727, 728, 754, 772, 786, 813, 850, 863, 904,
            941, 954,
        ],
    ),
    ("Georgia", &[229, 404, 470, 478, 678, 706, 762, 770, 912, 943]),
    ("Hawaii", &[808]),
    ("Idaho", &[208, 986]),
    (
        "Illinois",
        &[
            217, 224, 309, 312, 331, 447, 464, 618, 630, 708, 730, 773, 779, 815, 847, 861, 872,
        ],
    ),
    ("Indiana", &[219, 260, 317, 463, 574, 765, 812, 930]),
    ("Iowa", &[319, 515, 563, 641, 712]),
    ("Kansas", &[316, 620, 785, 913]),
    ("Kentucky", &[270, 364, 502, 606, 859]),
    ("Louisiana", &[225, 318, 337, 457, 504, 985]),
    ("Maine", &[207]),
    ("Maryland", &[227, 240, 301, 410, 443, 667]),
    ("Massachusetts", &[339, 351, 413, 508, 617, 774, 781, 857, 978]),
    (
        "Michigan",
        &[231, 248, 269, 313, 517, 586, 616, 679, 734, 810, 906, 947, 989],
    ),
    ("Minnesota", &[218, 320, 507, 612, 651, 763, 924, 952]),
    ("Mississippi", &[228, 471, 601, 662, 769]),
    ("Missouri", &[235, 314, 417, 557, 573, 636, 660, 816, 975]),
    ("Montana", &[406]),
    ("Nebraska", &[308, 402, 531]),
    ("Nevada", &[702, 725, 775]),
    ("New Hampshire", &[603]),
    ("New Jersey", &[201, 551, 609, 640, 732, 848, 856, 862, 908, 973]),
    ("New Mexico", &[505, 575]),
    (
        "New York",
        &[
            212, 315, 329, 332, 347, 363, 516, 518, 585, 607, 624, 631, 646, 680, 716, 718, 838, 845, 914, 917, 929,
            934,
        ],
    ),
    ("North Carolina", &[252, 336, 472, 704, 743, 828, 910, 919, 980, 984]),
    ("North Dakota", &[701]),
    (
        "Ohio",
        &[
            216, 220, 234, 283, 326, 330, 380, 419, 436, 440, 513, 567, 614, 740, 937,
        ],
    ),
    ("Oklahoma", &[405, 539, 572, 580, 918]),
    ("Oregon", &[458, 503, 541, 971]),
    (
        "Pennsylvania",
        &[
            215, 223, 267, 272, 412, 445, 484, 570, 582, 610, 717, 724, 814, 835, 878,
        ],
    ),
    ("Rhode Island", &[401]),
    ("South Carolina", &[803, 821, 839, 843, 854, 864]),
    ("South Dakota", &[605]),
    ("Tennessee", &[423, 615, 629, 731, 865, 901, 931]),
    (
        "Texas",
        &[
            210, 214, 254, 281, 325, 346, 361, 409, 430, 432, 469, 512, 621, 682, 713, 726, 737, 806, 817, 830, 832,
            903, 915, 936, 940, 945, 956, 972, 979,
        ],
    ),
    ("Utah", &[385, 435, 801]),
    ("Vermont", &[802]),
    ("Virginia", &[276, 434, 540, 571, 686, 703, 757, 804, 826, 948]),
    ("Washington", &[206, 253, 360, 425, 509, 564]),
    ("West Virginia", &[304, 681]),
    ("Wisconsin", &[262, 274, 353, 414, 534, 608, 715, 920]),
    ("Wyoming", &[307]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_state_is_known_by_its_name_and_its_postal_code() {
        for (written, state) in [
            ("Texas", "Texas"),
            ("tx", "Texas"),
            ("DC", "District of Columbia"),
            ("MO", "Missouri"),
            ("WY", "Wyoming"),
            ("puerto rico", "Puerto Rico"),
        ] {
            assert_eq!(state_named(written), Some(state), "{written}");
        }
        assert_eq!(state_named("Texass"), None);
    }

    #[test]
    fn a_number_belongs_to_one_state_or_none() {
        let state = |number: &str| state_of(&Phi::new(number.to_owned()));
        assert_eq!(state("+15125550100"), Some("Texas"));
        assert_eq!(state("+12065550188"), Some("Washington"));
        assert_eq!(state("+441632960001"), None);
        assert_eq!(state("+18005550100"), None);
        assert_eq!(state("+1"), None);
        let codes: Vec<u16> = STATES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        assert_eq!(codes.len(), codes.iter().collect::<BTreeSet<_>>().len());
    }
}
