//! Comparing rows of numbers, with evidence when they differ.

use super::{Failure, Tolerance};

/// How two rows of the same length differ.
pub(super) struct Difference {
    /// First index beyond the tolerance.
    first: usize,
    /// Index of the largest difference.
    largest: usize,
    count: usize,
}

/// Where `got` and `expected` lie further apart than the tolerance; NaN is far from everything.
pub(super) fn difference(got: &[f32], expected: &[f32], tolerance: Tolerance) -> Option<Difference> {
    let apart = |i: usize| (got[i] - expected[i]).abs();
    let mut found: Option<Difference> = None;
    for i in 0..got.len() {
        if apart(i) <= tolerance.absolute {
            continue;
        }
        let difference = found.get_or_insert(Difference { first: i, largest: i, count: 0 });
        difference.count += 1;
        if apart(i) > apart(difference.largest) {
            difference.largest = i;
        }
    }
    found
}

/// An error unless the rows agree.
pub(super) fn agree(what: &str, got: &[f32], expected: &[f32], tolerance: Tolerance) -> Result<(), Failure> {
    if got.len() != expected.len() {
        return Err(Failure(format!("{what}: {} numbers, expected {}", got.len(), expected.len())));
    }
    let Some(Difference { first, largest, count }) = difference(got, expected, tolerance) else { return Ok(()) };
    Err(Failure(format!(
        "{what}: {count} of {} numbers differ; first at {first}: got {}, expected {}; largest difference {} at \
         {largest}: got {}, expected {}; tolerance {}",
        got.len(),
        got[first],
        expected[first],
        (got[largest] - expected[largest]).abs(),
        got[largest],
        expected[largest],
        tolerance.absolute,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_names_the_first_and_the_largest_difference() {
        let Failure(evidence) =
            agree("row", &[1.0, 2.5, 9.0], &[1.0, 2.0, 3.0], Tolerance { absolute: 0.1 }).unwrap_err();
        assert_eq!(
            evidence,
            "row: 2 of 3 numbers differ; first at 1: got 2.5, expected 2; largest difference 6 at 2: got 9, expected \
             3; tolerance 0.1"
        );
    }

    #[test]
    fn nan_agrees_with_nothing() {
        assert!(agree("row", &[f32::NAN], &[f32::NAN], Tolerance { absolute: 1.0 }).is_err());
        assert!(agree("row", &[1.0], &[1.05], Tolerance { absolute: 0.1 }).is_ok());
        assert!(agree("row", &[1.0], &[1.0, 2.0], Tolerance { absolute: 0.1 }).is_err());
    }
}
