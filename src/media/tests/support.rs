//! Small images, encoded.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// 4 wide, 3 high: red on the left half, blue on the right, a green pixel in the upper left corner.
pub fn picture() -> RgbImage {
    let mut image = RgbImage::from_fn(4, 3, |x, _| if x < 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    image.put_pixel(0, 0, Rgb([0, 255, 0]));
    image
}

pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.into().write_to(&mut out, format).unwrap();
    out.into_inner()
}
