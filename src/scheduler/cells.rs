//! Which KV cells are in use: an exact account of sharing, without asking the engine.
//!
//! Every computed token occupies a cell; a copied prefix refers to the cells it was copied from. So a prefix shared by
//! many sequences counts once, and it is known how many cells would become free if a sequence were given up.

/// Number of a cell. Not the engine's number: only identity counts here.
pub type Cell = u32;

#[derive(Debug, Clone, Copy, Default)]
struct Refs {
    /// Sequences that hold the cell.
    all: u32,
    /// Of these, sequences of running answers.
    active: u32,
}

/// Reference counts of all cells.
#[derive(Debug, Default)]
pub struct Cells {
    refs: Vec<Refs>,
    free: Vec<Cell>,
    pinned: usize,
}

impl Cells {
    /// Cells in use.
    pub fn used(&self) -> usize {
        self.refs.len() - self.free.len()
    }

    /// Cells held by at least one running answer.
    pub fn pinned(&self) -> usize {
        self.pinned
    }

    /// A new cell for a token of a running answer.
    pub fn allocate(&mut self) -> Cell {
        let cell = self.free.pop().unwrap_or_else(|| {
            self.refs.push(Refs::default());
            (self.refs.len() - 1) as Cell
        });
        self.refs[cell as usize] = Refs { all: 1, active: 1 };
        self.pinned += 1;
        cell
    }

    /// A running answer's sequence holds these cells too.
    pub fn share(&mut self, cells: &[Cell]) {
        for &cell in cells {
            self.refs[cell as usize].all += 1;
        }
        self.pin(cells);
    }

    /// The sequence that holds these cells becomes a running answer's.
    pub fn pin(&mut self, cells: &[Cell]) {
        for &cell in cells {
            let refs = &mut self.refs[cell as usize];
            self.pinned += usize::from(refs.active == 0);
            refs.active += 1;
        }
    }

    /// The sequence that holds these cells becomes idle.
    pub fn unpin(&mut self, cells: &[Cell]) {
        for &cell in cells {
            let refs = &mut self.refs[cell as usize];
            refs.active -= 1;
            self.pinned -= usize::from(refs.active == 0);
        }
    }

    /// An idle sequence gives these cells up.
    pub fn release(&mut self, cells: &[Cell]) {
        for &cell in cells {
            let refs = &mut self.refs[cell as usize];
            refs.all -= 1;
            if refs.all == 0 {
                self.free.push(cell);
            }
        }
    }

    /// How many of these cells nobody else holds.
    pub fn exclusive(&self, cells: &[Cell]) -> usize {
        cells.iter().filter(|&&cell| self.refs[cell as usize].all == 1).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_prefix_counts_once_and_is_freed_with_its_last_holder() {
        let mut cells = Cells::default();
        let a: Vec<Cell> = (0..10).map(|_| cells.allocate()).collect();
        cells.share(&a[..6]);
        assert_eq!((cells.used(), cells.pinned()), (10, 10));
        cells.unpin(&a);
        assert_eq!((cells.used(), cells.pinned(), cells.exclusive(&a)), (10, 6, 4));
        cells.release(&a);
        assert_eq!((cells.used(), cells.pinned()), (6, 6));
        cells.unpin(&a[..6]);
        cells.release(&a[..6]);
        assert_eq!((cells.used(), cells.pinned()), (0, 0));
    }
}
