//! Why a file cannot be used.

/// Errors of decoding. Each is the sender's; messages are written for them and quote none of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Not a data URL, or not one of this kind.
    #[error("{0}")]
    DataUrl(String),
    /// The bytes begin like no format that is read here.
    #[error("not an image that can be read here; expected PNG, JPEG, WebP, GIF, TIFF or BMP")]
    UnknownFormat,
    /// The bytes are more than allowed, before anything is decoded.
    #[error("an image of {bytes} bytes; at most {most} are read")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The header announces more pixels than allowed. Nothing was decoded.
    #[error("an image of {width}x{height} pixels; at most {most} pixels are read")]
    TooManyPixels {
        /// As the header says.
        width: u32,
        /// As the header says.
        height: u32,
        /// The limit.
        most: u64,
    },
    /// Decoding would take more memory than allowed. Nothing was decoded.
    #[error("an image that takes {bytes} bytes to decode; at most {most} are given")]
    TooMuchMemory {
        /// As the header says.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// It is damaged, cut short, or uses a part of the format that is not read here.
    #[error("the {format} image cannot be decoded: {message}")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// What the decoder found.
        message: String,
    },
}
