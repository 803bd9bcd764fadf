//! Ternary matrices of a file in another type: nothing is lost on the way, nor on the way back.

use std::{fs, path::Path};

use tempfile::TempDir;
use tern_gguf::{
    Header, TensorType,
    blocks::ternary::{Matrix, Order, i2_s},
    rewrite::{Rewritten, Target, rewrite, rewrite_tq2_0},
    write::{MetaValue, Writer},
};

fn matrix(seed: u32, rows: usize, scale: f32) -> Matrix {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % 3) as i8 - 1
    };
    Matrix { rows, columns: 256, scale, codes: (0..rows * 256).map(|_| next()).collect() }
}

/// A model with two ternary matrices, whose scales no half can hold, one with a factor beside it.
fn model() -> Writer<'static> {
    let (q, up) = (matrix(1, 4, 0.123_456_79), matrix(2, 6, 1.000_000_1));
    Writer::new("bitnet")
        .with("general.name", "Small")
        .with("general.file_type", 40)
        .with("general.alignment", 32)
        .with("bitnet.scores", MetaValue::F32s(vec![0.5, -1.0]))
        .with("bitnet.big", MetaValue::U64(1 << 40))
        .with("tokenizer.ggml.tokens", &["a", "b"][..])
        .with_tensor("token_embd.weight", TensorType::F16, &[256, 2], vec![7; 1024])
        .with_tensor("blk.0.attn_q.weight", TensorType::I2_S, &q.shape(), q.to_i2_s("q").unwrap())
        .with_tensor("blk.0.ffn_up.weight", TensorType::I2_S, &up.shape(), up.to_i2_s("up").unwrap())
        .with_tensor("blk.0.ffn_up.scale", TensorType::F32, &[1], 1.75_f32.to_le_bytes().to_vec())
        .with_tensor("output_norm.weight", TensorType::F32, &[256], vec![9; 1024])
}

struct Folder(TempDir);

impl Folder {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old.gguf"), bytes).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn data<'a>(bytes: &'a [u8], header: &Header, name: &str) -> &'a [u8] {
    let tensor = header.tensor(name).unwrap_or_else(|| panic!("no tensor {name}"));
    &bytes[tensor.range()]
}

fn float(bytes: &[u8], header: &Header, name: &str) -> f32 {
    f32::from_le_bytes(data(bytes, header, name).try_into().unwrap())
}

fn read(path: &Path) -> (Vec<u8>, Header) {
    let bytes = fs::read(path).unwrap();
    let header = Header::parse_prefix(&bytes, bytes.len() as u64).unwrap();
    (bytes, header)
}

#[test]
fn tq2_0_has_the_same_codes_and_the_whole_scale_beside_them() {
    let folder = Folder::new(&model().to_bytes());
    let done = rewrite_tq2_0(&folder.path("old.gguf"), &folder.path("new.gguf")).unwrap();
    let (bytes, header) = read(&folder.path("new.gguf"));
    assert_eq!(done, Rewritten { matrices: 2, copied: 2, bytes: bytes.len() as u64 });
    for (name, expected, factor) in
        [("attn_q", matrix(1, 4, 0.123_456_79), 1.0), ("ffn_up", matrix(2, 6, 1.000_000_1), 1.75)]
    {
        let weight = header.tensor(&format!("blk.0.{name}.weight")).unwrap();
        let packed = data(&bytes, &header, &weight.name);
        let found = Matrix::read("t", weight.kind, &weight.shape, packed, Order::Blocks128).unwrap();
        assert_eq!((weight.kind, found.scale, found.codes == expected.codes), (TensorType::TQ2_0, 1.0, true), "{name}");
        assert_eq!(float(&bytes, &header, &format!("blk.0.{name}.scale")), expected.scale * factor);
    }
    assert_eq!(data(&bytes, &header, "token_embd.weight"), [7; 1024]);
    assert_eq!(data(&bytes, &header, "output_norm.weight"), [9; 1024]);
    assert_eq!((header.u32("general.file_type"), header.u32("general.alignment")), (Some(37), None));
    assert_eq!((header.str("general.name"), header.u64("bitnet.big")), (Some("Small"), Some(1 << 40)));
    assert_eq!(header.values("bitnet.scores").unwrap().nth(1).unwrap().as_f32(), Some(-1.0));
    assert_eq!(header.strings("tokenizer.ggml.tokens").unwrap().last(), Some(&b"b"[..]));
}

#[test]
fn the_way_back_gives_the_same_matrices() {
    let folder = Folder::new(&model().to_bytes());
    rewrite_tq2_0(&folder.path("old.gguf"), &folder.path("tq2.gguf")).unwrap();
    rewrite(&folder.path("tq2.gguf"), &folder.path("new.gguf"), Target::I2s, Order::Blocks128, &mut |_, _| ()).unwrap();
    let (old_bytes, old) = read(&folder.path("old.gguf"));
    let (bytes, header) = read(&folder.path("new.gguf"));
    assert_eq!(data(&bytes, &header, "blk.0.attn_q.weight"), data(&old_bytes, &old, "blk.0.attn_q.weight"));
    // The factor beside the matrix is in its scale now.
    assert!(header.tensor("blk.0.ffn_up.scale").is_none());
    let up = data(&bytes, &header, "blk.0.ffn_up.weight");
    assert_eq!(up, Matrix { scale: 1.000_000_1 * 1.75, ..matrix(2, 6, 1.0) }.to_i2_s("up").unwrap());
}

#[test]
fn blocks_of_64_become_blocks_of_128() {
    let expected = matrix(3, 4, 0.25);
    let packed = expected
        .codes
        .chunks_exact(64)
        .flat_map(|block| (0..16).map(|j| (0..4).fold(0, |byte, field| byte << 2 | (block[j + 16 * field] + 1) as u8)));
    let old: Vec<u8> = packed.chain(i2_s::tail(0.25)).collect();
    let writer = Writer::new("bitnet").with_tensor("blk.0.attn_q.weight", TensorType::I2_S, &[256, 4], old);
    let folder = Folder::new(&writer.to_bytes());
    let (old, new) = (folder.path("old.gguf"), folder.path("new.gguf"));
    rewrite(&old, &new, Target::I2s, Order::Blocks64, &mut |_, _| ()).unwrap();
    let (bytes, header) = read(&new);
    assert_eq!(data(&bytes, &header, "blk.0.attn_q.weight"), expected.to_i2_s("q").unwrap());
    // In the usual order there is nothing to do.
    let error = rewrite(&old, &folder.path("x"), Target::I2s, Order::Blocks128, &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("no matrix of type"), "{error}");
}

#[test]
fn a_failure_leaves_no_file_and_the_old_one_as_it_was() {
    let q = matrix(1, 4, 0.5);
    let mut data = q.to_i2_s("q").unwrap();
    data[3] |= 0xC0;
    let writer = Writer::new("bitnet").with_tensor("blk.0.attn_q.weight", TensorType::I2_S, &[256, 4], data);
    let folder = Folder::new(&writer.to_bytes());
    fs::write(folder.path("new.gguf"), "precious").unwrap();
    let error = rewrite_tq2_0(&folder.path("old.gguf"), &folder.path("new.gguf")).unwrap_err().to_string();
    assert!(error.contains("old.gguf: blk.0.attn_q.weight: code 3 in row 0, column 3"), "{error}");
    assert_eq!(folder.names(), ["new.gguf", "old.gguf"]);
    assert_eq!(fs::read(folder.path("new.gguf")).unwrap(), b"precious");

    let writer =
        Writer::new("bitnet").with_tensor("blk.0.ffn_down.weight", TensorType::I2_S, &[128, 1], vec![0x55; 64]);
    let folder = Folder::new(&writer.to_bytes());
    let error = rewrite_tq2_0(&folder.path("old.gguf"), &folder.path("new.gguf")).unwrap_err().to_string();
    assert!(
        error.contains("blk.0.ffn_down.weight: shape [128, 1], expected a first dimension that is a multiple of 256")
    );
    let nowhere = folder.path("no/such/folder.gguf");
    let error = rewrite_tq2_0(&folder.path("old.gguf"), &nowhere).unwrap_err().to_string();
    assert!(error.contains("a multiple of 256"), "the shape is checked before the file is made: {error}");
}
