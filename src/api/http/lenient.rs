//! Numbers as clients really send them: `16.0` for an integer, seeds beyond 63 bits, null for "not given".

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};
use serde_json::Number;

fn integer<E: Error>(number: &Number, expected: &'static str) -> Result<i128, E> {
    if let Some(n) = number.as_i64() {
        return Ok(n.into());
    }
    if let Some(n) = number.as_u64() {
        return Ok(n.into());
    }
    match number.as_f64() {
        Some(f) if f.fract() == 0.0 && f.abs() < 1e30 => Ok(f as i128),
        Some(f) => Err(E::invalid_value(Unexpected::Float(f), &expected)),
        None => Err(E::custom(format!("invalid number {number}, expected {expected}"))),
    }
}

/// An optional `u32`. Negative numbers are refused.
pub(crate) fn u32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    const EXPECTED: &str = "an integer from 0 to 4294967295";
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let value = integer(&number, EXPECTED)?;
    let error = || D::Error::custom(format!("invalid value: integer `{value}`, expected {EXPECTED}"));
    u32::try_from(value).map(Some).map_err(|_| error())
}

/// An optional `i32`.
pub(crate) fn i32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    const EXPECTED: &str = "an integer that fits 32 bits";
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let value = integer(&number, EXPECTED)?;
    let error = || D::Error::custom(format!("invalid value: integer `{value}`, expected {EXPECTED}"));
    i32::try_from(value).map(Some).map_err(|_| error())
}

/// An optional seed: any integer; its low 64 bits count, so that -1 and 2^64-1 are the same seed.
pub(crate) fn seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    Ok(Some(integer(&number, "an integer")? as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "super::u32")]
        n: Option<u32>,
        #[serde(default, deserialize_with = "super::seed")]
        seed: Option<u64>,
    }

    fn n(text: &str) -> Result<Option<u32>, String> {
        serde_json::from_str::<Body>(&format!("{{\"n\":{text}}}")).map(|b| b.n).map_err(|e| e.to_string())
    }

    #[test]
    fn integers_may_be_spelled_as_floats() {
        assert_eq!(n("16"), Ok(Some(16)));
        assert_eq!(n("16.0"), Ok(Some(16)));
        assert_eq!(n("1e3"), Ok(Some(1000)));
        assert_eq!(n("null"), Ok(None));
        assert!(n("16.5").is_err() && n("-1").is_err() && n("\"16\"").is_err() && n("1e300").is_err());
    }

    #[test]
    fn seeds_may_exceed_63_bits() {
        let seed = |text: &str| serde_json::from_str::<Body>(&format!("{{\"seed\":{text}}}")).unwrap().seed;
        assert_eq!(seed("18446744073709551615"), Some(u64::MAX));
        assert_eq!(seed("-1"), Some(u64::MAX));
        assert_eq!(seed("42.0"), Some(42));
        assert_eq!(serde_json::from_str::<Body>("{}").unwrap().seed, None);
    }
}
