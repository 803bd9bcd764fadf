//! Data URLs (RFC 2397), in base64, as chat clients send files.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::MediaError;

/// Clients pad or do not, and break lines or do not.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The bytes of a data URL of at most `most` bytes: `data:image/png;base64,...`. The media type is not looked at, because
/// clients name it wrongly; bytes say themselves what they are.
///
/// # Errors
/// `DataUrl` with what is wrong; `TooLarge`, before anything is decoded.
pub fn data_url_bytes(url: &str, most: u64) -> Result<Vec<u8>, MediaError> {
    let wrong = |what: &str| MediaError::DataUrl(what.to_owned());
    let scheme = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if scheme.is_none() {
        return Err(wrong("not a data URL; expected data:image/...;base64,..."));
    }
    let Some((head, body)) = url[5..].split_once(',') else {
        return Err(wrong("the data URL has no comma before its data"));
    };
    let base64 = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !base64 {
        return Err(wrong("the data URL is not in base64; expected data:image/...;base64,..."));
    }
    let bytes = body.len() as u64 / 4 * 3;
    // Line breaks are a few in a hundred characters.
    if bytes > most.saturating_add(most / 16).saturating_add(16) {
        return Err(MediaError::TooLarge { bytes, most });
    }
    let clean: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let alphabet = if clean.iter().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    let decoded = GeneralPurpose::new(alphabet, CONFIG).decode(&clean);
    let decoded = decoded.map_err(|error| MediaError::DataUrl(format!("the data URL's base64 is damaged: {error}")))?;
    if decoded.len() as u64 > most {
        return Err(MediaError::TooLarge { bytes: decoded.len() as u64, most });
    }
    Ok(decoded)
}
