//! Any bytes as a GGUF file: they are refused, or every question about them has an answer. Weights are read too, ternary
//! ones in both orders.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tern_gguf::{
    Header,
    blocks::{
        self,
        ternary::{Matrix, Order},
    },
    summary,
};

/// Values of a tensor that are read; a file of some kilobytes can claim no more.
const MOST_VALUES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let _ = Header::parse(data);
    let Ok(header) = Header::parse_prefix(data, data.len() as u64) else { return };
    for (key, _) in header.entries() {
        header.strings(key).into_iter().flatten().for_each(drop);
        header.values(key).into_iter().flatten().for_each(drop);
    }
    let _ = summary::model_info(&header);
    for tensor in header.tensors().iter().filter(|tensor| tensor.values() <= MOST_VALUES) {
        let weights = &data[tensor.range()];
        for order in [Order::Blocks128, Order::Blocks64] {
            if let Ok(matrix) = Matrix::read(&tensor.name, tensor.kind, &tensor.shape, weights, order) {
                assert!(matrix.codes.iter().all(|code| (-1..=1).contains(code)));
                assert!(matrix.scale.is_finite() && matrix.scale > 0.0);
            }
        }
        if blocks::can_dequantize(tensor.kind) {
            let mut values = vec![0.0; tensor.values() as usize];
            blocks::dequantize(tensor.kind, weights, &mut values).expect("a tensor is a whole number of blocks");
        }
    }
});
