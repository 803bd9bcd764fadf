//! The order of rows that GGUF's `llama` has.

use tern_gguf::blocks::ternary::Matrix;

/// Puts the two halves of rotary pairs, which PyTorch's models keep apart, beside each other, as GGUF's `llama` has them.
pub(crate) fn interleave(matrix: &mut Matrix, heads: u32) {
    let head = matrix.rows / heads as usize;
    let old = matrix.codes.clone();
    for (row, codes) in matrix.codes.chunks_exact_mut(matrix.columns).enumerate() {
        let (first, at) = (row / head * head, row % head);
        let from = first + at % 2 * (head / 2) + at / 2;
        codes.copy_from_slice(&old[from * matrix.columns..][..matrix.columns]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_head_are_interleaved() {
        let mut matrix = Matrix { rows: 8, columns: 1, scale: 1.0, codes: vec![1, 1, 0, 0, -1, 0, 1, 1] };
        interleave(&mut matrix, 2);
        assert_eq!(matrix.codes, [1, 0, 1, 0, -1, 1, 0, 1]);
    }
}
