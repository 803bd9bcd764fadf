use image::{DynamicImage, ImageFormat, Luma, Rgba, RgbaImage, codecs::jpeg::JpegEncoder};
use tern_media::{ImageLimits, decode};

use crate::support::{encode, picture};

#[test]
fn every_lossless_format_gives_the_pixels_that_went_in() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff, ImageFormat::Bmp] {
        let image = decode(&encode(picture(), format), &ImageLimits::default()).unwrap();
        assert_eq!((image.width(), image.height()), (4, 3), "{format:?}");
        assert_eq!(image.rgb(), picture().as_raw().as_slice(), "{format:?}");
    }
}

#[test]
fn jpeg_gives_about_the_pixels_that_went_in() {
    let grey = image::GrayImage::from_pixel(40, 24, Luma([77]));
    let image = decode(&encode(grey, ImageFormat::Jpeg), &ImageLimits::default()).unwrap();
    assert_eq!((image.width(), image.height()), (40, 24));
    assert!(image.rgb().iter().all(|value| value.abs_diff(77) < 4), "{:?}", &image.rgb()[..6]);
}

#[test]
fn what_is_transparent_lies_on_white() {
    let image = RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([9, 9, 9, 0]) } else { Rgba([0, 0, 0, 128]) });
    let image = decode(&encode(image, ImageFormat::Png), &ImageLimits::default()).unwrap();
    assert_eq!(image.rgb(), [255, 255, 255, 127, 127, 127]);
}

#[test]
fn sixteen_bits_and_grey_become_eight_bit_rgb() {
    let image = image::ImageBuffer::<Luma<u16>, _>::from_pixel(3, 2, Luma([0x8080]));
    let image = decode(&encode(DynamicImage::ImageLuma16(image), ImageFormat::Png), &ImageLimits::default()).unwrap();
    assert_eq!(image.rgb(), [0x80; 18]);
}

/// An EXIF block that says nothing but the orientation (TIFF, big-endian, one entry: tag 0x0112, SHORT).
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend([0, orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

#[test]
fn a_photograph_taken_upright_is_turned_as_its_exif_says() {
    use image::ImageEncoder;
    // 32x16: the left half is white, the right half black.
    let wide = image::GrayImage::from_fn(32, 16, |x, _| if x < 16 { Luma([255]) } else { Luma([0]) });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.encode_image(&wide).unwrap();
    let image = decode(&bytes, &ImageLimits::default()).unwrap();
    // 6: turned a quarter clockwise, so that the left half is on top.
    assert_eq!((image.width(), image.height()), (16, 32));
    assert!(image.rgb()[0] > 200 && *image.rgb().last().unwrap() < 50);
}
