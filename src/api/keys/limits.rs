//! So much a minute: a bucket that fills at an even pace, as OpenAI's limits do.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;

/// A limit of so much a minute.
#[derive(Debug)]
pub(crate) struct Limit {
    per_minute: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// What may be taken; below zero after more was spent than there was.
    level: f64,
    at: Instant,
}

/// A limit as headers show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Remaining {
    /// Most within a minute.
    pub limit: u32,
    /// What is left now.
    pub remaining: u32,
    /// When all of it is there again.
    pub reset: Duration,
}

impl Limit {
    pub fn new(per_minute: u32) -> Self {
        let bucket = Bucket { level: f64::from(per_minute), at: Instant::now() };
        Self { per_minute, bucket: Mutex::new(bucket) }
    }

    /// Whether one could be taken.
    ///
    /// # Errors
    /// How long it takes until one can be.
    pub fn check(&self) -> Result<(), Duration> {
        let bucket = self.filled();
        if bucket.level >= 1.0 { Ok(()) } else { Err(self.time_for(1.0 - bucket.level)) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long it takes until one can be taken.
    pub fn take(&self) -> Result<(), Duration> {
        let mut bucket = self.filled();
        if bucket.level < 1.0 {
            return Err(self.time_for(1.0 - bucket.level));
        }
        bucket.level -= 1.0;
        Ok(())
    }

    /// Takes so much, whether it is there or not.
    pub fn spend(&self, amount: u32) {
        self.filled().level -= f64::from(amount);
    }

    /// As headers show it.
    pub fn remaining(&self) -> Remaining {
        let level = self.filled().level;
        Remaining {
            limit: self.per_minute,
            remaining: level.max(0.0) as u32,
            reset: self.time_for(f64::from(self.per_minute) - level),
        }
    }

    /// The bucket as it is now.
    fn filled(&self) -> MutexGuard<'_, Bucket> {
        // Two numbers that fit each other between any two statements.
        let mut bucket = self.bucket.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = Instant::now();
        let since = now.duration_since(bucket.at).as_secs_f64();
        let most = f64::from(self.per_minute);
        bucket.level = (bucket.level + since * most / 60.0).min(most);
        bucket.at = now;
        bucket
    }

    fn time_for(&self, amount: f64) -> Duration {
        // A limit is at least 1.
        let seconds = amount.max(0.0) * 60.0 / f64::from(self.per_minute.max(1));
        // Clocks count nanoseconds; one more and it is there.
        Duration::from_secs_f64(seconds) + Duration::from_nanos(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_gives_as_much_as_the_limit_says_and_a_part_of_it_its_part() {
        let limit = Limit::new(6);
        for _ in 0..6 {
            limit.take().unwrap();
        }
        let wait = limit.take().unwrap_err();
        assert_eq!(wait.as_secs(), 10);
        tokio::time::advance(wait).await;
        limit.take().unwrap();
        assert!(limit.take().is_err());
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(limit.remaining().remaining, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_spent_beyond_the_limit_is_waited_for() {
        let limit = Limit::new(60);
        limit.check().unwrap();
        limit.spend(100);
        assert_eq!(limit.remaining().remaining, 0);
        assert_eq!(limit.check().unwrap_err().as_secs(), 41);
        tokio::time::advance(Duration::from_secs(42)).await;
        limit.check().unwrap();
        assert_eq!(limit.remaining().reset.as_secs(), 58);
    }
}
