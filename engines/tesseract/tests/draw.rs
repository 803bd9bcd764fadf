//! Pages with text, and where its words are.

use ab_glyph::{Font, FontVec, PxScale, ScaleFont};
use tern_engine::Image;

pub const SANS: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
pub const SERIF: &str = "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf";
pub const MONO: &str = "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf";
pub const BOLD: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";

/// A word that was drawn: its text and its ink, `[left, top, right, bottom]`.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub text: String,
    pub ink: [f32; 4],
}

/// A white page that is drawn on.
pub struct Page {
    width: u32,
    height: u32,
    /// Darkness, 0 to 1.
    ink: Vec<f32>,
    pub words: Vec<Drawn>,
}

impl Page {
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, ink: vec![0.0; (width * height) as usize], words: Vec::new() }
    }

    /// Writes words from `(x, y)`, the upper left corner, in lines of at most `wide` pixels; returns where the next line
    /// would begin.
    pub fn write(&mut self, text: &str, font: &str, size: f32, (x, y): (f32, f32), wide: f32) -> f32 {
        let bytes =
            std::fs::read(font).unwrap_or_else(|error| panic!("{font}: {error}; scripts/setup.sh test installs it"));
        let font = FontVec::try_from_vec(bytes).unwrap();
        let scaled = font.as_scaled(PxScale::from(size));
        let advance = |word: &str| word.chars().map(|c| scaled.h_advance(scaled.glyph_id(c))).sum::<f32>();
        let (mut pen, mut baseline) = (x, y + scaled.ascent());
        for word in text.split_whitespace() {
            let width = advance(word);
            if pen > x && pen + width > x + wide {
                (pen, baseline) = (x, baseline + size * 1.4);
            }
            let mut ink = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
            for c in word.chars() {
                let glyph =
                    scaled.glyph_id(c).with_scale_and_position(PxScale::from(size), ab_glyph::point(pen, baseline));
                if let Some(outline) = font.outline_glyph(glyph) {
                    let bounds = outline.px_bounds();
                    ink = [
                        ink[0].min(bounds.min.x),
                        ink[1].min(bounds.min.y),
                        ink[2].max(bounds.max.x),
                        ink[3].max(bounds.max.y),
                    ];
                    outline
                        .draw(|dx, dy, cover| self.darken(bounds.min.x as u32 + dx, bounds.min.y as u32 + dy, cover));
                }
                pen += scaled.h_advance(scaled.glyph_id(c));
            }
            self.words.push(Drawn { text: word.to_owned(), ink });
            pen += scaled.h_advance(scaled.glyph_id(' '));
        }
        baseline - scaled.ascent() + size * 1.4
    }

    fn darken(&mut self, x: u32, y: u32, cover: f32) {
        assert!(x < self.width && y < self.height, "the text does not fit the page");
        let cell = &mut self.ink[(y * self.width + x) as usize];
        *cell = cell.max(cover.min(1.0));
    }

    /// Black on white, with noise of up to `noise` levels of grey at every pixel.
    pub fn image(&self, noise: u32) -> Image {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut grey = Vec::with_capacity(self.ink.len() * 3);
        for ink in &self.ink {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let jitter = (state % u64::from(2 * noise + 1)) as f32 - noise as f32;
            let level = (235.0 - 215.0 * ink + jitter).clamp(0.0, 255.0) as u8;
            grey.extend([level; 3]);
        }
        Image::new(self.width, self.height, grey).unwrap()
    }

    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Turned clockwise by a quarter so many times.
pub fn turned(image: &Image, quarters: u32) -> Image {
    (0..quarters).fold(image.clone(), |image, _| {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixel = |x: usize, y: usize| &image.rgb()[(y * width + x) * 3..][..3];
        let rgb = (0..width).flat_map(|y| (0..height).flat_map(move |x| pixel(y, height - 1 - x).to_vec())).collect();
        Image::new(height as u32, width as u32, rgb).unwrap()
    })
}
