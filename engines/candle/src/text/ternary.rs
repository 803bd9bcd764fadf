//! BitNet folders: ternary matrices, packed or as masters, as weights of -1, 0 and 1 under a scale.

use candle_core::{Device, Result, Tensor};
use half::bf16;
use tern_folder::ternary::{ScaleMeans, read};
use tern_gguf::blocks::ternary::Matrix;

use super::{
    folder::FolderWeights,
    linear::Linear,
    model::{Part, Weights},
};

/// A folder whose projections are ternary.
pub(crate) struct TernaryFolder<'a> {
    pub floats: FolderWeights<'a>,
    pub means: ScaleMeans,
}

/// Codes take 16 bits each: exact, and the type whose products are fast.
pub(crate) fn linear(matrix: &Matrix, device: &Device) -> Result<Linear> {
    let codes: Vec<bf16> = matrix.codes.iter().map(|&code| bf16::from_f32(f32::from(code))).collect();
    let codes = Tensor::from_vec(codes, (matrix.rows, matrix.columns), device)?;
    Ok(Linear::ternary(codes, matrix.scale))
}

impl Weights for TernaryFolder<'_> {
    fn matrix(&self, part: Part, rows: usize, columns: usize) -> Result<Tensor> {
        self.floats.matrix(part, rows, columns)
    }

    fn linear(&self, layer: usize, part: Part, shape: [usize; 2], bias: bool) -> Result<Linear> {
        let name = format!("{}.weight", FolderWeights::name(Some(layer), part));
        let source = self.floats.source;
        let Some(tensor) = source.weights.get(&name) else {
            candle_core::bail!("no tensor {name}, which this model has")
        };
        if bias {
            candle_core::bail!("{name}: ternary matrices have no bias");
        }
        let matrix = read(&source.weights, tensor, shape, self.means).map_err(candle_core::Error::wrap)?;
        linear(&matrix, self.floats.builder.device())
    }

    fn vector(&self, layer: Option<usize>, part: Part, len: usize) -> Result<Tensor> {
        self.floats.vector(layer, part, len)
    }
}
