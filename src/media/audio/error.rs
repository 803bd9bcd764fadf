//! Why a recording cannot be used.

/// Errors of decoding a recording. Each is the sender's; messages are written for them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AudioError {
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are more than allowed, before anything is decoded.
    #[error("a recording of {bytes} bytes; at most {most} are read")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// It lasts longer than allowed, as its header says or as was found while decoding.
    #[error("{}", too_long(.seconds, .at_least, .most))]
    TooLong {
        /// As far as is known.
        seconds: f64,
        /// Whether decoding stopped there.
        at_least: bool,
        /// The limit.
        most: f64,
    },
    /// The bytes are of no format that is read here.
    #[error(
        "not a recording that can be read here; expected WAV, MP3, FLAC, Ogg (Vorbis or Opus), M4A (AAC) or WebM (Opus)"
    )]
    UnknownFormat,
    /// The container is known, what is in it is not.
    #[error("the {format} file cannot be read: {message}")]
    Unsupported {
        /// Name of the container.
        format: &'static str,
        /// What is not supported.
        message: String,
    },
    /// It is damaged or cut short.
    #[error("the {format} file is damaged: {message}")]
    Damaged {
        /// Name of the container.
        format: &'static str,
        /// What was found, and where.
        message: String,
    },
}

fn too_long(seconds: &f64, at_least: &bool, most: &f64) -> String {
    let more = if *at_least { "more than " } else { "" };
    format!("the recording lasts {more}{seconds:.0} s; at most {most:.0} s are transcribed at once: send it in parts")
}
