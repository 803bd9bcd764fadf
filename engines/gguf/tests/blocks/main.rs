//! Values in blocks, against what the gguf package of Python reads and makes (`make.py` in this folder); ternary codes in
//! every type that holds them, and what is refused in them.

mod values;
mod weights;

use std::path::Path;

use tern_gguf::{Header, TensorInfo};

/// The golden file: header and bytes.
struct Golden {
    header: Header,
    bytes: Vec<u8>,
}

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blocks/blocks.gguf");
        let bytes = std::fs::read(&path).unwrap();
        Self { header: Header::read(&path).unwrap(), bytes }
    }

    fn tensor(&self, name: &str) -> (&TensorInfo, &[u8]) {
        let tensor = self.header.tensor(name).unwrap_or_else(|| panic!("no tensor {name}"));
        (tensor, &self.bytes[tensor.range()])
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let (_, data) = self.tensor(name);
        data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    fn codes(&self) -> Vec<i8> {
        self.floats("codes").into_iter().map(|code| code as i8).collect()
    }
}
