//! GGUF files become GGUF files. What becomes of tensors is tested with tern-gguf; here, that the doors lead there.

use std::fs;

use tern_convert::{ConvertError, Options, convert};
use tern_gguf::{
    TensorType,
    blocks::ternary::{Matrix, Order},
    rewrite::Target,
    write::Writer,
};

use crate::support::{File, Folder};

fn matrix() -> Matrix {
    Matrix { rows: 2, columns: 256, scale: 0.3, codes: (0..512).map(|at| (at * 7 / 3 % 3) as i8 - 1).collect() }
}

fn folder_with(kind: TensorType, data: Vec<u8>) -> Folder {
    let folder = Folder::new();
    let writer = Writer::new("bitnet").with_tensor("blk.0.attn_q.weight", kind, &[256, 2], data);
    fs::write(folder.path("old.gguf"), writer.to_bytes()).unwrap();
    folder
}

fn converted(folder: &Folder, options: &Options) -> Result<File, ConvertError> {
    let out = folder.path("new.gguf");
    convert(&folder.path("old.gguf"), &out, options, &mut |_| ())?;
    Ok(File::read(&out))
}

#[test]
fn iq2_bn_becomes_i2_s() {
    let folder = folder_with(TensorType::IQ2_BN, matrix().to_iq2_bn("q").unwrap());
    let file = converted(&folder, &Options::default()).unwrap();
    assert_eq!(file.tensor("blk.0.attn_q.weight").kind, TensorType::I2_S);
    assert!(file.matrix("blk.0.attn_q.weight") == matrix());
}

#[test]
fn i2_s_becomes_tq2_0_and_other_blocks() {
    let folder = folder_with(TensorType::I2_S, matrix().to_i2_s("q").unwrap());
    let file = converted(&folder, &Options { target: Target::Tq2_0, ..Options::default() }).unwrap();
    assert!(file.matrix("blk.0.attn_q.weight").codes == matrix().codes);
    assert_eq!(file.floats("blk.0.attn_q.scale"), [0.3]);
    let options = Options { order: Order::Blocks64, force: true, ..Options::default() };
    assert!(converted(&folder, &options).unwrap().matrix("blk.0.attn_q.weight").codes != matrix().codes);
    let error = converted(&folder, &Options { force: true, ..Options::default() }).err().unwrap().to_string();
    assert!(error.contains("no matrix of type"), "{error}");
}
