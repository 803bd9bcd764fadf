//! Files that come with every prompt: each model reads them as it reads those of a chat.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use tern_conversations::{
    ConversationError, NewAttachment,
    attachments::{Contents, take, written},
};

use crate::CompareError;

/// Most bytes of all files: they are kept in the comparison itself, which is written whole.
pub const MAX_ATTACHED: usize = 2 << 20;

/// A text file that comes with every prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct AttachedFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes in base64.
    pub data: String,
}

/// What stands before each prompt: the files, as models are given those of a chat. Empty without files.
///
/// # Errors
/// `Invalid` for the first file that is no text, or is too large.
pub(crate) fn before_prompt(attached: &[AttachedFile]) -> Result<String, CompareError> {
    let place = |index: usize| format!("attachments.{index}");
    let decode = |(index, file): (usize, &AttachedFile)| {
        let bytes = BASE64_STANDARD.decode(&file.data).map_err(|error| {
            CompareError::invalid(
                place(index),
                format!("the data of the file \"{}\" is not base64: {error}", file.name),
            )
        })?;
        Ok(NewAttachment { name: file.name.clone(), media_type: file.media_type.clone(), bytes })
    };
    let given = attached.iter().enumerate().map(decode).collect::<Result<Vec<_>, CompareError>>()?;
    let bytes: usize = given.iter().map(|file| file.bytes.len()).sum();
    if bytes > MAX_ATTACHED {
        let message = format!("the files have {bytes} bytes; the most of a comparison is {MAX_ATTACHED}");
        return Err(CompareError::invalid("attachments", message));
    }
    let taken = take(given).map_err(|error| match error {
        ConversationError::Attachment { param, message } | ConversationError::Invalid { param, message } => {
            CompareError::invalid(param, message)
        }
        other => CompareError::invalid("attachments", other.to_string()),
    })?;
    let text = |(index, (file, bytes)): (usize, (_, Vec<u8>))| {
        let text = String::from_utf8(bytes)
            .map_err(|_| CompareError::invalid(place(index), "a comparison takes files of text only".to_owned()))?;
        Ok((file, Contents::Text(text)))
    };
    let texts = taken.into_iter().enumerate().map(text).collect::<Result<Vec<_>, CompareError>>()?;
    Ok(written("", &texts).content.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, media_type: &str, bytes: &[u8]) -> AttachedFile {
        AttachedFile { name: name.into(), media_type: media_type.into(), data: BASE64_STANDARD.encode(bytes) }
    }

    #[test]
    fn files_stand_before_the_prompt_as_in_a_chat() {
        assert_eq!(before_prompt(&[]).unwrap(), "");
        let text = before_prompt(&[file("a.csv", "text/csv", b"a,b\n1,2\n"), file("b", "", b"x")]).unwrap();
        assert_eq!(text, "File \"a.csv\":\n```csv\na,b\n1,2\n```\n\nFile \"b\":\n```\nx\n```\n\n");
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_place() {
        let good = file("a.txt", "text/plain", b"a");
        for (bad, param) in [
            (file("p.png", "image/png", b"\x89PNG"), "attachments.1"),
            (file("b.bin", "", b"\xff\0"), "attachments.1"),
            (AttachedFile { data: "?".into(), ..good.clone() }, "attachments.1"),
            (file("l.txt", "", &vec![b'x'; MAX_ATTACHED]), "attachments"),
        ] {
            match before_prompt(&[good.clone(), bad]) {
                Err(CompareError::Invalid { param: found, .. }) => assert_eq!(found, param),
                other => panic!("{other:?}"),
            }
        }
    }
}
