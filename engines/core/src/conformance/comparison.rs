//! Comparing rows of numbers, with evidence when they differ.

use super::{Failure, Tolerance};

/// Root mean square of the differences, as a share of the root mean square of what was expected. NaN where either has
/// one, infinite where zeros were expected and something else came.
pub(super) fn relative(got: &[f32], expected: &[f32]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let differences = squares(&mut got.iter().zip(expected).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    if differences == 0.0 { 0.0 } else { (differences / squares(&mut expected.iter().map(|&x| x.into()))).sqrt() }
}

/// An error unless the rows agree; NaN agrees with nothing.
pub(super) fn agree(what: &str, got: &[f32], expected: &[f32], tolerance: Tolerance) -> Result<(), Failure> {
    if got.len() != expected.len() {
        return Err(Failure(format!("{what}: {} numbers, expected {}", got.len(), expected.len())));
    }
    let allowed = f64::from(tolerance.relative);
    let relative = relative(got, expected);
    let size = (expected.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / expected.len().max(1) as f64).sqrt();
    let peak = allowed * f64::from(Tolerance::PEAK) * size;
    let apart = |i: usize| (f64::from(got[i]) - f64::from(expected[i])).abs();
    let largest = (0..got.len()).max_by(|&i, &j| apart(i).total_cmp(&apart(j)));
    // So written that NaN fails.
    if relative <= allowed && largest.is_none_or(|i| apart(i) <= peak) {
        return Ok(());
    }
    let largest = largest.unwrap_or(0);
    let differ: Vec<_> = (0..got.len()).filter(|&i| got[i] != expected[i]).collect();
    let first = differ.first().copied().unwrap_or(0);
    Err(Failure(format!(
        "{what}: {} of {} numbers differ; first at {first}: got {}, expected {}; largest difference {} at {largest}: got \
         {}, expected {}, where {peak:.2e} is allowed; root mean square of the differences {relative:.2e} of that of the \
         expected numbers; tolerance {}",
        differ.len(),
        got.len(),
        got[first],
        expected[first],
        apart(largest),
        got[largest],
        expected[largest],
        tolerance.relative,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(got: &[f32], expected: &[f32], relative: f32) -> bool {
        agree("row", got, expected, Tolerance { relative }).is_ok()
    }

    #[test]
    fn evidence_names_the_first_and_the_largest_difference() {
        let Failure(evidence) =
            agree("row", &[1.0, 2.5, 9.0], &[1.0, 2.0, 3.0], Tolerance { relative: 0.125 }).unwrap_err();
        assert_eq!(
            evidence,
            "row: 2 of 3 numbers differ; first at 1: got 2.5, expected 2; largest difference 6 at 2: got 9, expected 3, \
             where 2.16e0 is allowed; root mean square of the differences 1.61e0 of that of the expected \
             numbers; tolerance 0.125"
        );
    }

    #[test]
    fn rows_agree_as_a_whole() {
        assert!(agrees(&[1.0, 1.05], &[1.0, 1.0], 0.1) && !agrees(&[1.0, 1.3], &[1.0, 1.0], 0.1));
        // The scale does not matter.
        assert!(agrees(&[1000.0, 1050.0], &[1000.0, 1000.0], 0.1) && !agrees(&[1e-3, 1.3e-3], &[1e-3, 1e-3], 0.1));
        assert!(!agrees(&[1.0], &[1.0, 2.0], 0.1));
    }

    #[test]
    fn one_wrong_number_is_not_hidden_by_thousands_of_right_ones() {
        let expected = vec![1.0; 10_000];
        let mut got = expected.clone();
        got[1234] = 2.0;
        assert!(relative(&got, &expected) <= 0.01);
        assert!(!agrees(&got, &expected, 0.01));
    }

    #[test]
    fn exact_means_equal() {
        assert!(agrees(&[0.0, -1.5], &[0.0, -1.5], 0.0) && agrees(&[0.0], &[0.0], 0.0));
        assert!(!agrees(&[0.0, -1.5], &[0.0, -1.499_999_9], 0.0) && !agrees(&[1e-30], &[0.0], 0.0));
    }

    #[test]
    fn nan_agrees_with_nothing() {
        assert!(!agrees(&[f32::NAN], &[f32::NAN], 1.0) && !agrees(&[1.0, f32::NAN], &[1.0, 1.0], 1.0));
        assert!(!agrees(&[f32::INFINITY], &[f32::INFINITY], 1.0));
    }
}
