//! The image of a request: a file of a form, or a data URL in JSON.

use tern_engine::Image;
use tern_media::{ImageLimits, MediaError};

use crate::{error::ApiError, http::upload::Upload};

/// Longest side in pixels: what Tesseract reads, and more than a model that squeezes it into a square makes use of.
const MAX_SIDE: u32 = 32_767;

/// An image that was sent and not decoded yet. Decoding is done on the model's own thread, one at a time: a hundred
/// requests that wait shall not be a hundred decoded images.
#[derive(Debug)]
pub(crate) enum Picture {
    File(Upload),
    Url(String),
}

impl Picture {
    /// What was sent.
    ///
    /// # Errors
    /// 400 when nothing was.
    pub fn of(file: Option<Upload>, url: Option<String>) -> Result<Self, ApiError> {
        match (file, url) {
            (Some(file), _) => Ok(Self::File(file)),
            (None, Some(url)) => Ok(Self::Url(url)),
            (None, None) => {
                let message =
                    "the image is missing: send it as \"file\" in a form, or as a data URL in \"image\" in JSON";
                Err(ApiError { code: Some("missing_required_parameter"), ..ApiError::invalid("image", message) })
            }
        }
    }

    /// Decodes it. Blocks.
    ///
    /// # Errors
    /// 400 for what is no image, 413 for one that is too large.
    pub fn decode(&self) -> Result<Image, ApiError> {
        let limits = ImageLimits::default();
        let (field, decoded) = match self {
            Self::File(upload) => ("file", tern_media::decode(&upload.bytes, &limits)),
            Self::Url(url) => ("image", tern_media::from_data_url(url, &limits)),
        };
        let image = decoded.map_err(|error| refused(field, &error))?;
        let (width, height) = (image.width(), image.height());
        if width.max(height) > MAX_SIDE {
            let message = format!("{field}: an image of {width}x{height} pixels; a side may have {MAX_SIDE}");
            return Err(ApiError { param: Some(field.into()), ..ApiError::new(413, "image_too_large", message) });
        }
        Ok(image)
    }
}

fn refused(field: &str, error: &MediaError) -> ApiError {
    let (status, code) = match error {
        MediaError::TooLarge { .. } | MediaError::TooManyPixels { .. } | MediaError::TooMuchMemory { .. } => {
            (413, "image_too_large")
        }
        MediaError::DataUrl(_) | MediaError::UnknownFormat | MediaError::Damaged { .. } => (400, "invalid_image"),
    };
    ApiError { param: Some(field.into()), ..ApiError::new(status, code, format!("{field}: {error}")) }
}

/// An image with a few words, for the examples of the description.
pub(crate) const EXAMPLE: &str = include_str!("example-image.txt");
