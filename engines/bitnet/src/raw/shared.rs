//! One buffer, written by all threads of a phase, each in a part of its own.

use std::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Most threads of a phase.
pub(crate) const MOST_THREADS: usize = 64;

/// The part of `0..units` that belongs to a worker: parts are disjoint, in order and cover everything.
pub(crate) fn share(units: usize, worker: usize, workers: usize) -> Range<usize> {
    units * worker / workers..units * (worker + 1) / workers
}

/// Where a matrix `[rows][width]` begins, and its rows. `unit` columns at a time can be given out.
fn begin_and_rows<T>(data: &mut [T], width: usize, unit: usize) -> (NonNull<T>, usize) {
    assert!(width > 0 && unit > 0 && width.is_multiple_of(unit) && data.len().is_multiple_of(width));
    let rows = data.len() / width;
    (NonNull::from(data).cast(), rows)
}

/// A matrix `[rows][width]` whose columns are divided among workers: a share for each, taken as a whole or bit by bit. Who is
/// through with its own share goes on with those of others, so that all end at about the same time, on processors whose cores
/// differ and on those that others use too.
pub(crate) struct Columns<'a, T> {
    data: NonNull<T>,
    rows: usize,
    width: usize,
    unit: usize,
    workers: usize,
    /// How many units of each share were given out; more than it has when nothing is left.
    given: [AtomicUsize; MOST_THREADS],
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out disjoint parts of a buffer it borrows exclusively, each once, so it is as good as a set of
// `&mut [T]`, one for each thread.
unsafe impl<T: Send> Sync for Columns<'_, T> {}

impl<'a, T> Columns<'a, T> {
    /// Divides the columns of `data` `[rows][width]` among `workers`, at multiples of `unit` columns, which divides
    /// `width`.
    pub fn new(data: &'a mut [T], width: usize, unit: usize, workers: usize) -> Self {
        assert!((1..=MOST_THREADS).contains(&workers), "{workers} workers");
        let (data, rows) = begin_and_rows(data, width, unit);
        let given = [const { AtomicUsize::new(0) }; MOST_THREADS];
        Self { data, rows, width, unit, workers, given, borrowed: PhantomData }
    }

    /// The share of `worker`, as a whole.
    ///
    /// # Panics
    /// If any of it was given out already.
    pub fn take(&self, worker: usize) -> ColumnsPart<'a, T> {
        let share = self.share(worker);
        // Not less than the share has, and so far from the end that no one gets there by asking for more.
        let given = self.given[worker].swap(usize::MAX / 2, Ordering::Relaxed);
        assert_eq!(given, 0, "worker {worker} takes its part twice: this is a bug");
        self.part(share)
    }

    /// Up to `units` units for `worker`: of its own share while there are any, then of the others'. None when all is given out.
    pub fn next(&self, worker: usize, units: usize) -> Option<ColumnsPart<'a, T>> {
        (worker..self.workers).chain(0..worker).find_map(|of| {
            let share = self.share(of);
            // Asked before it is counted: the count of a share that has nothing left stays where it is, nearly.
            if self.given[of].load(Ordering::Relaxed) >= share.len() {
                return None;
            }
            // No more than the share has, or the count could run over.
            let units = units.min(share.len());
            let given = self.given[of].fetch_add(units, Ordering::Relaxed);
            let begin = share.start + given.min(share.len());
            let end = begin + units.min(share.end - begin);
            (begin < end).then(|| self.part(begin..end))
        })
    }

    fn share(&self, worker: usize) -> Range<usize> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        share(self.width / self.unit, worker, self.workers)
    }

    fn part(&self, units: Range<usize>) -> ColumnsPart<'a, T> {
        let columns = units.start * self.unit..units.end * self.unit;
        ColumnsPart { data: self.data, rows: self.rows, width: self.width, columns, borrowed: PhantomData }
    }
}

/// A matrix `[rows][width]` given out in tiles of `unit` columns and up to `block` rows, to whoever asks next.
pub(crate) struct Tiles<'a, T> {
    data: NonNull<T>,
    rows: usize,
    width: usize,
    unit: usize,
    block: usize,
    given: AtomicUsize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: as for `Columns`: disjoint parts of a buffer that is borrowed exclusively, each given out once.
unsafe impl<T: Send> Sync for Tiles<'_, T> {}

impl<'a, T> Tiles<'a, T> {
    /// Divides `data` `[rows][width]`; `unit` divides `width`.
    pub fn new(data: &'a mut [T], width: usize, unit: usize, block: usize) -> Self {
        assert!(block > 0);
        let (data, rows) = begin_and_rows(data, width, unit);
        Self { data, rows, width, unit, block, given: AtomicUsize::new(0), borrowed: PhantomData }
    }

    /// A tile, and which row of the matrix its first one is. None when all are given out.
    pub fn next(&self) -> Option<(usize, ColumnsPart<'a, T>)> {
        let down = self.rows.div_ceil(self.block);
        let tile = self.given.fetch_add(1, Ordering::Relaxed);
        if tile >= down * (self.width / self.unit) {
            return None;
        }
        let (column, row) = (tile / down * self.unit, tile % down * self.block);
        let rows = self.block.min(self.rows - row);
        // SAFETY: `row` is one of the rows of the buffer.
        let data = unsafe { self.data.add(row * self.width) };
        let columns = column..column + self.unit;
        Some((row, ColumnsPart { data, rows, width: self.width, columns, borrowed: PhantomData }))
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
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Which columns of the matrix these are.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// This part of a row.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the columns lie within a row of `width` (`share` and the number of tiles give no more than there are) and
        // the row within the buffer, which `begin_and_rows` measured and which is borrowed for 'a. No other part has these
        // columns of this row: shares are disjoint, and what was given of one, or how many tiles, is counted by a single
        // atomic number, so that no two parts begin at the same. The borrow of `self` keeps this part from giving out the
        // row twice.
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
        assert!(data.chunks(40).all(|row| row[..8].iter().all(|&x| x == 1) && row[24..].iter().all(|&x| x == 3)));
    }

    #[test]
    fn whoever_is_done_goes_on_with_the_shares_of_others() {
        let mut data = vec![0_u32; 2 * 10_000];
        let columns = Columns::new(&mut data, 10_000, 4, 3);
        std::thread::scope(|threads| {
            // The third asks for nothing: the others do its share.
            for worker in 0..2 {
                let columns = &columns;
                threads.spawn(move || {
                    while let Some(mut part) = columns.next(worker, 3) {
                        assert!(part.columns().len() <= 12 && part.columns().start.is_multiple_of(4));
                        (0..2).for_each(|row| part.row_mut(row).iter_mut().for_each(|x| *x += 1));
                    }
                });
            }
        });
        assert!(columns.next(2, 3).is_none());
        assert!(data.iter().all(|&x| x == 1));
    }

    #[test]
    fn a_share_that_was_taken_is_not_given_again_bit_by_bit() {
        let mut data = vec![0_u32; 16];
        let columns = Columns::new(&mut data, 16, 2, 2);
        let _own = columns.take(1);
        let parts: Vec<_> = std::iter::from_fn(|| columns.next(1, 3)).map(|part| part.columns()).collect();
        assert_eq!(parts, [0..6, 6..8]);
    }

    #[test]
    fn tiles_cover_the_matrix_and_do_not_overlap() {
        let mut data = vec![0_u32; 7 * 12];
        let tiles = Tiles::new(&mut data, 12, 4, 3);
        let mut seen = Vec::new();
        while let Some((first, mut tile)) = tiles.next() {
            (0..tile.rows()).for_each(|row| tile.row_mut(row).iter_mut().for_each(|x| *x += 1 + first as u32));
            seen.push((first, tile.rows(), tile.columns().start));
        }
        assert!(tiles.next().is_none());
        assert_eq!(seen, [0, 4, 8].map(|column| [(0, 3, column), (3, 3, column), (6, 1, column)]).concat());
        assert!(data.chunks(12).enumerate().all(|(row, values)| values.iter().all(|&x| x == 1 + row as u32 / 3 * 3)));
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
