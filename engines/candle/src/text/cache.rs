//! Keys and values. A layer's are two pools of cells, of which the system gives memory only for what was written; which
//! cells belong to which sequence is [`tern_engine::Cells`]'s, so that sequences share the cells of a prefix.

use candle_core::{DType, Device, Result, Tensor};

use super::kernels::ToF32;

/// Keys and values of one layer, each `[cells][heads * size]`.
pub(crate) struct Cache {
    keys: Tensor,
    values: Tensor,
}

/// Cells of a sequence from some position on.
pub(crate) enum Place {
    /// Neighbours: no copy is needed.
    Range(usize, usize),
    /// Anywhere: `[length]` of u32.
    Cells(Tensor),
}

impl Place {
    pub fn of(cells: &[u32], device: &Device) -> Result<Self> {
        match runs(cells)[..] {
            [(first, len)] => Ok(Self::Range(first as usize, len)),
            _ => Ok(Self::Cells(Tensor::new(cells, device)?)),
        }
    }
}

/// Runs of neighbouring cells: the first cell and how many.
fn runs(cells: &[u32]) -> Vec<(u32, usize)> {
    let chunks = cells.chunk_by(|a, b| *b == a + 1);
    chunks.map(|chunk| (chunk[0], chunk.len())).collect()
}

impl Cache {
    /// Takes the address space of `cells`.
    pub fn new(cells: usize, width: usize, dtype: DType, device: &Device) -> Result<Self> {
        let pool = || Tensor::zeros((cells, width), dtype, device);
        Ok(Self { keys: pool()?, values: pool()? })
    }

    /// Writes the keys and values `[tokens][width]` of tokens into their cells.
    pub fn write(&self, cells: &[u32], keys: &Tensor, values: &Tensor) -> Result<()> {
        for (pool, new) in [(&self.keys, keys), (&self.values, values)] {
            let new = new.to_dtype(pool.dtype())?.contiguous()?;
            let mut at = 0;
            for (first, len) in runs(cells) {
                pool.slice_set(&new.narrow(0, at, len)?.contiguous()?, 0, first as usize)?;
                at += len;
            }
        }
        Ok(())
    }

    /// Keys and values `[heads][length][size]` of f32.
    pub fn read(&self, place: &Place, heads: usize, size: usize) -> Result<(Tensor, Tensor)> {
        let read = |pool: &Tensor| {
            let rows = match place {
                Place::Range(first, len) => pool.narrow(0, *first, *len)?,
                Place::Cells(cells) => pool.index_select(cells, 0)?,
            };
            let rows = match rows.dtype() {
                DType::F32 => rows,
                _ if rows.device().is_cpu() => rows.apply_op1_no_bwd(&ToF32)?,
                _ => rows.to_dtype(DType::F32)?,
            };
            rows.reshape((rows.dim(0)?, heads, size))?.transpose(0, 1)
        };
        Ok((read(&self.keys)?, read(&self.values)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_into_scattered_cells_is_read_in_order() {
        let cache = Cache::new(8, 2, DType::F32, &Device::Cpu).unwrap();
        let new = Tensor::from_vec(vec![1f32, 2., 3., 4., 5., 6.], (3, 2), &Device::Cpu).unwrap();
        let cells = [5, 6, 2];
        cache.write(&cells, &new, &(&new * 10.0).unwrap()).unwrap();
        let place = Place::of(&cells, &Device::Cpu).unwrap();
        let (keys, values) = cache.read(&place, 1, 2).unwrap();
        assert_eq!(keys.to_vec3::<f32>().unwrap(), [[[1., 2.], [3., 4.], [5., 6.]]]);
        assert_eq!(values.to_vec3::<f32>().unwrap(), [[[10., 20.], [30., 40.], [50., 60.]]]);
        let (keys, _) = cache.read(&Place::of(&[5, 6], &Device::Cpu).unwrap(), 1, 2).unwrap();
        assert_eq!(keys.to_vec3::<f32>().unwrap(), [[[1., 2.], [3., 4.]]]);
    }
}
