//! One buffer, written by all threads of a phase, each in a part of its own.

use std::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

/// Most threads of a phase: a bit each in [`Taken`].
pub(crate) const MOST_THREADS: usize = 64;

/// Which workers have taken their part.
#[derive(Default)]
struct Taken(AtomicU64);

impl Taken {
    /// Panics if `worker` has taken its part already.
    fn take(&self, worker: usize) {
        assert!(worker < MOST_THREADS, "worker {worker} of at most {MOST_THREADS}");
        let before = self.0.fetch_or(1 << worker, Ordering::Relaxed);
        assert_eq!(before >> worker & 1, 0, "worker {worker} takes its part twice: this is a bug");
    }
}

/// The part of `0..units` that belongs to a worker: parts are disjoint, in order and cover everything.
pub(crate) fn share(units: usize, worker: usize, workers: usize) -> Range<usize> {
    units * worker / workers..units * (worker + 1) / workers
}

/// A matrix `[rows][width]` whose columns are divided among workers.
pub(crate) struct Columns<'a, T> {
    data: NonNull<T>,
    rows: usize,
    width: usize,
    unit: usize,
    workers: usize,
    taken: Taken,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out disjoint parts of a buffer it borrows exclusively, each once, so it is as good as a set of
// `&mut [T]`, one for each thread.
unsafe impl<T: Send> Sync for Columns<'_, T> {}

impl<'a, T> Columns<'a, T> {
    /// Divides the columns of `data` `[rows][width]` among `workers`, at multiples of `unit` columns, which divides
    /// `width`.
    pub fn new(data: &'a mut [T], width: usize, unit: usize, workers: usize) -> Self {
        assert!(width > 0 && unit > 0 && width.is_multiple_of(unit) && data.len().is_multiple_of(width));
        assert!((1..=MOST_THREADS).contains(&workers), "{workers} workers");
        let rows = data.len() / width;
        let data = NonNull::new(data.as_mut_ptr()).expect("a slice is never null");
        Self { data, rows, width, unit, workers, taken: Taken::default(), borrowed: PhantomData }
    }

    /// The columns of `worker`.
    ///
    /// # Panics
    /// If it has taken them already.
    pub fn take(&self, worker: usize) -> ColumnsPart<'a, T> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        self.taken.take(worker);
        let units = share(self.width / self.unit, worker, self.workers);
        let columns = units.start * self.unit..units.end * self.unit;
        ColumnsPart { data: self.data, rows: self.rows, width: self.width, columns, borrowed: PhantomData }
    }
}

/// Columns that belong to one worker.
pub(crate) struct ColumnsPart<'a, T> {
    data: NonNull<T>,
    rows: usize,
    width: usize,
    columns: Range<usize>,
    borrowed: PhantomData<&'a mut [T]>,
}

impl<T> ColumnsPart<'_, T> {
    /// Which columns of the matrix these are.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// This part of a row.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the columns lie within a row of `width` (`share` gives no more than there are) and the row within the
        // buffer, which `Columns::new` measured and borrows for 'a. No other part has these columns: parts are disjoint
        // and taken once. The borrow of `self` keeps this part from giving out the row twice.
        unsafe {
            let begin = self.data.add(row * self.width + self.columns.start);
            std::slice::from_raw_parts_mut(begin.as_ptr(), self.columns.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_matrix_and_do_not_overlap() {
        let mut data = vec![0_u32; 3 * 40];
        let columns = Columns::new(&mut data, 40, 8, 3);
        let seen: Vec<_> = (0..3)
            .map(|worker| {
                let mut part = columns.take(worker);
                for row in 0..3 {
                    part.row_mut(row).iter_mut().for_each(|x| *x += 1 + worker as u32);
                }
                part.columns()
            })
            .collect();
        assert_eq!(seen, [0..8, 8..24, 24..40]);
        drop(columns);
        assert!(data.chunks(40).all(|row| row[..8].iter().all(|&x| x == 1) && row[24..].iter().all(|&x| x == 3)));
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn a_part_is_taken_once() {
        let mut data = vec![0_u32; 8];
        let columns = Columns::new(&mut data, 8, 8, 1);
        let _first = columns.take(0);
        columns.take(0);
    }
}
