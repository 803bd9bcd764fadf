//! Transcripts as subtitles: SubRip and WebVTT.

use std::fmt::Write;

use tern_engine::Segment;

/// SubRip (`.srt`).
pub(super) fn srt(segments: &[Segment]) -> String {
    let mut out = String::new();
    for (segment, number) in segments.iter().zip(1..) {
        let (start, end) = (time(segment.start, ','), time(segment.end, ','));
        // Writing to a String cannot fail.
        let _ = write!(out, "{number}\n{start} --> {end}\n{}\n\n", line(segment));
    }
    out
}

/// WebVTT (`.vtt`).
pub(super) fn vtt(segments: &[Segment]) -> String {
    let mut out = "WEBVTT\n\n".to_owned();
    for segment in segments {
        let _ = write!(out, "{} --> {}\n{}\n\n", time(segment.start, '.'), time(segment.end, '.'), line(segment));
    }
    out
}

/// Hours, minutes, seconds and milliseconds.
fn time(seconds: f32, separator: char) -> String {
    let ms = (f64::from(seconds.max(0.0)) * 1000.0).round() as u64;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{separator}{:03}", ms % 1000)
}

/// An arrow in the text would be read as a time.
fn line(segment: &Segment) -> String {
    segment.text.trim().replace("-->", "->")
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_have_hours_and_milliseconds() {
        assert_eq!(time(0.0, ','), "00:00:00,000");
        assert_eq!(time(3725.5, '.'), "01:02:05.500");
        assert_eq!(time(59.9996, '.'), "00:01:00.000");
    }
}
