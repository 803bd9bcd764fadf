//! JSON files of a model's folder, with errors that name file and field.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::FolderError;

/// A file and what it says.
#[derive(Debug)]
pub struct Json {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub value: Value,
}

impl Json {
    /// Reads `name` in `folder`.
    ///
    /// # Errors
    /// When it cannot be read or is not JSON.
    pub fn read(folder: &Path, name: &str) -> Result<Self, FolderError> {
        let path = folder.join(name);
        let text = fs::read(&path).map_err(FolderError::io("cannot read", &path))?;
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Self { path, value }),
            Err(source) => Err(FolderError::Json { path, source }),
        }
    }

    /// As [`Json::read`]; an empty object when there is no such file.
    ///
    /// # Errors
    /// As [`Json::read`].
    pub fn read_if_there(folder: &Path, name: &str) -> Result<Self, FolderError> {
        match Self::read(folder, name) {
            Err(FolderError::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, value: Value::Object(Default::default()) })
            }
            other => other,
        }
    }

    /// The error that `field` is not what was expected.
    pub fn wrong<E: From<FolderError>>(&self, field: &str, expected: impl Into<String>) -> E {
        FolderError::wrong(&self.path, field, shown(self.at(field)), expected).into()
    }

    /// The value at `a.b`, null when there is none.
    pub fn at(&self, field: &str) -> &Value {
        field.split('.').fold(&self.value, |value, name| &value[name])
    }

    /// A positive number that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn size(&self, field: &str) -> Result<u32, FolderError> {
        let number = self.at(field).as_u64().filter(|&number| number > 0);
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| self.wrong(field, "a positive number"))
    }

    /// A positive number that may be missing or null.
    ///
    /// # Errors
    /// When it is something else.
    pub fn size_if_there(&self, field: &str) -> Result<Option<u32>, FolderError> {
        if self.at(field).is_null() { Ok(None) } else { self.size(field).map(Some) }
    }
}

/// The elements of a list, or a value that stands alone for one.
pub fn one_or_many(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// A value for a message: short, and "nothing" for none.
pub fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".into(),
        value => value.to_string(),
    };
    if text.chars().count() <= 200 { text } else { text.chars().take(200).chain("...".chars()).collect() }
}
