//! Start-time fair queueing (Goyal, Vin, Cheng, 1996) with the tags as priorities.
//!
//! Virtual time counts rounds: in each round every tenant that has something waiting may run as many tasks as its weight says. A task's start
//! tag is the round in which it is to run; the priority is made of that. A priority never changes while its task waits and has 2^21 values, but
//! rounds go on for as long as something waits. So the first 2^17 rounds have a priority each, and later ones share one with
//! ever more neighbours: a turn then lasts about a 131,072nd part of the time for which the lane has been busy without a break.

use std::collections::HashMap;

use andera_policy::MAX_PRIORITY;

/// Rounds that have a priority of their own.
const EXACT: f64 = 131_072.0;
/// Tenants beyond this are looked through for those that say nothing.
const MANY: usize = 1024;

/// A lane in which something waits.
#[derive(Debug, Default)]
pub struct Lane {
    /// The round being served.
    now: f64,
    /// Where each tenant's next task would start, if that is later.
    next: HashMap<u64, f64>,
    /// The length of `next` at which it is looked through.
    crowded: usize,
    /// The least urgent priority given away, how many tasks with it have not been served, and when the last of them came.
    last: Last,
}

#[derive(Debug, Default)]
struct Last {
    priority: u32,
    waiting: u32,
    at_ms: u64,
}

impl Lane {
    /// The priority of a tenant's next task.
    pub fn place(&mut self, tenant: u64, weight: f64, now_ms: u64) -> u32 {
        self.forget();
        let next = self.next.entry(tenant).or_default();
        let start = next.max(self.now);
        *next = start + 1.0 / weight;
        let priority = priority(start);
        if priority > self.last.priority {
            self.last = Last { priority, waiting: 1, at_ms: now_ms };
        } else if priority == self.last.priority {
            self.last.waiting += 1;
            self.last.at_ms = now_ms;
        }
        priority
    }

    /// Notes that a task is being served, and says whether it was the last one waiting: the lane can then be forgotten, and starts anew.
    pub fn serves(&mut self, priority: u32, submitted_ms: u64) -> bool {
        let known = self.last.priority;
        // Numbers that were never given away say something only at the beginning, when the queue is older than this instance.
        if priority <= known || known == 0 {
            self.now = self.now.max(round(priority));
        }
        if priority != known || known == 0 {
            return known == 0 && priority == 0;
        }
        // The same task may be ranked twice; the one that came last is the last.
        self.last.waiting = self.last.waiting.saturating_sub(1);
        self.last.waiting == 0 && submitted_ms >= self.last.at_ms
    }

    /// Who is not ahead of the round gets the round, remembered or not.
    fn forget(&mut self) {
        if self.next.len() >= self.crowded.max(MANY) {
            let now = self.now;
            self.next.retain(|_, next| *next > now);
            self.crowded = self.next.len() * 2;
        }
    }
}

/// The number of a round: 1 for the first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range by then")]
fn priority(round: f64) -> u32 {
    let level = if round < EXACT { round } else { EXACT * (1.0 + (round / EXACT).ln()) };
    (level.floor() + 1.0).min(f64::from(MAX_PRIORITY)) as u32
}

/// The first round of that number.
fn round(priority: u32) -> f64 {
    let level = f64::from(priority.saturating_sub(1));
    if level < EXACT { level } else { EXACT * (level / EXACT - 1.0).exp() }
}

#[cfg(test)]
mod tests {
    use super::{EXACT, Lane, MANY, priority, round};
    use andera_policy::MAX_PRIORITY;

    #[test]
    fn numbers_stay_in_range_and_in_order_for_any_number_of_rounds() {
        let mut before = 0;
        for step in 0..2_000_000 {
            // Fine at the start, ever wider: up to 10^12 rounds.
            let at = f64::from(step) * (1.0 + f64::from(step) / 4.0);
            let number = priority(at);
            assert!(number >= before && (1..=MAX_PRIORITY).contains(&number));
            before = number;
        }
        assert_eq!(before, MAX_PRIORITY);
        assert_eq!([0.0, 0.9, 1.0, EXACT - 1.0].map(priority), [1, 1, 2, 131_072]);
    }

    #[test]
    fn a_number_leads_back_to_its_round() {
        for at in [0.0, 1.0, 1000.0, EXACT, 1e6, 1e8, 1e10] {
            let back = round(priority(at));
            assert!(back <= at + 1e-6 * at && back >= at - 1.0 - at * 1.1 / EXACT, "{at} became {back}");
        }
    }

    #[test]
    fn a_tenant_gets_as_many_tasks_in_a_round_as_its_weight_says() {
        let mut lane = Lane::default();
        let heavy: Vec<u32> = (0..6).map(|_| lane.place(1, 3.0, 0)).collect();
        assert_eq!(heavy, [1, 1, 1, 2, 2, 2]);
        assert_eq!([lane.place(2, 1.0, 0), lane.place(2, 1.0, 0), lane.place(2, 0.5, 0)], [1, 2, 3]);
    }

    #[test]
    fn whoever_comes_later_starts_in_the_round_being_served() {
        let mut lane = Lane::default();
        (0..100).for_each(|_| _ = lane.place(1, 1.0, 0));
        (1..=50).for_each(|number| assert!(!lane.serves(number, 0)));
        // The tenant that has waited for nothing has saved up nothing.
        assert_eq!(lane.place(2, 1.0, 0), 50);
        assert_eq!(lane.place(1, 1.0, 0), 101);
    }

    #[test]
    fn starts_anew_when_the_last_one_is_served() {
        let mut lane = Lane::default();
        assert_eq!(
            [lane.place(1, 2.0, 5), lane.place(1, 2.0, 5), lane.place(1, 2.0, 6), lane.place(1, 2.0, 7)],
            [1, 1, 2, 2]
        );
        assert!(!lane.serves(1, 5) && !lane.serves(1, 5));
        // Ranked again for want of room.
        assert!(!lane.serves(2, 6) && !lane.serves(2, 6));
        assert!(lane.serves(2, 7));

        // Two that came in the same millisecond.
        let mut lane = Lane::default();
        assert_eq!([lane.place(1, 2.0, 5), lane.place(1, 2.0, 5)], [1, 1]);
        assert!(!lane.serves(1, 5) && lane.serves(1, 5));
    }

    #[test]
    fn a_queue_that_is_older_than_the_instance_is_joined_where_it_is() {
        let mut lane = Lane::default();
        assert!(!lane.serves(5_000, 0));
        assert_eq!(lane.place(1, 1.0, 0), 5_000);
        // A number set by hand moves nobody.
        lane.serves(MAX_PRIORITY, 0);
        assert_eq!(lane.place(2, 1.0, 0), 5_000);
    }

    #[test]
    fn tenants_that_have_had_their_turn_are_forgotten() {
        let mut lane = Lane::default();
        lane.place(0, 0.001, 0);
        lane.place(0, 0.001, 0);
        for tenant in 1..100_000 {
            let number = lane.place(tenant, 1.0, 0);
            lane.serves(number, 0);
            lane.place(0, 1.0, 0);
            lane.serves(number + 1, 0);
            assert!(lane.next.len() <= 2 * MANY);
        }
    }
}
