//! Rewrites a GGUF file with its ternary matrices in another type; everything else is copied. One tensor at a time is in
//! memory.
//!
//! Nothing is lost. The codes are the same in every type. I2_S has its scale as an f32, TQ2_0 as a half, which would lose
//! up to 2^-11 of it: so a TQ2_0 matrix gets the scale 1, which is exact, and the f32 stands in the one-element tensor
//! `blk.N.NAME.scale`, by which llama.cpp multiplies the product in every graph. A program that does not know such
//! tensors refuses the file. The way back multiplies them into the I2_S scale.
//!
//! What llama.cpp computes with TQ2_0 still differs from the integers of BitNet: it rounds activations in blocks of 256.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    GgufError, Header, TensorInfo, TensorType,
    blocks::{
        half,
        ternary::{Matrix, Order, TernaryError},
    },
    write::{Atomic, MetaValue, Plan, Sink},
};

/// Bytes that are copied at once.
const PIECE: usize = 4 << 20;
const FILE_TYPE: &str = "general.file_type";

/// The type that ternary matrices get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// I2_S in blocks of 128.
    I2s,
    /// TQ2_0 with the scale beside it.
    Tq2_0,
}

impl Target {
    /// As programs that write such files number it; see [`crate::file_type`] for what that is worth.
    fn file_type(self) -> u32 {
        match self {
            Self::I2s => 40,
            Self::Tq2_0 => 37,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewritten {
    /// Matrices that have another type or order now.
    pub matrices: usize,
    /// Tensors that were copied.
    pub copied: usize,
    /// Bytes of the new file.
    pub bytes: u64,
}

/// Errors of rewriting. No new file is left behind.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The old file is no sound GGUF file.
    #[error("{}: {source}", path.display())]
    Gguf {
        /// Which file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: GgufError,
    },
    /// A matrix is damaged, or not ternary under one scale.
    #[error("{}: {source}", path.display())]
    Ternary {
        /// Which file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: TernaryError,
    },
    /// It is a part of a model in several files.
    #[error("{}: one of {parts} parts of a model; join them first (llama-gguf-split --merge)", path.display())]
    Split {
        /// Which file.
        path: PathBuf,
        /// How many parts there are.
        parts: u32,
    },
    /// There is nothing to rewrite.
    #[error("{}: no matrix of type I2_S, TQ1_0, TQ2_0 or IQ2_BN that would become another", path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RewriteError {
    let path = path.to_owned();
    move |source| RewriteError::Io { what, path, source }
}

/// Rewrites I2_S in blocks of 128 as TQ2_0, losing nothing; see the module's text.
///
/// # Errors
/// As [`rewrite`].
pub fn rewrite_tq2_0(src: &Path, dst: &Path) -> Result<Rewritten, RewriteError> {
    rewrite(src, dst, Target::Tq2_0, Order::Blocks128, &mut |_, _| ())
}

/// Rewrites the file at `src` as a new one at `dst`. `order` is that of I2_S in `src`. `progress` is called after each
/// tensor with how many are done and how many there are.
///
/// # Errors
/// Everything in [`RewriteError`]; a file at `dst` is then what it was.
pub fn rewrite(
    src: &Path,
    dst: &Path,
    target: Target,
    order: Order,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Rewritten, RewriteError> {
    let header = Header::read(src).map_err(|source| RewriteError::Gguf { path: src.into(), source })?;
    let parts = crate::split::count(&header);
    if parts > 1 {
        return Err(RewriteError::Split { path: src.into(), parts });
    }
    let mut old = Old { file: File::open(src).map_err(io_error("cannot read", src))?, path: src, order };
    let steps = steps(&header, target, order);
    if !steps.iter().any(|step| matches!(step.action, Action::Matrix { .. })) {
        return Err(RewriteError::Nothing { path: src.into() });
    }

    let plan = plan(&header, &steps, target).map_err(|source| RewriteError::Ternary { path: src.into(), source })?;
    let mut done = Rewritten { bytes: plan.file_bytes(), ..Rewritten::default() };
    let write = || io_error("cannot write", dst);
    let mut sink = plan.begin(Atomic::create(dst).map_err(write())?).map_err(write())?;
    for (number, step) in steps.iter().enumerate() {
        match step.action {
            Action::Copy => {
                old.copy(step.tensor, |piece| sink.data(&step.tensor.name, piece).map_err(write()))?;
                done.copied += 1;
            }
            Action::Matrix { scale } => {
                let mut matrix = old.matrix(step.tensor)?;
                if let Some(scale) = scale {
                    matrix.scale *= old.float(scale)?;
                }
                matrix_data(&mut sink, step.tensor, &matrix, target)
                    .map_err(|source| RewriteError::Ternary { path: src.into(), source })?
                    .map_err(write())?;
                done.matrices += 1;
            }
        }
        progress(number + 1, steps.len());
    }
    sink.finish().and_then(Atomic::commit).map_err(write())?;
    Ok(done)
}

/// What becomes of a tensor.
struct Step<'a> {
    tensor: &'a TensorInfo,
    action: Action<'a>,
}

enum Action<'a> {
    Copy,
    /// Unpacked and packed again; `scale` is a factor that stands beside it and is multiplied into it.
    Matrix {
        scale: Option<&'a TensorInfo>,
    },
}

/// All tensors of the new file that come from one of the old.
fn steps<'a>(header: &'a Header, target: Target, order: Order) -> Vec<Step<'a>> {
    use TensorType as T;
    let changes = |tensor: &TensorInfo| {
        // An embedding may be TQ2_0 with scales that differ; only the matrices of layers are ternary by training.
        let layer = tensor.name.starts_with("blk.") && tensor.name.ends_with(".weight") && tensor.shape.len() == 2;
        layer
            && match (tensor.kind, target) {
                (T::I2_S, Target::I2s) => order == Order::Blocks64,
                (T::TQ1_0 | T::TQ2_0 | T::IQ2_BN, Target::I2s) | (T::I2_S | T::IQ2_BN, Target::Tq2_0) => true,
                _ => false,
            }
    };
    let scales: HashMap<&str, &TensorInfo> = header
        .tensors()
        .iter()
        .filter(|tensor| tensor.kind == T::F32 && tensor.values() == 1 && tensor.name.ends_with(".scale"))
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let scale_of = |tensor: &TensorInfo| scales.get(scale_name(&tensor.name).as_str()).copied();
    let taken: Vec<_> = header.tensors().iter().filter(|tensor| changes(tensor)).filter_map(scale_of).collect();
    let tensors = header.tensors().iter().filter(|tensor| !taken.contains(tensor));
    tensors
        .map(|tensor| {
            let action = if changes(tensor) { Action::Matrix { scale: scale_of(tensor) } } else { Action::Copy };
            Step { tensor, action }
        })
        .collect()
}

/// `blk.0.attn_q.scale` for `blk.0.attn_q.weight`.
fn scale_name(weight: &str) -> String {
    format!("{}.scale", weight.strip_suffix(".weight").unwrap_or(weight))
}

fn plan(header: &Header, steps: &[Step<'_>], target: Target) -> Result<Plan, TernaryError> {
    let mut plan = Plan::default();
    for (key, _) in header.entries() {
        match key {
            // The new file has the usual one.
            "general.alignment" => (),
            FILE_TYPE => plan.key(FILE_TYPE, target.file_type()),
            _ => plan.key(key, MetaValue::of(header, key).expect("the key is one of the header's own")),
        }
    }
    for step in steps {
        let TensorInfo { name, shape, kind, .. } = step.tensor;
        let (kind, block) = match (&step.action, target) {
            (Action::Copy, _) => (*kind, kind.block_values()),
            (Action::Matrix { .. }, Target::I2s) => (TensorType::I2_S, 128),
            (Action::Matrix { .. }, Target::Tq2_0) => (TensorType::TQ2_0, 256),
        };
        let shape_error = |expected| TernaryError::Shape { tensor: name.clone(), shape: shape.clone(), expected };
        if !shape.first().unwrap_or(&1).is_multiple_of(block) {
            return Err(shape_error(format!("a first dimension that is a multiple of {block} for type {kind}")));
        }
        plan.tensor(name, kind, shape).map_err(shape_error)?;
        if let (Action::Matrix { scale }, Target::Tq2_0) = (&step.action, target) {
            if scale.is_none() && header.tensor(&scale_name(name)).is_some() {
                return Err(shape_error(format!("a {} of one F32 value", scale_name(name))));
            }
            plan.tensor(&scale_name(name), TensorType::F32, &[1]).map_err(shape_error)?;
        }
    }
    Ok(plan)
}

fn matrix_data(
    sink: &mut Sink<Atomic>,
    tensor: &TensorInfo,
    matrix: &Matrix,
    target: Target,
) -> Result<io::Result<()>, TernaryError> {
    let name = &tensor.name;
    Ok(match target {
        Target::I2s => sink.data(name, &matrix.to_i2_s(name)?),
        Target::Tq2_0 => {
            let data = matrix.to_tq2_0(name, half::to_f16(1.0))?;
            sink.data(name, &data).and_then(|()| sink.data(&scale_name(name), &matrix.scale.to_le_bytes()))
        }
    })
}

struct Old<'a> {
    file: File,
    path: &'a Path,
    order: Order,
}

impl Old<'_> {
    fn seek(&mut self, tensor: &TensorInfo) -> Result<(), RewriteError> {
        self.file.seek(SeekFrom::Start(tensor.offset)).map(drop).map_err(io_error("cannot read", self.path))
    }

    fn copy(
        &mut self,
        tensor: &TensorInfo,
        mut take: impl FnMut(&[u8]) -> Result<(), RewriteError>,
    ) -> Result<(), RewriteError> {
        self.seek(tensor)?;
        let mut piece = vec![0; PIECE.min(tensor.bytes as usize)];
        let mut left = tensor.bytes as usize;
        while left > 0 {
            let piece = &mut piece[..left.min(PIECE)];
            self.file.read_exact(piece).map_err(io_error("cannot read", self.path))?;
            take(piece)?;
            left -= piece.len();
        }
        Ok(())
    }

    fn whole(&mut self, tensor: &TensorInfo) -> Result<Vec<u8>, RewriteError> {
        let mut data = Vec::new();
        self.copy(tensor, |piece| {
            data.extend(piece);
            Ok(())
        })?;
        Ok(data)
    }

    fn matrix(&mut self, tensor: &TensorInfo) -> Result<Matrix, RewriteError> {
        let data = self.whole(tensor)?;
        let matrix = Matrix::read(&tensor.name, tensor.kind, &tensor.shape, &data, self.order);
        matrix.map_err(|source| RewriteError::Ternary { path: self.path.into(), source })
    }

    fn float(&mut self, tensor: &TensorInfo) -> Result<f32, RewriteError> {
        let data = self.whole(tensor)?;
        let scale = f32::from_le_bytes(*data.first_chunk().expect("an F32 tensor of one value has four bytes"));
        if scale.is_finite() && scale > 0.0 {
            return Ok(scale);
        }
        let source = TernaryError::Scale { tensor: tensor.name.clone(), got: scale, at: 0 };
        Err(RewriteError::Ternary { path: self.path.into(), source })
    }
}
