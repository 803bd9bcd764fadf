//! Images on their way through a template.
//!
//! A template knows texts. So before rendering, each image becomes one private-use character in the content of its
//! message (`control.rs`), which templates copy like any letter; after rendering, what the model wants in its place
//! stands there. The characters of images are taken out of all texts first: nobody can write one.

use std::sync::Arc;

use tern_engine::{EngineError, ImageEncoder, PromptPart, tasks::Image};

use crate::{
    Message, TurnError,
    control::{Segment, image_stand_in, without_image_stand_ins},
};

/// Most images of one dialogue.
pub const MAX_IMAGES: usize = 256;

/// The messages with a character at each image's place, and the images in the order of their numbers.
///
/// # Errors
/// `InvalidMessages` for more than [`MAX_IMAGES`], and for places that are none.
pub fn put_in(messages: &[Message]) -> Result<(Vec<Message>, Vec<Arc<Image>>), TurnError> {
    let mut pictures = Vec::new();
    let mut out = messages.to_vec();
    for (message, out) in messages.iter().zip(&mut out) {
        clean(&mut out.reasoning);
        for call in &mut out.tool_calls {
            call.name = without_image_stand_ins(&call.name).into_owned();
            call.arguments = without_image_stand_ins(&call.arguments).into_owned();
        }
        out.images.clear();
        if message.images.is_empty() {
            clean(&mut out.content);
            continue;
        }
        let content = message.content.as_deref().unwrap_or_default();
        let misplaced = || TurnError::invalid("messages", "an image of a message has no place in its content");
        let (mut text, mut done) = (String::new(), 0);
        for image in &message.images {
            text += &without_image_stand_ins(content.get(done..image.at).ok_or_else(misplaced)?);
            let most = || TurnError::invalid("messages", format!("the messages have more than {MAX_IMAGES} images"));
            text.push(image_stand_in(pictures.len()).ok_or_else(most)?);
            pictures.push(image.image.clone());
            done = image.at;
        }
        text += &without_image_stand_ins(content.get(done..).ok_or_else(misplaced)?);
        out.content = Some(text);
    }
    Ok((out, pictures))
}

fn clean(text: &mut Option<String>) {
    if let Some(text) = text {
        *text = without_image_stand_ins(text).into_owned();
    }
}

/// Whether a template has written every image, each once.
///
/// # Errors
/// `TurnError::Template` when not: an answer that leaves an image out in silence would be worse than none.
pub fn check_written(segments: &[Segment<'_>], count: usize) -> Result<(), TurnError> {
    let mut times = vec![0_usize; count];
    for segment in segments {
        if let Segment::Image(number) = segment
            && let Some(times) = times.get_mut(*number)
        {
            *times += 1;
        }
    }
    match times.iter().position(|&times| times != 1) {
        None => Ok(()),
        Some(number) => {
            let message = format!("it writes image {} of the messages {} times, not once", number + 1, times[number]);
            Err(TurnError::Template(message))
        }
    }
}

/// What the images become in the prompt.
///
/// # Errors
/// `TurnError::InvalidMessages` when the model cannot see, or cannot take one of them.
pub fn prepare(vision: Option<&dyn ImageEncoder>, pictures: &[Arc<Image>]) -> Result<Vec<Vec<PromptPart>>, TurnError> {
    if pictures.is_empty() {
        return Ok(Vec::new());
    }
    let Some(vision) = vision else { return Err(TurnError::invalid("messages", "this model cannot see images")) };
    let prepare = |(index, image): (usize, &Arc<Image>)| {
        vision.prepare(image).map_err(|error| {
            let reason = match error {
                EngineError::Failed(reason) => reason,
                other => other.to_string(),
            };
            TurnError::invalid("messages", format!("image {} of the messages: {reason}", index + 1))
        })
    };
    pictures.iter().enumerate().map(prepare).collect()
}
