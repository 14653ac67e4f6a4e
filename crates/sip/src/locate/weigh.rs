//! The order of SRV records: priority, then a draw by weight (RFC 2782, "The format of the SRV RR").

use super::{RECORDS_MAX, Srv};

/// Numbers for the weights, out of one draw.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(draw: [u8; 16]) -> Self {
        Self(draw.iter().fold(0, |sum: u64, byte| {
            sum.rotate_left(8).wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
        }))
    }

    /// From 0 to `most`, both included. Weights need fairness, not secrecy: splitmix64.
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        let wide = u128::from(word) * (u128::from(most) + 1);
        u32::try_from(wide >> 64).unwrap_or(most)
    }
}

/// The records in the order to try them.
pub(super) fn in_order<'a>(records: &'a [Srv], dice: &mut Dice) -> Vec<&'a Srv> {
    let mut waiting = records.iter().take(RECORDS_MAX).collect::<Vec<_>>();
    // A resolver may give the records of one set in any order, and they must not draw differently for it. "All those with weight 0
    // are placed at the beginning of the list."
    waiting.sort_by(|a, b| (a.priority, a.weight, &a.target, a.port).cmp(&(b.priority, b.weight, &b.target, b.port)));
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(first) = waiting.first() {
        let priority = first.priority;
        let group = waiting.iter().take_while(|record| record.priority == priority);
        let total = group.map(|record| u32::from(record.weight)).sum();
        let drawn = dice.up_to(total);
        // "Select the RR whose running sum value is the first in the selected order which is greater than or equal to the random
        // number selected."
        let mut sum = 0;
        let chosen = waiting.iter().position(|record| {
            sum += u32::from(record.weight);
            sum >= drawn
        });
        order.push(waiting.remove(chosen.unwrap_or(0)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5060,
            target: target.into(),
        }
    }

    fn draw(seed: u64) -> Dice {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Dice::new(bytes)
    }

    #[test]
    fn a_lower_priority_number_always_comes_first() {
        let records = [
            srv(20, 100, "c"),
            srv(10, 0, "a"),
            srv(10, 60_000, "b"),
            srv(30, 1, "d"),
        ];
        for seed in 0..200 {
            let order = in_order(&records, &mut draw(seed));
            let priorities = order.iter().map(|record| record.priority).collect::<Vec<_>>();
            assert_eq!(priorities, [10, 10, 20, 30], "seed {seed}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let records = [srv(1, 75, "heavy"), srv(1, 25, "light"), srv(1, 0, "spare")];
        let mut first = [0_u32; 3];
        for seed in 0..10_000 {
            match in_order(&records, &mut draw(seed))[0].target.as_str() {
                "heavy" => first[0] += 1,
                "light" => first[1] += 1,
                _ => first[2] += 1,
            }
        }
        // 101 outcomes: 0 takes the spare, 1 to 25 the light one, 26 to 100 the heavy one.
        assert!((7_200..=7_650).contains(&first[0]), "{first:?}");
        assert!((2_250..=2_700).contains(&first[1]), "{first:?}");
        assert!((40..=180).contains(&first[2]), "{first:?}");
    }

    #[test]
    fn the_order_in_which_they_came_draws_nothing() {
        let mut records = vec![srv(1, 5, "a"), srv(1, 50, "b"), srv(2, 1, "c"), srv(1, 0, "d")];
        for seed in 0..50 {
            let before = in_order(&records, &mut draw(seed))
                .into_iter()
                .cloned()
                .collect::<Vec<_>>();
            records.reverse();
            let after = in_order(&records, &mut draw(seed))
                .into_iter()
                .cloned()
                .collect::<Vec<_>>();
            assert_eq!(before, after);
        }
    }
}
