//! Names of split models: `NAME-00001-of-00003.gguf`, one file a part.

use tern_gguf::split::part_of_name;

/// Where a file stands among the parts of its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The name without the counter and the ending.
    pub base: String,
    /// From 1.
    pub number: u32,
    /// How many parts there are.
    pub count: u32,
}

/// More parts than any real model has; a name that claims more is an ordinary name.
const MOST_PARTS: u32 = 999;

/// Reads the counter in a file name (folders before it are kept in `base`). `None`: not a part of a split model.
pub(crate) fn part_of(file: &str) -> Option<Part> {
    let (number, count) = part_of_name(file)?;
    let base = file.strip_suffix(&format!("-{number:05}-of-{count:05}.gguf"))?;
    (count <= MOST_PARTS && !base.is_empty()).then(|| Part { base: base.to_owned(), number, count })
}

/// Every part of the model that `file` belongs to, in order; `file` alone when it is not split.
pub fn all_parts(file: &str) -> Vec<String> {
    match part_of(file) {
        Some(Part { base, count, .. }) => (1..=count).map(|n| format!("{base}-{n:05}-of-{count:05}.gguf")).collect(),
        None => vec![file.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_leads_to_all_of_them() {
        let parts = ["sub/m-00001-of-00003.gguf", "sub/m-00002-of-00003.gguf", "sub/m-00003-of-00003.gguf"];
        for part in parts {
            assert_eq!(all_parts(part), parts);
        }
        assert_eq!(part_of(parts[1]), Some(Part { base: "sub/m".into(), number: 2, count: 3 }));
    }

    #[test]
    fn lookalikes_are_ordinary_files() {
        for file in
            ["m.gguf", "m-1-of-3.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf", "m-00001-of-99999.gguf"]
        {
            assert_eq!(all_parts(file), [file]);
        }
    }
}
