//! Images: PNG, JPEG, WebP, GIF (its first frame), TIFF (its first page) and BMP, to rows of RGB.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, metadata::Orientation,
};
use tern_engine::Image;

use crate::{MediaError, data_url_bytes};

/// What an image may be. All of it is compared with what the header says before a pixel is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width times height.
    pub pixels: u64,
    /// Bytes that decoding may take: the pixels as the file has them, and what the decoder keeps beside them.
    pub memory_bytes: u64,
}

impl Default for ImageLimits {
    /// A photograph of a good camera: 20 MiB, 50 megapixels, 512 MiB.
    fn default() -> Self {
        Self { bytes: 20 << 20, pixels: 50_000_000, memory_bytes: 512 << 20 }
    }
}

/// The formats read here, with the names of messages.
const FORMATS: &[(ImageFormat, &str)] = &[
    (ImageFormat::Png, "PNG"),
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Tiff, "TIFF"),
    (ImageFormat::Bmp, "BMP"),
];

/// Decodes an image, by what its bytes begin with: a file's name or media type plays no part.
///
/// It is turned as its EXIF orientation says. What is transparent lies on white, as on a page; other colour spaces than
/// sRGB are taken for it. Blocks for as long as decoding takes: about 10 ms a megapixel.
///
/// # Errors
/// Every variant but `DataUrl`.
pub fn decode(bytes: &[u8], limits: &ImageLimits) -> Result<Image, MediaError> {
    if bytes.len() as u64 > limits.bytes {
        return Err(MediaError::TooLarge { bytes: bytes.len() as u64, most: limits.bytes });
    }
    let format = image::guess_format(bytes).map_err(|_| MediaError::UnknownFormat)?;
    let &(_, name) = FORMATS.iter().find(|(known, _)| *known == format).ok_or(MediaError::UnknownFormat)?;
    let damaged = |error: ImageError| problem(name, &error, limits);

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut budget = Limits::default();
    budget.max_alloc = Some(limits.memory_bytes);
    reader.limits(budget.clone());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(MediaError::TooManyPixels { width, height, most: limits.pixels });
    }
    let pixels = decoder.total_bytes();
    if pixels > limits.memory_bytes {
        return Err(MediaError::TooMuchMemory { bytes: pixels, most: limits.memory_bytes });
    }
    budget.reserve(pixels).map_err(damaged)?;
    decoder.set_limits(budget).map_err(damaged)?;
    // Of no interest when it is damaged: the picture is then as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let image = on_white(image);
    let (width, height) = image.dimensions();
    Image::new(width, height, image.into_raw())
        .ok_or_else(|| MediaError::Damaged { format: name, message: "it has no pixels".into() })
}

/// The media type of an image, by what its bytes begin with; `None` for what is not read here.
pub fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let format = image::guess_format(bytes).ok().filter(|format| FORMATS.iter().any(|(known, _)| known == format))?;
    Some(format.to_mime_type())
}

/// Decodes the image in a data URL (`data:image/png;base64,...`).
///
/// # Errors
/// `DataUrl`, or those of [`decode`].
pub fn from_data_url(url: &str, limits: &ImageLimits) -> Result<Image, MediaError> {
    decode(&data_url_bytes(url, limits.bytes)?, limits)
}

fn problem(format: &'static str, error: &ImageError, limits: &ImageLimits) -> MediaError {
    match error {
        ImageError::Limits(_) => {
            MediaError::TooMuchMemory { bytes: limits.memory_bytes + 1, most: limits.memory_bytes }
        }
        other => MediaError::Damaged { format, message: other.to_string() },
    }
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let alpha = u32::from(from.0[3]);
        to.0 = [0, 1, 2].map(|i| ((u32::from(from.0[i]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    rgb
}
