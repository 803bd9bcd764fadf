//! Files sent along with a message: which are taken, and how a model reads them.

use std::sync::Arc;

use tern_chat::{Message, MessageImage, Role};
use tern_engine::tasks::Image;
use tern_media::{ImageLimits, decode};
use tern_store::Attachment;

use crate::{ConversationError, ids};

/// Most files of a message.
const MAX_FILES: usize = 20;
/// Longest name of a file, in characters.
const MAX_NAME: usize = 200;

/// A file that comes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// Name as the person has it.
    pub name: String,
    /// Media type, as the browser says.
    pub media_type: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A file that was taken, with its contents.
pub type Taken = (Attachment, Vec<u8>);

/// What a model is given of a file.
pub enum Contents {
    /// Its text, or why there is none.
    Text(String),
    /// Its pixels.
    Image(Arc<Image>),
}

/// Whether a file is an image (SVG is text).
pub(crate) fn is_image(file: &Attachment) -> bool {
    file.media_type.starts_with("image/") && file.media_type != SVG
}

const SVG: &str = "image/svg+xml";

/// What a model is given of a file that was taken.
pub(crate) fn read(file: &Attachment, bytes: &[u8]) -> Contents {
    if !is_image(file) {
        return Contents::Text(String::from_utf8_lossy(bytes).into_owned());
    }
    match decode(bytes, &ImageLimits::default()) {
        Ok(image) => Contents::Image(Arc::new(image)),
        // It was sound when it was taken; an import may bring what was not.
        Err(error) => Contents::Text(format!("({error})")),
    }
}

/// Takes files that a model can read as text, and images.
///
/// # Errors
/// The first that none can, with the reason.
pub fn take(files: Vec<NewAttachment>) -> Result<Vec<Taken>, ConversationError> {
    if files.len() > MAX_FILES {
        let message = format!("{} files with one message; the most is {MAX_FILES}", files.len());
        return Err(ConversationError::invalid("attachments", message));
    }
    files.into_iter().enumerate().map(|(index, file)| take_one(index, file)).collect()
}

fn take_one(index: usize, file: NewAttachment) -> Result<Taken, ConversationError> {
    let param = format!("attachments.{index}");
    let name: String = file.name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let media_type = essence(&file.media_type);
    let refuse = |why: &str| {
        Err(ConversationError::Attachment { param: param.clone(), message: format!("the file \"{name}\" {why}") })
    };
    match media_type.split('/').next().unwrap_or_default() {
        "image" if media_type != SVG => {
            if let Err(error) = decode(&file.bytes, &ImageLimits::default()) {
                return refuse(&format!("cannot be read: {error}"));
            }
            let bytes = file.bytes.len() as u64;
            let attachment = Attachment { id: ids::new("file_"), name, media_type, bytes, at: None };
            return Ok((attachment, file.bytes));
        }
        "audio" | "video" => return refuse("is a recording; no model of this server can listen yet"),
        _ => {}
    }
    match std::str::from_utf8(&file.bytes) {
        Ok(text) if !text.contains('\0') => {}
        _ => return refuse("is not text (in UTF-8); models read text, JSON, CSV, Markdown and source code"),
    }
    let media_type = if media_type.is_empty() { "text/plain".to_owned() } else { media_type };
    let bytes = file.bytes.len() as u64;
    let attachment = Attachment { id: ids::new("file_"), name, media_type, bytes, at: None };
    Ok((attachment, file.bytes))
}

/// A media type without its parameters, in lower case; empty if it is none.
fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.+-_".contains(c);
    if essence.len() <= 100 && essence.matches('/').count() == 1 && essence.chars().all(plain) {
        essence
    } else {
        String::new()
    }
}

/// A message as the model reads it: each file with its name and its contents, a text in a fence that the contents
/// cannot close, then what the person wrote.
pub fn written(content: &str, files: &[(Attachment, Contents)]) -> Message {
    let (mut text, mut images, mut within) = (String::new(), Vec::new(), Vec::new());
    for (file, contents) in files {
        let contents = match contents {
            Contents::Text(contents) => contents,
            Contents::Image(image) if file.at.is_some() => {
                within.push((place_in(content, file.at), image.clone()));
                continue;
            }
            Contents::Image(image) => {
                text += &format!("Image \"{}\":\n", file.name);
                images.push(MessageImage { at: text.len(), image: image.clone() });
                text += "\n\n";
                continue;
            }
        };
        let fence = "`".repeat(longest_run(contents).max(2) + 1);
        let language = language(&file.name, &file.media_type);
        let end = if contents.is_empty() || contents.ends_with('\n') { "" } else { "\n" };
        text += &format!("File \"{}\":\n{fence}{language}\n{contents}{end}{fence}\n\n", file.name);
    }
    within.sort_by_key(|(at, _)| *at);
    images.extend(within.into_iter().map(|(at, image)| MessageImage { at: text.len() + at, image }));
    text += content;
    Message { images, ..Message::text(Role::User, text) }
}

/// A place in a text, between two characters, whatever an import says.
fn place_in(content: &str, at: Option<u64>) -> usize {
    let at = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX).min(content.len());
    (0..=at).rev().find(|at| content.is_char_boundary(*at)).unwrap_or(0)
}

/// The same dialogue for a model that cannot see: where an image was, it is told so.
pub fn for_the_blind(messages: &mut [Message]) {
    for message in messages {
        let content = message.content.get_or_insert_default();
        // From the end, so that places stay where they are.
        for image in std::mem::take(&mut message.images).into_iter().rev() {
            content.insert_str(image.at.min(content.len()), "(an image, which you cannot see)");
        }
    }
}

/// Length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// What a fence says about its contents: the ending of the name, or the kind of media.
fn language<'a>(name: &'a str, media_type: &'a str) -> &'a str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    let plain = |word: &str| (1..=12).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain(ending) {
        return ending;
    }
    match media_type.rsplit_once('/').map(|(_, kind)| kind) {
        Some(kind) if kind != "plain" && plain(kind) => kind,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, media_type: &str, bytes: &[u8]) -> NewAttachment {
        NewAttachment { name: name.into(), media_type: media_type.into(), bytes: bytes.into() }
    }

    #[test]
    fn a_file_cannot_break_out_of_its_fence() {
        let (attachment, _) = take_one(0, file("a.md", "text/markdown; charset=utf-8", b"")).unwrap();
        let contents = "```\nno end\n````\n".to_owned();
        let text = written("What is this?", &[(attachment, Contents::Text(contents))]).content;
        assert_eq!(text.unwrap(), "File \"a.md\":\n`````md\n```\nno end\n````\n`````\n\nWhat is this?");
    }

    #[test]
    fn an_image_within_a_text_stays_at_its_place() {
        let pixels = Arc::new(Image::new(1, 1, vec![0; 3]).unwrap());
        let image =
            |at| (Attachment { name: "a.png".into(), at, ..Attachment::default() }, Contents::Image(pixels.clone()));
        let message = written("née", &[image(Some(2)), image(None), image(Some(1_000))]);
        let front = "Image \"a.png\":\n\n\n";
        assert_eq!(message.content, Some(format!("{front}née")));
        let places: Vec<_> = message.images.iter().map(|image| image.at).collect();
        // Two is inside a character: it stands before it.
        assert_eq!(places, [front.len() - 2, front.len() + 1, front.len() + 4]);
    }

    #[test]
    fn what_no_model_can_read_is_refused_by_its_place() {
        for (name, media_type, bytes, word) in [
            ("p.png", "image/png", &b"\x89PNG\r\n\x1a\n"[..], "image"),
            ("a.mp3", "audio/mpeg", b"ID3", "recording"),
            ("a.txt", "text/plain", b"\xff\xfe", "not text"),
            ("a.pdf", "application/pdf", b"%PDF\0\x01", "not text"),
        ] {
            let error = take(vec![file("ok.txt", "", b"ok"), file(name, media_type, bytes)]).unwrap_err();
            let ConversationError::Attachment { param, message } = error else { panic!("{error}") };
            assert!(param == "attachments.1" && message.contains(word) && message.contains(name), "{message}");
        }
        assert!(take(vec![file("a", "", b""); 21]).is_err());
    }

    #[test]
    fn names_and_kinds_are_made_harmless() {
        let (taken, _) = take_one(0, file("a\r\nb.rs", "text/x\r\ny: z", b"fn main() {}")).unwrap();
        assert_eq!((taken.name.as_str(), taken.media_type.as_str(), taken.bytes), ("ab.rs", "text/plain", 12));
        assert_eq!(language("data.csv", "text/csv"), "csv");
        assert_eq!(language("Makefile", "application/json"), "json");
        assert_eq!(language("x.`", "text/plain"), "");
    }
}
