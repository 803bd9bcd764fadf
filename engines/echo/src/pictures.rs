//! Models that see, without seeing: what they say follows from the size of the image and from what was asked, so that a test
//! can say what must come out, and that the image came through whole.

use std::{thread, time::Duration};

use tern_engine::{
    Describer, EngineError, Image, TextReader,
    tasks::{Cancelled, Description, Point, ReadLine, ReadOptions, ReadPage, ReadWord, Wish},
};

/// Reads the options from an image.
pub struct EchoReader {
    pub(crate) step: Duration,
}

/// Describes an image by its size.
pub struct EchoDescriber {
    pub(crate) step: Duration,
}

/// Waits for the time of a word.
fn pace(step: Duration, cancelled: Cancelled<'_>) -> Result<(), EngineError> {
    if !step.is_zero() {
        thread::sleep(step);
    }
    if cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
}

impl TextReader for EchoReader {
    fn languages(&self) -> Vec<String> {
        vec!["eng".into(), "deu".into()]
    }

    /// Three lines of equal height, in two blocks: the size; the languages; the layout.
    fn read(
        &mut self,
        image: &Image,
        options: &ReadOptions,
        cancelled: Cancelled<'_>,
    ) -> Result<ReadPage, EngineError> {
        if let Some(name) = options.languages.iter().find(|name| !self.languages().contains(name)) {
            return Err(EngineError::Failed(format!("no language {name:?}")));
        }
        let (width, height) = (image.width() as i32, image.height() as i32);
        let layout = options.layout.map_or("page".to_owned(), |layout| format!("{layout:?}").to_lowercase());
        let texts = [format!("{width} by {height}"), format!("in {}", options.languages.join(" ")), layout];
        let mut lines = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let (top, bottom) = (height * index as i32 / 3, height * (index as i32 + 1) / 3);
            let words: Vec<_> = text.split_whitespace().collect();
            let corners = |first: usize, end: usize| {
                let (left, right) = (width * first as i32, width * end as i32);
                let (left, right) = (left / words.len() as i32, right / words.len() as i32);
                [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point { x, y })
            };
            let mut said = Vec::new();
            for (place, word) in words.iter().enumerate() {
                pace(self.step, cancelled)?;
                let polygon = corners(place, place + 1);
                said.push(ReadWord { text: (*word).to_owned(), confidence: 0.5, polygon });
            }
            lines.push(ReadLine { words: said, polygon: corners(0, words.len()), paragraph: index, block: index / 2 });
        }
        Ok(ReadPage { lines, rotation: options.find_orientation.then_some(0) })
    }
}

impl Describer for EchoDescriber {
    fn can(&self, _: &Wish) -> bool {
        true
    }

    fn describe(
        &mut self,
        image: &Image,
        wish: &Wish,
        max_tokens: usize,
        cancelled: Cancelled<'_>,
    ) -> Result<Description, EngineError> {
        let seen = format!("an image of {} by {} pixels", image.width(), image.height());
        let (begin, text) = match wish {
            Wish::Caption(None) => (String::new(), seen),
            Wish::Caption(Some(begin)) => (format!("{begin} "), seen),
            Wish::Answer(question) => (String::new(), format!("you asked: {question}")),
        };
        let mut said = Vec::new();
        for word in text.split_whitespace().take(max_tokens) {
            pace(self.step, cancelled)?;
            said.push(word);
        }
        Ok(Description { text: format!("{begin}{}", said.join(" ")), tokens: said.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_covers_the_image() {
        let image = Image::new(90, 60, vec![0; 90 * 60 * 3]).unwrap();
        let options = ReadOptions { languages: vec!["deu".into()], find_orientation: true, layout: None };
        let mut reader = EchoReader { step: Duration::ZERO };
        let page = reader.read(&image, &options, &|| false).unwrap();
        let text: Vec<_> = page.lines.iter().flat_map(|line| &line.words).map(|word| word.text.as_str()).collect();
        assert_eq!((text.join(" ").as_str(), page.rotation), ("90 by 60 in deu page", Some(0)));
        assert_eq!(page.lines[2].polygon[2], Point { x: 90, y: 60 });
        assert!(matches!(reader.read(&image, &options, &|| true), Err(EngineError::Cancelled)));
    }

    #[test]
    fn a_description_is_cut_where_it_was_asked_to_be() {
        let image = Image::new(4, 3, vec![0; 36]).unwrap();
        let mut describer = EchoDescriber { step: Duration::ZERO };
        let mut say = |wish, most| describer.describe(&image, &wish, most, &|| false).unwrap().text;
        assert_eq!(say(Wish::Caption(Some("see:".into())), 3), "see: an image of");
        assert_eq!(say(Wish::Answer("why".into()), 30), "you asked: why");
    }
}
