//! Models in several files: `NAME-00001-of-00003.gguf`. The first part has the metadata, each its own tensors.

use std::path::{Path, PathBuf};

use crate::Header;

/// Which part of how many a file is, counted from 1, as its name says.
pub fn part_of_name(name: &str) -> Option<(u32, u32)> {
    let stem = name.strip_suffix(".gguf")?;
    let (rest, of) = stem.rsplit_once("-of-")?;
    let (_, part) = rest.rsplit_once('-')?;
    let number = |digits: &str| {
        let plain = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let (part, of): (u32, u32) = (number(part)?, number(of)?);
    (1..=of).contains(&part).then_some((part, of))
}

/// The paths of all parts of the model that `path` is a part of, in order; just `path` when it is whole by its name.
pub fn parts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((name, (part, of))) = name.and_then(|name| Some((name, part_of_name(name)?))) else {
        return vec![path.into()];
    };
    let prefix = &name[..name.len() - format!("-{part:05}-of-{of:05}.gguf").len()];
    (1..=of).map(|part| path.with_file_name(format!("{prefix}-{part:05}-of-{of:05}.gguf"))).collect()
}

/// How many parts the header says there are; 1 for a model in one file.
pub fn count(header: &Header) -> u32 {
    header.u32("split.count").unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_part() {
        assert_eq!(part_of_name("big-q8_0-00002-of-00003.gguf"), Some((2, 3)));
        for name in ["big.gguf", "big-00004-of-00003.gguf", "big-00000-of-00003.gguf", "big-2-of-3.gguf", "-of-.gguf"] {
            assert_eq!(part_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn all_parts_lie_beside_each_other() {
        let found = parts(Path::new("/models/big-00002-of-00003.gguf"));
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], Path::new("/models/big-00001-of-00003.gguf"));
        assert_eq!(parts(Path::new("small.gguf")), [Path::new("small.gguf")]);
    }
}
