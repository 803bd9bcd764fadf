use image::ImageFormat;
use tern_media::{ImageLimits, MediaError, decode};

use crate::support::{encode, picture};

const ALL: [ImageFormat; 6] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff, ImageFormat::Bmp];

#[test]
fn an_image_cut_short_anywhere_is_an_error_or_an_image_and_never_a_panic() {
    for format in ALL {
        let whole = encode(picture(), format);
        for end in 0..whole.len() {
            // A decoder may do without the last bytes (checksums, padding); it never invents a size.
            if let Ok(image) = decode(&whole[..end], &ImageLimits::default()) {
                assert_eq!((image.width(), image.height()), (4, 3), "{format:?} cut at {end}");
            }
        }
        let half = decode(&whole[..whole.len() / 3], &ImageLimits::default());
        assert!(half.is_err(), "{format:?}: a third of the file was taken for the whole");
    }
}

#[test]
fn any_changed_byte_is_an_error_or_an_image_within_the_limits() {
    let limits = ImageLimits { bytes: 1 << 20, pixels: 1 << 16, memory_bytes: 1 << 20 };
    for format in ALL {
        let whole = encode(picture(), format);
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Ok(image) = decode(&bytes, &limits) {
                    assert!(u64::from(image.width()) * u64::from(image.height()) <= limits.pixels);
                }
            }
        }
    }
}

/// A PNG whose header claims a size; there is hardly any data.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encode(picture(), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_bomb_is_refused_by_what_its_header_claims() {
    let refused = decode(&png_that_claims(100_000, 100_000), &ImageLimits::default()).unwrap_err();
    assert!(
        matches!(
            refused,
            MediaError::TooManyPixels { width: 100_000, height: 100_000, .. } | MediaError::TooMuchMemory { .. }
        ),
        "{refused}"
    );
    let huge = decode(&png_that_claims(u32::MAX, u32::MAX), &ImageLimits::default()).unwrap_err();
    assert!(!huge.to_string().is_empty());
    let few = ImageLimits { pixels: 11, ..ImageLimits::default() };
    let refused = decode(&encode(picture(), ImageFormat::Png), &few).unwrap_err();
    assert_eq!(refused, MediaError::TooManyPixels { width: 4, height: 3, most: 11 });
}

#[test]
fn the_memory_of_decoding_is_bounded_by_itself() {
    let small = ImageLimits { memory_bytes: 35, ..ImageLimits::default() };
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let refused = decode(&encode(picture(), format), &small).unwrap_err();
        assert!(matches!(refused, MediaError::TooMuchMemory { most: 35, .. }), "{format:?}: {refused}");
    }
}

#[test]
fn a_file_larger_than_allowed_is_not_looked_at() {
    let limits = ImageLimits { bytes: 10, ..ImageLimits::default() };
    assert_eq!(decode(&[0; 11], &limits), Err(MediaError::TooLarge { bytes: 11, most: 10 }));
}

#[test]
fn what_is_no_image_is_named_as_such() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7 ...", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", &[0; 64]] {
        assert_eq!(decode(bytes, &ImageLimits::default()), Err(MediaError::UnknownFormat));
    }
    // The right beginning and nothing behind it.
    let error = decode(b"\x89PNG\r\n\x1a\nnot really", &ImageLimits::default()).unwrap_err();
    assert!(error.to_string().starts_with("the PNG image cannot be decoded"), "{error}");
}
