//! Whether leaving zeros out is faster than multiplying by them, from what either took.
//!
//! It depends on the processor, on its memory and on who else uses both, so it is measured while the model runs. Either way
//! gives the same integers.

/// A product that can be had two ways: as a whole, at a time that hardly varies, or of a list, at a time that grows with it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    whole: Mean,
    of_list: Mean,
    decisions: u32,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Whole,
    List,
}

/// The other way is tried once in so many times, or what was slow for a moment would never be known to be fast again.
const TRY_EACH: u32 = 32;
/// It is not tried if it would take so many times as long.
const HOPELESS: f32 = 2.0;
/// The share of what is known that a new time replaces.
const NEW: f32 = 0.125;

impl Pace {
    /// How `listed` of `all` should be multiplied now.
    pub fn choose(&mut self, listed: usize, all: usize) -> Way {
        self.decisions = self.decisions.wrapping_add(1);
        let (whole, list) = (self.whole.of(all), self.of_list.of(listed));
        let (best, other, ratio) = match list <= whole {
            true => (Way::List, Way::Whole, whole / list),
            false => (Way::Whole, Way::List, list / whole),
        };
        // Without a time of its own a way looks free and is tried; NaN (0 / 0) is neither hopeless nor anything else.
        let hopeless = ratio > HOPELESS;
        if self.decisions.is_multiple_of(TRY_EACH) && !hopeless { other } else { best }
    }

    /// Takes note that `listed` of `all` took `seconds` this way.
    pub fn took(&mut self, way: Way, listed: usize, all: usize, seconds: f32) {
        match way {
            Way::Whole => self.whole.add(seconds, all),
            Way::List if listed > 0 => self.of_list.add(seconds, listed),
            Way::List => {}
        }
    }
}

/// Seconds for each of what was multiplied: a mean that forgets.
#[derive(Debug, Default)]
struct Mean(Option<f32>);

impl Mean {
    fn of(&self, count: usize) -> f32 {
        self.0.unwrap_or(0.0) * count as f32
    }

    fn add(&mut self, seconds: f32, count: usize) {
        let new = seconds / count as f32;
        self.0 = Some(match self.0 {
            // A thread that was put aside for a while says nothing about the way.
            Some(old) => old + NEW * (new.min(2.0 * old) - old),
            None => new,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ways chosen of a product of 100 that takes a second for each as a whole and `each` seconds for each of a list.
    fn chosen(pace: &mut Pace, times: usize, listed: usize, each: f32) -> Vec<Way> {
        let choose = |_| {
            let way = pace.choose(listed, 100);
            let seconds = if way == Way::Whole { 100.0 } else { each * listed as f32 };
            pace.took(way, listed, 100, seconds);
            way
        };
        (0..times).map(choose).collect()
    }

    #[test]
    fn the_faster_way_is_taken_for_the_length_of_the_list() {
        let mut pace = Pace::default();
        chosen(&mut pace, 10, 50, 1.5);
        assert_eq!(pace.choose(50, 100), Way::List);
        assert_eq!(pace.choose(80, 100), Way::Whole);
        assert_eq!(pace.choose(0, 100), Way::List);
    }

    #[test]
    fn the_other_is_tried_now_and_then_unless_it_is_far_slower() {
        let mut pace = Pace::default();
        let ways = chosen(&mut pace, 320, 50, 1.5);
        assert_eq!(ways.iter().filter(|&&way| way == Way::Whole).count(), 11);
        // A list of a few: the whole would take ten times as long.
        let ways = chosen(&mut pace, 320, 10, 1.0);
        assert!(ways.iter().all(|&way| way == Way::List));
    }

    #[test]
    fn a_way_that_becomes_faster_is_found_again_and_one_slow_time_changes_nothing() {
        let mut pace = Pace::default();
        chosen(&mut pace, 64, 50, 3.0);
        assert_eq!(pace.choose(50, 100), Way::Whole);
        chosen(&mut pace, 2000, 50, 1.0);
        assert_eq!(pace.choose(50, 100), Way::List);
        pace.took(Way::List, 50, 100, 1e6);
        assert_eq!(pace.choose(50, 100), Way::List);
    }
}
