//! Reading a page.

use std::{path::PathBuf, process::Command, time::Duration};

use tern_engine::{
    EngineError, Image, TextReader,
    tasks::{Cancelled, PageLayout, ReadOptions, ReadPage, ReadWord},
};

use crate::{
    process::{Limits, run},
    program::{OSD, Program, language_hint},
    tsv,
    turned::{turn_back, turned},
};

/// A page of small print at 600 dpi takes a minute on a slow processor.
const PAGE: Limits = Limits { time: Duration::from_secs(300), output: 64 << 20 };
/// Address space of a child: some ten times what a page of 50 megapixels takes, for stacks and heaps of threads are mapped
/// larger than they are.
const ADDRESS_SPACE: u64 = 6 << 30;
/// Tesseract takes no longer side.
const MAX_SIDE: u32 = 32_767;
/// Below this the orientation that it finds is a guess: a few words, or none.
const SURE: f32 = 2.0;

/// Reads pages, each in a process of its own.
pub(crate) struct PageReader {
    program: Program,
    threads: u32,
    /// util-linux's program that sets limits before it starts another one, where it is there.
    prlimit: Option<PathBuf>,
}

impl PageReader {
    pub fn new(program: Program, threads: u32) -> Self {
        Self { program, threads: threads.max(1), prlimit: Program::find("prlimit") }
    }

    fn command(&self) -> Command {
        let mut command = match &self.prlimit {
            Some(prlimit) => {
                let mut command = Command::new(prlimit);
                command.arg(format!("--as={ADDRESS_SPACE}")).arg("--core=0").arg("--").arg(&self.program.path);
                command
            }
            None => Command::new(&self.program.path),
        };
        command.args(["stdin", "stdout"]).env("OMP_THREAD_LIMIT", self.threads.to_string());
        command
    }

    /// The languages to read, of those that are there, as an argument.
    fn chosen(wanted: &[String], known: &[String]) -> Result<String, EngineError> {
        if let Some(missing) = wanted.iter().find(|name| !known.contains(name)) {
            let there = known.join(", ");
            return Err(EngineError::Failed(format!(
                "the language {missing:?} is not installed ({}); there are {there}",
                language_hint(missing)
            )));
        }
        let default = known.iter().find(|name| *name == "eng").or(known.first());
        match (wanted, default) {
            ([], None) => Err(EngineError::Failed(format!("no language is installed; {}", language_hint("eng")))),
            ([], Some(default)) => Ok(default.clone()),
            (wanted, _) => Ok(wanted.join("+")),
        }
    }

    /// Reads an upright page.
    fn page(
        &self,
        image: &Image,
        languages: &str,
        layout: Option<PageLayout>,
        cancelled: Cancelled<'_>,
    ) -> Result<ReadPage, EngineError> {
        let mut command = self.command();
        command.args(["-l", languages, "--psm", mode(layout), "tsv"]);
        let table = run(&mut command, &[header(image).as_bytes(), image.rgb()], PAGE, cancelled)?;
        tsv::parse(&table).map_err(EngineError::Failed)
    }

    /// Degrees by which the page must be turned clockwise, where Tesseract is sure.
    fn orientation(&self, image: &Image, cancelled: Cancelled<'_>) -> Result<Option<u16>, EngineError> {
        let mut command = self.command();
        command.args(["--psm", "0", "-l", "osd"]);
        match run(&mut command, &[header(image).as_bytes(), image.rgb()], PAGE, cancelled) {
            Ok(answer) => Ok(orientation(&answer)),
            Err(EngineError::Cancelled) => Err(EngineError::Cancelled),
            // "Too few characters": it ends with an error.
            Err(error) => {
                tracing::debug!("orientation not found: {error}");
                Ok(None)
            }
        }
    }

    /// Reads all four ways; the one that reads best is upright.
    fn all_ways(
        &self,
        image: &Image,
        languages: &str,
        layout: Option<PageLayout>,
        cancelled: Cancelled<'_>,
    ) -> Result<(ReadPage, Option<u16>), EngineError> {
        let mut best = (ReadPage::default(), None, 0.0);
        for degrees in [0, 90, 180, 270] {
            let turned = turn(image, degrees)?;
            let page = self.page(turned.as_ref().unwrap_or(image), languages, layout, cancelled)?;
            let sense = sense(&page);
            if sense > best.2 {
                best = (page, Some(degrees), sense);
            }
        }
        Ok((best.0, best.1))
    }
}

impl TextReader for PageReader {
    fn languages(&self) -> Vec<String> {
        let data = self.program.data().unwrap_or_else(|error| {
            tracing::warn!("languages cannot be listed: {error}");
            Vec::new()
        });
        data.into_iter().filter(|name| name != OSD).collect()
    }

    fn read(
        &mut self,
        image: &Image,
        options: &ReadOptions,
        cancelled: Cancelled<'_>,
    ) -> Result<ReadPage, EngineError> {
        if image.width().max(image.height()) > MAX_SIDE {
            let (width, height) = (image.width(), image.height());
            return Err(EngineError::Failed(format!(
                "the image is {width}x{height} pixels; tesseract reads up to {MAX_SIDE} a side"
            )));
        }
        let (mut known, mut finds_orientation) = (self.program.data()?, false);
        known.retain(|name| {
            finds_orientation |= name == OSD;
            name != OSD
        });
        let languages = Self::chosen(&options.languages, &known)?;
        if !options.find_orientation {
            return self.page(image, &languages, options.layout, cancelled);
        }
        let sure = if finds_orientation { self.orientation(image, cancelled)? } else { None };
        let (mut page, degrees) = match sure {
            None => self.all_ways(image, &languages, options.layout, cancelled)?,
            Some(degrees) => {
                let turned = turn(image, degrees)?;
                let page = self.page(turned.as_ref().unwrap_or(image), &languages, options.layout, cancelled)?;
                (page, Some(degrees))
            }
        };
        turn_back(&mut page, degrees.unwrap_or(0), image.width(), image.height());
        page.rotation = degrees;
        Ok(page)
    }
}

/// `None` where nothing is to be turned.
fn turn(image: &Image, degrees: u16) -> Result<Option<Image>, EngineError> {
    if degrees == 0 {
        return Ok(None);
    }
    turned(image, degrees).map(Some).ok_or_else(|| EngineError::Failed("the image cannot be turned".into()))
}

/// How much of it looks like text: letters and digits, by the confidence of their words. Upside down, confidence is low.
/// Lines that run downwards are read too, rightly, on a page that lies on its side: their words are taller than wide.
fn sense(page: &ReadPage) -> f32 {
    let words = page.lines.iter().flat_map(|line| &line.words);
    let weight = |word: &ReadWord| {
        let letters = word.text.chars().filter(|c| c.is_alphanumeric()).count();
        let [first, _, third, _] = word.polygon;
        let lies = third.x - first.x >= third.y - first.y;
        if lies || letters < 3 { word.confidence.powi(2) * letters as f32 } else { 0.0 }
    };
    words.map(weight).sum()
}

/// `Rotate: 90` and `Orientation confidence: 7.4`, when the latter is enough.
fn orientation(answer: &str) -> Option<u16> {
    let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let sure: f32 = value("Orientation confidence")?.parse().ok()?;
    let degrees: u16 = value("Rotate")?.parse().ok()?;
    (sure >= SURE && degrees.is_multiple_of(90) && degrees < 360).then_some(degrees)
}

/// The image as a PNM file is this and its pixels.
fn header(image: &Image) -> String {
    format!("P6\n{} {}\n255\n", image.width(), image.height())
}

fn mode(layout: Option<PageLayout>) -> &'static str {
    match layout {
        None => "3",
        Some(PageLayout::Column) => "4",
        Some(PageLayout::Block) => "6",
        Some(PageLayout::Line) => "7",
        Some(PageLayout::Word) => "8",
        Some(PageLayout::Sparse) => "11",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_counts_when_it_is_sure() {
        let answer = |degrees: &str, sure: &str| {
            format!("Page number: 0\nOrientation in degrees: 270\nRotate: {degrees}\nOrientation confidence: {sure}\n")
        };
        assert_eq!(orientation(&answer("90", "7.42")), Some(90));
        assert_eq!(orientation(&answer("90", "0.10")), None);
        assert_eq!(orientation(&answer("45", "9")), None);
        assert_eq!(orientation(""), None);
    }
}
