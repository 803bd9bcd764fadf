use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use image::ImageFormat;
use tern_media::{ImageLimits, MediaError, data_url_bytes, from_data_url};

use crate::support::{encode, picture};

#[test]
fn a_data_url_is_read_however_clients_spell_it() {
    let png = encode(picture(), ImageFormat::Png);
    let plain = STANDARD.encode(&png);
    let (first, rest) = plain.split_at(40);
    for url in [
        format!("data:image/png;base64,{plain}"),
        format!("DATA:IMAGE/PNG;BASE64,{plain}"),
        format!("data:;base64,{plain}"),
        format!("data:image/jpeg;charset=utf-8;base64,{first}\r\n{rest}\n"),
        format!("data:image/png;base64,{}", plain.trim_end_matches('=')),
        format!("data:image/png;base64,{}", URL_SAFE_NO_PAD.encode(&png)),
    ] {
        let image = from_data_url(&url, &ImageLimits::default()).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(image.rgb(), picture().as_raw().as_slice());
    }
}

#[test]
fn what_is_wrong_with_a_data_url_is_said() {
    let check = |url: &str, expected: &str| {
        let error = data_url_bytes(url, 100).unwrap_err();
        assert!(error.to_string().contains(expected), "{url}: {error}");
    };
    check("https://example.com/a.png", "not a data URL");
    check("dat", "not a data URL");
    check("däta:;base64,", "not a data URL");
    check("data:image/png;base64", "no comma");
    check("data:image/png,abc", "not in base64");
    check("data:image/png;base64,a*b=", "base64 is damaged");
    check(&format!("data:;base64,{}", "A".repeat(1000)), "at most 100");
    check(&format!("data:;base64,{}", STANDARD.encode([0; 101])), "101 bytes");
    assert_eq!(data_url_bytes(&format!("data:;base64,{}", STANDARD.encode([7; 100])), 100), Ok(vec![7; 100]));
    assert_eq!(from_data_url("data:;base64,", &ImageLimits::default()), Err(MediaError::UnknownFormat));
}
