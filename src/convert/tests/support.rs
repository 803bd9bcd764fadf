//! Folders to convert, and files that were made of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tern_convert::{ConvertError, Done, Options, convert};
use tern_gguf::{
    Header, TensorInfo,
    blocks::ternary::{Matrix, Order},
};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of `tests/folders`.
pub fn made(name: &str) -> PathBuf {
    root().join("tests/folders").join(name)
}

/// A GGUF file in memory.
pub struct File {
    pub header: Header,
    bytes: Vec<u8>,
}

impl File {
    pub fn read(path: &Path) -> Self {
        Self { header: Header::read(path).unwrap(), bytes: fs::read(path).unwrap() }
    }

    /// A golden model of engines/bitnet.
    pub fn golden(name: &str) -> Self {
        Self::read(&root().join("../../engines/bitnet/tests/golden").join(format!("{name}.gguf")))
    }

    pub fn tensor(&self, name: &str) -> &TensorInfo {
        self.header.tensor(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }

    pub fn data(&self, name: &str) -> &[u8] {
        let tensor = self.tensor(name);
        &self.bytes[tensor.range()]
    }

    pub fn matrix(&self, name: &str) -> Matrix {
        let tensor = self.tensor(name);
        Matrix::read(name, tensor.kind, &tensor.shape, self.data(name), Order::Blocks128).unwrap()
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensor(name);
        let mut values = vec![0.0; tensor.values() as usize];
        tern_gguf::blocks::dequantize(tensor.kind, self.data(name), &mut values).unwrap();
        values
    }
}

/// A tensor of a safetensors file: name, dtype, shape, bytes.
pub type Stored = (String, &'static str, Vec<usize>, Vec<u8>);

/// A folder that is made by a test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A copy of a folder of `tests/folders`.
    pub fn of(name: &str) -> Self {
        let folder = Self::new();
        for entry in fs::read_dir(made(name)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path(&entry.file_name().into_string().unwrap())).unwrap();
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, value: &Value) {
        fs::write(self.path(name), value.to_string()).unwrap();
    }

    /// Changes a JSON file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        self.write(name, &value);
    }

    pub fn weights(&self, name: &str, tensors: &[Stored]) {
        let (mut header, mut data) = (json!({"__metadata__": {"format": "pt"}}), Vec::new());
        for (name, dtype, shape, bytes) in tensors {
            let begin = data.len();
            data.extend(bytes);
            header[name] = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()]});
        }
        let header = header.to_string();
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
        fs::write(self.path(name), file).unwrap();
    }

    pub fn convert(&self, options: &Options) -> Result<Done, ConvertError> {
        convert(self.0.path(), &self.path("out.gguf"), options, &mut |_| ())
    }

    #[track_caller]
    pub fn converted(&self, options: &Options) -> File {
        self.convert(options).unwrap_or_else(|error| panic!("{error}"));
        File::read(&self.path("out.gguf"))
    }

    /// The message with which it is refused; nothing may be left behind.
    #[track_caller]
    pub fn refused(&self) -> String {
        let before = self.names();
        let message = self.convert(&Options::default()).unwrap_err().to_string();
        assert_eq!(self.names(), before, "{message}");
        message
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
