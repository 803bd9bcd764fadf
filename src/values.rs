//! The kinds of values settings have, read from text in one way whether they come from a flag, the environment or
//! `tern.toml`. A message says what was expected; the reader of the source adds where it stood.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A whole number from `MIN` to `MAX`, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Whole<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(n) if (MIN..=MAX).contains(&n) => Ok(Self(n)),
            _ => Err(format!("expected a whole number from {MIN} to {MAX}")),
        }
    }
}

/// Weights of a block of i2_s tensors: 128 or 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block(pub u32);

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "128" => Ok(Self(128)),
            "64" => Ok(Self(64)),
            _ => Err("expected 128 or 64".to_owned()),
        }
    }
}

/// An amount of bytes: `512MiB`, `4GiB`, `1.5GB`, or a plain number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
    ("", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a size such as 512MiB, 4GiB or 1.5GB".to_owned();
        let (number, unit) = number_and_unit(text).ok_or_else(expected)?;
        let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?.1;
        let bytes = number * scale as f64;
        // f64 holds every whole number of bytes up to 2^53, far above any machine's memory.
        if bytes > (1u64 << 53) as f64 { Err(expected()) } else { Ok(Self(bytes as u64)) }
    }
}

/// A share of the memory there is, or an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Of what the machine and its cgroups allow.
    Percent(u8),
    /// So many bytes.
    Bytes(u64),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a size such as 4GiB (at least 1MiB) or a share from 1% to 100%".to_owned();
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.trim().parse().map_err(|_| expected())?;
            return if (1..=100).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(expected()) };
        }
        match text.parse() {
            Ok(Size(bytes)) if bytes >= 1 << 20 => Ok(Self::Bytes(bytes)),
            _ => Err(expected()),
        }
    }
}

/// A length of time: `500ms`, `30s`, `5m`, `2h`, `1d`. Zero needs no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a duration with its unit, such as 30s, 5m or 2h".to_owned();
        let (number, unit) = number_and_unit(text).ok_or_else(expected)?;
        let seconds = match unit.as_str() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "" if number == 0.0 => 0.0,
            _ => return Err(expected()),
        };
        // A hundred years; more would overflow the clock when added to an instant.
        let seconds = number * seconds;
        if seconds > 3.2e9 { Err(expected()) } else { Ok(Self(Duration::from_secs_f64(seconds))) }
    }
}

/// A length of time, or `never` (which `0` means too).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanOrNever(pub Option<Duration>);

impl FromStr for SpanOrNever {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().eq_ignore_ascii_case("never") {
            return Ok(Self(None));
        }
        let Span(span) = text.parse().map_err(|error| format!("{error}, or never"))?;
        Ok(Self((!span.is_zero()).then_some(span)))
    }
}

/// `NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A model id.
    pub name: String,
    /// What belongs to it.
    pub path: PathBuf,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !path.is_empty() => Self::new(name, path.into()),
            _ => Err("expected ID=PATH, such as mine=/models/mine.gguf".to_owned()),
        }
    }
}

impl Named {
    /// # Errors
    /// When `name` could not be written in a request's address or a log line.
    pub fn new(name: &str, path: PathBuf) -> Result<Self, String> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
        if name.is_empty() || !name.chars().all(sound) {
            return Err(format!("expected a model id of letters, digits and - _ . : @ / before '=', found {name:?}"));
        }
        Ok(Self { name: name.to_owned(), path })
    }
}

/// `NAME=MODEL`: another name of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name, in which `*` stands for any text.
    pub name: String,
    /// Id of the model.
    pub model: String,
}

impl FromStr for Renamed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, model)) => Self::new(name.trim(), model.trim()),
            None => Err("expected NAME=MODEL, such as gpt-4o=qwen2.5-0.5b or gpt-*=qwen2.5-0.5b".to_owned()),
        }
    }
}

impl Renamed {
    /// # Errors
    /// When one of both could not be the name of a model.
    pub fn new(name: &str, model: &str) -> Result<Self, String> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
        if name.is_empty() || !name.chars().all(|c| sound(c) || c == '*') {
            return Err(format!("expected a name of letters, digits and - _ . : @ / * before '=', found {name:?}"));
        }
        // A script of the test engine may have settings.
        if model.is_empty() || !model.chars().all(|c| sound(c) || "?=&".contains(c)) {
            return Err(format!("expected a model id of letters, digits and - _ . : @ / behind '=', found {model:?}"));
        }
        Ok(Self { name: name.to_owned(), model: model.to_owned() })
    }
}

/// What to log: a level (`debug`), or levels by module (`info,tern_scheduler=debug`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(pub String);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let level = |text: &str| LEVELS.contains(&text.to_ascii_lowercase().as_str());
        // A word alone must be a level: the filter would take a misspelt one for the name of a module.
        if text.split(',').map(str::trim).all(|part| level(part.rsplit('=').next().unwrap_or_default())) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected off, error, warn, info, debug or trace, also by module: info,tern_scheduler=debug".to_owned())
    }
}

fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

/// Reads any scalar of a file as the text a flag would have.
pub(crate) fn scalar<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    struct Scalar;
    impl de::Visitor<'_> for Scalar {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    let text = deserializer.deserialize_any(Scalar)?;
    text.parse().map_err(|error| de::Error::custom(format!("invalid value '{text}': {error}")))
}

macro_rules! read_from_file_as_from_a_flag {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                scalar(deserializer)
            }
        }
    )*};
}
read_from_file_as_from_a_flag!(Block, Size, Budget, Span, SpanOrNever, LogFilter);

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read<T: FromStr<Err = String>>(text: &str) -> T {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[track_caller]
    fn refused<T: FromStr<Err = String> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text)
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(read::<Size>("512MiB").0, 512 << 20);
        assert_eq!(read::<Size>("4 gib").0, 4 << 30);
        assert_eq!(read::<Size>("1.5GB").0, 1_500_000_000);
        assert_eq!(read::<Size>("1000").0, 1000);
        for text in ["", "GiB", "4 apples", "-1MiB", "1.2.3KiB", "99999999TiB"] {
            assert!(refused::<Size>(text).contains("512MiB"), "{text}");
        }
    }

    #[test]
    fn a_budget_is_a_size_or_a_share() {
        assert_eq!(read::<Budget>("90%"), Budget::Percent(90));
        assert_eq!(read::<Budget>("4GiB"), Budget::Bytes(4 << 30));
        for text in ["0%", "101%", "-5%", "10", "much"] {
            assert!(refused::<Budget>(text).contains("1% to 100%"), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit_unless_zero() {
        assert_eq!(read::<Span>("30s").0, Duration::from_secs(30));
        assert_eq!(read::<Span>("1.5h").0, Duration::from_secs(5400));
        assert_eq!(read::<Span>("500ms").0, Duration::from_millis(500));
        assert_eq!(read::<Span>("0").0, Duration::ZERO);
        for text in ["30", "s", "", "-1s", "5 fortnights", "99999999999d"] {
            assert!(refused::<Span>(text).contains("30s, 5m or 2h"), "{text}");
        }
    }

    #[test]
    fn never_and_zero_switch_a_time_off() {
        assert_eq!(read::<SpanOrNever>("never").0, None);
        assert_eq!(read::<SpanOrNever>("0").0, None);
        assert_eq!(read::<SpanOrNever>("5m").0, Some(Duration::from_secs(300)));
        assert!(refused::<SpanOrNever>("soon").ends_with("or never"));
    }

    #[test]
    fn a_number_out_of_range_is_told_the_range() {
        assert_eq!(read::<Whole<1, 256>>("256").get(), 256);
        for text in ["0", "257", "-1", "1.5", "many", ""] {
            assert_eq!(refused::<Whole<1, 256>>(text), "expected a whole number from 1 to 256");
        }
    }

    #[test]
    fn a_model_id_comes_before_the_first_equals_sign() {
        let named = read::<Named>("org/mine:q8_0@llama=/a=b.gguf");
        assert_eq!((named.name.as_str(), named.path), ("org/mine:q8_0@llama", "/a=b.gguf".into()));
        for text in ["mine", "=x", "mine=", "with space=x", "tab\t=x"] {
            assert!(refused::<Named>(text).contains("expected"), "{text}");
        }
    }

    #[test]
    fn another_name_may_be_a_pattern_and_a_model_may_not() {
        let renamed = read::<Renamed>("gpt-*=org/mine:q8_0@llama");
        assert_eq!((renamed.name.as_str(), renamed.model.as_str()), ("gpt-*", "org/mine:q8_0@llama"));
        for text in ["gpt-4o", "=x", "gpt-4o=", "a b=x", "gpt=mine-*"] {
            assert!(refused::<Renamed>(text).contains("expected"), "{text}");
        }
    }

    #[test]
    fn a_misspelt_log_level_is_refused() {
        assert_eq!(read::<LogFilter>("info,tern_scheduler=debug").0, "info,tern_scheduler=debug");
        for text in ["verbose", "info,tern_api=loud", ""] {
            assert!(refused::<LogFilter>(text).contains("trace"), "{text}");
        }
    }
}
