//! The built-in table: models known by name, each with its exact place on the hub.
//!
//! Sizes are those of the published files and are here for lists and for a first answer to "will it fit". They decide
//! nothing: a download trusts the hub's headers alone, and a size that could not be established is left out, never
//! guessed. A repository that replaces a file therefore makes a line here out of date, and breaks nothing.

use serde::Serialize;

/// A model that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// How it is asked for: lower case, as `qwen2.5-0.5b`.
    pub name: &'static str,
    /// What its makers call it.
    pub title: &'static str,
    /// Weights as its makers count them: `0.5B`.
    pub parameters: &'static str,
    /// Licence of the model, as an SPDX identifier or the hub's word for it.
    pub license: &'static str,
    /// Files, best first for machines with memory to spare.
    pub quants: &'static [Quant],
    /// Index into `quants` of the file that the bare name means.
    pub default: usize,
}

/// One file of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quant {
    /// Kind of weights, in lower case: `q8_0`.
    pub name: &'static str,
    /// Repository on the hub.
    pub repo: &'static str,
    /// File in it; of a split model, its first part; empty when the repository is the model, as a folder.
    pub file: &'static str,
    /// Size of the file, where it could be established.
    pub bytes: Option<u64>,
    /// Engine that runs it.
    pub engine: &'static str,
    /// A file of the same repository that belongs to it, and comes with it: the projector that lets it see.
    pub companion: Option<&'static str>,
}

impl Entry {
    /// The file that the bare name means.
    pub fn default_quant(&self) -> &'static Quant {
        &self.quants[self.default]
    }

    /// The one explicit id of a file: `NAME:QUANT@ENGINE`.
    pub fn id(&self, quant: &Quant) -> String {
        format!("{}:{}@{}", self.name, quant.name, quant.engine)
    }

    /// Shorter names of the same file: `NAME:QUANT`, and `NAME` when it is the default.
    pub fn aliases(&self, quant: &Quant) -> Vec<String> {
        let mut aliases = vec![format!("{}:{}", self.name, quant.name)];
        if self.default_quant() == quant {
            aliases.push(self.name.to_owned());
        }
        aliases
    }
}

/// All of them, by family.
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// The file that a name means. `quant` and `engine` narrow it; each that is given must match.
pub fn find(name: &str, quant: Option<&str>, engine: Option<&str>) -> Option<(&'static Entry, &'static Quant)> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
    let wanted = match quant {
        Some(quant) => entry.quants.iter().find(|q| q.name == quant)?,
        None => entry.default_quant(),
    };
    engine.is_none_or(|engine| engine == wanted.engine).then_some((entry, wanted))
}

/// The row with this explicit id.
pub(crate) fn find_id(id: &str) -> Option<(&'static Entry, &'static Quant)> {
    rows().find(|(entry, quant)| entry.id(quant) == id)
}

/// The row that a file of a repository belongs to.
pub(crate) fn find_file(repo: &str, file: &str) -> Option<(&'static Entry, &'static Quant)> {
    rows().find(|(_, quant)| quant.repo.eq_ignore_ascii_case(repo) && quant.file == file)
}

/// The row that a loose file is: its name and its exact size agree. A name alone would not do, since
/// `ggml-model-i2_s.gguf` is what every ternary model is called.
pub(crate) fn find_loose(file: &str, bytes: u64) -> Option<(&'static Entry, &'static Quant)> {
    rows().find(|(_, quant)| quant.bytes == Some(bytes) && quant.file.eq_ignore_ascii_case(file))
}

fn rows() -> impl Iterator<Item = (&'static Entry, &'static Quant)> {
    ENTRIES.iter().flat_map(|entry| entry.quants.iter().map(move |quant| (entry, quant)))
}

/// Rows that `text` may have meant, likeliest first, at most three, as the shortest text that names each.
pub fn near(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase();
    let name = text.split([':', '@']).next().unwrap_or(&text);
    if let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) {
        return entry.quants.iter().take(3).map(|quant| format!("{name}:{}", quant.name)).collect();
    }
    let score = |entry: &Entry| {
        let contained = name.len() >= 3 && (entry.name.contains(name) || name.contains(entry.name));
        if contained { 1.0 } else { strsim::jaro_winkler(name, entry.name) }
    };
    let mut scored: Vec<_> = ENTRIES.iter().map(|entry| (score(entry), entry.name)).collect();
    scored.retain(|(score, _)| *score > 0.8);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

const fn llama(name: &'static str, repo: &'static str, file: &'static str, bytes: Option<u64>) -> Quant {
    Quant { name, repo, file, bytes, engine: "llama", companion: None }
}

/// A model that sees, with its projector.
const fn sees(quant: Quant, projector: &'static str) -> Quant {
    Quant { companion: Some(projector), ..quant }
}

/// A repository that is a model: `config.json` and safetensors.
const fn folder(name: &'static str, repo: &'static str, bytes: Option<u64>) -> Quant {
    Quant { name, repo, file: "", bytes, engine: "candle", companion: None }
}

const SMOLLM2: &str = "bartowski/SmolLM2-1.7B-Instruct-GGUF";
const QWEN_05: &str = "Qwen/Qwen2.5-0.5B-Instruct-GGUF";
const QWEN_15: &str = "Qwen/Qwen2.5-1.5B-Instruct-GGUF";
const R1_15: &str = "unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF";
const LLAMA_8: &str = "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF";
const GEMMA_4: &str = "ggml-org/gemma-3-4b-it-GGUF";
const GEMMA_4_EYES: &str = "mmproj-model-f16.gguf";
const SMOLVLM_256: &str = "ggml-org/SmolVLM-256M-Instruct-GGUF";
const SMOLVLM_500: &str = "ggml-org/SmolVLM-500M-Instruct-GGUF";
const QWEN_VL_3: &str = "ggml-org/Qwen2.5-VL-3B-Instruct-GGUF";
const QWEN_VL_3_EYES: &str = "mmproj-Qwen2.5-VL-3B-Instruct-Q8_0.gguf";
const MATH_7: &str = "QuantFactory/deepseek-math-7b-instruct-GGUF";

/// The default is 4 bits from 1.5 B weights on, where the loss is small beside the gain in speed and memory; below
/// that it is 8 bits, since a small model has little to lose.
#[rustfmt::skip] // a table
static ENTRIES: &[Entry] = &[
    Entry {
        name: "bitnet-2b-4t", title: "BitNet b1.58 2B4T", parameters: "2B", license: "MIT", default: 0,
        quants: &[Quant {
            name: "i2_s", repo: "microsoft/bitnet-b1.58-2B-4T-gguf", file: "ggml-model-i2_s.gguf",
            bytes: Some(1_187_801_280), engine: "bitnet", companion: None,
        }],
    },
    Entry {
        name: "smollm2-1.7b", title: "SmolLM2 1.7B Instruct", parameters: "1.7B", license: "Apache-2.0", default: 1,
        quants: &[
            llama("q8_0", SMOLLM2, "SmolLM2-1.7B-Instruct-Q8_0.gguf", Some(1_820_414_944)),
            // The makers publish this one themselves, and no other.
            llama("q4_k_m", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", "smollm2-1.7b-instruct-q4_k_m.gguf", Some(1_055_609_536)),
            folder("bf16", "HuggingFaceTB/SmolLM2-1.7B-Instruct", None),
        ],
    },
    Entry {
        name: "qwen2.5-0.5b", title: "Qwen2.5 0.5B Instruct", parameters: "0.5B", license: "Apache-2.0", default: 0,
        quants: &[
            llama("q8_0", QWEN_05, "qwen2.5-0.5b-instruct-q8_0.gguf", Some(675_710_816)),
            llama("q4_k_m", QWEN_05, "qwen2.5-0.5b-instruct-q4_k_m.gguf", Some(491_400_032)),
            folder("bf16", "Qwen/Qwen2.5-0.5B-Instruct", None),
        ],
    },
    Entry {
        name: "qwen2.5-1.5b", title: "Qwen2.5 1.5B Instruct", parameters: "1.5B", license: "Apache-2.0", default: 2,
        quants: &[
            llama("q8_0", QWEN_15, "qwen2.5-1.5b-instruct-q8_0.gguf", Some(1_894_532_128)),
            llama("q6_k", QWEN_15, "qwen2.5-1.5b-instruct-q6_k.gguf", Some(1_464_178_720)),
            llama("q4_k_m", QWEN_15, "qwen2.5-1.5b-instruct-q4_k_m.gguf", Some(1_117_320_736)),
            folder("bf16", "Qwen/Qwen2.5-1.5B-Instruct", None),
        ],
    },
    Entry {
        name: "deepseek-r1-1.5b", title: "DeepSeek R1 Distill Qwen 1.5B", parameters: "1.5B", license: "MIT", default: 1,
        quants: &[
            llama("q8_0", R1_15, "DeepSeek-R1-Distill-Qwen-1.5B-Q8_0.gguf", None),
            llama("q4_k_m", R1_15, "DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf", Some(1_117_321_312)),
            folder("bf16", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", None),
        ],
    },
    Entry {
        name: "llama3.1-8b", title: "Llama 3.1 8B Instruct", parameters: "8B", license: "llama3.1", default: 3,
        quants: &[
            llama("q8_0", LLAMA_8, "Meta-Llama-3.1-8B-Instruct-Q8_0.gguf", Some(8_540_775_840)),
            llama("q6_k", LLAMA_8, "Meta-Llama-3.1-8B-Instruct-Q6_K.gguf", Some(6_596_011_424)),
            llama("q5_k_m", LLAMA_8, "Meta-Llama-3.1-8B-Instruct-Q5_K_M.gguf", Some(5_732_992_416)),
            llama("q4_k_m", LLAMA_8, "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", Some(4_920_739_232)),
        ],
    },
    Entry {
        name: "gemma3-4b", title: "Gemma 3 4B it", parameters: "4B", license: "gemma", default: 1,
        quants: &[
            sees(llama("q8_0", GEMMA_4, "gemma-3-4b-it-Q8_0.gguf", Some(4_130_226_336)), GEMMA_4_EYES),
            sees(llama("q4_k_m", GEMMA_4, "gemma-3-4b-it-Q4_K_M.gguf", Some(2_489_757_856)), GEMMA_4_EYES),
        ],
    },
    Entry {
        name: "smolvlm-256m", title: "SmolVLM 256M Instruct", parameters: "256M", license: "Apache-2.0", default: 0,
        quants: &[sees(
            llama("q8_0", SMOLVLM_256, "SmolVLM-256M-Instruct-Q8_0.gguf", None),
            "mmproj-SmolVLM-256M-Instruct-Q8_0.gguf",
        )],
    },
    Entry {
        name: "smolvlm-500m", title: "SmolVLM 500M Instruct", parameters: "500M", license: "Apache-2.0", default: 0,
        quants: &[sees(
            llama("q8_0", SMOLVLM_500, "SmolVLM-500M-Instruct-Q8_0.gguf", None),
            "mmproj-SmolVLM-500M-Instruct-Q8_0.gguf",
        )],
    },
    Entry {
        name: "qwen2.5-vl-3b", title: "Qwen2.5-VL 3B Instruct", parameters: "3B", license: "qwen-research", default: 1,
        quants: &[
            sees(llama("q8_0", QWEN_VL_3, "Qwen2.5-VL-3B-Instruct-Q8_0.gguf", None), QWEN_VL_3_EYES),
            sees(llama("q4_k_m", QWEN_VL_3, "Qwen2.5-VL-3B-Instruct-Q4_K_M.gguf", None), QWEN_VL_3_EYES),
        ],
    },
    Entry {
        name: "deepseek-math-7b", title: "DeepSeek Math 7B Instruct", parameters: "7B", license: "deepseek", default: 2,
        quants: &[
            llama("q8_0", MATH_7, "deepseek-math-7b-instruct.Q8_0.gguf", None),
            llama("q6_k", MATH_7, "deepseek-math-7b-instruct.Q6_K.gguf", None),
            llama("q4_k_m", MATH_7, "deepseek-math-7b-instruct.Q4_K_M.gguf", None),
        ],
    },
    Entry {
        name: "bert-base-ner", title: "BERT base NER", parameters: "108M", license: "MIT", default: 0,
        quants: &[folder("f32", "dslim/bert-base-NER", None)],
    },
    Entry {
        name: "all-minilm-l6-v2", title: "all-MiniLM-L6-v2", parameters: "23M", license: "Apache-2.0", default: 0,
        quants: &[folder("f32", "sentence-transformers/all-MiniLM-L6-v2", None)],
    },
    Entry {
        name: "ms-marco-minilm-l6-v2", title: "MS MARCO MiniLM L6 v2", parameters: "23M", license: "Apache-2.0", default: 0,
        quants: &[folder("f32", "cross-encoder/ms-marco-MiniLM-L6-v2", None)],
    },
    Entry {
        name: "whisper-tiny", title: "Whisper tiny", parameters: "39M", license: "Apache-2.0", default: 0,
        quants: &[folder("f32", "openai/whisper-tiny", None)],
    },
    Entry {
        name: "whisper-base", title: "Whisper base", parameters: "74M", license: "Apache-2.0", default: 0,
        quants: &[folder("f32", "openai/whisper-base", None)],
    },
    Entry {
        name: "whisper-large-v3-turbo", title: "Whisper large v3 turbo", parameters: "809M", license: "MIT", default: 0,
        quants: &[folder("f16", "openai/whisper-large-v3-turbo", None)],
    },
    Entry {
        name: "blip-base", title: "BLIP captioning base", parameters: "247M", license: "BSD-3-Clause", default: 0,
        quants: &[folder("f32", "Salesforce/blip-image-captioning-base", None)],
    },
    Entry {
        name: "blip-vqa-base", title: "BLIP VQA base", parameters: "385M", license: "BSD-3-Clause", default: 0,
        quants: &[folder("f32", "Salesforce/blip-vqa-base", None)],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::reference::{HubFile, Reference};

    #[test]
    fn every_row_can_be_asked_for_by_each_of_its_names() {
        let mut seen = HashSet::new();
        for (entry, quant) in rows() {
            match quant.file {
                "" => HubFile::repository(quant.repo, "main").unwrap(),
                file => HubFile::new(quant.repo, "main", file).unwrap(),
            };
            if let Some(companion) = quant.companion {
                HubFile::new(quant.repo, "main", companion).unwrap();
            }
            for text in entry.aliases(quant).into_iter().chain([entry.id(quant)]) {
                let Reference::Name { name, quant: q, engine } = text.parse().unwrap() else { panic!("{text}") };
                assert_eq!(find(&name, q.as_deref(), engine.as_deref()), Some((entry, quant)), "{text}");
                assert!(seen.insert(text.clone()), "{text} names two files");
            }
        }
    }

    #[test]
    fn a_bare_name_means_the_marked_file() {
        let (entry, quant) = find("qwen2.5-0.5b", None, None).unwrap();
        assert_eq!(entry.id(quant), "qwen2.5-0.5b:q8_0@llama");
        let (entry, quant) = find("llama3.1-8b", None, None).unwrap();
        assert_eq!(entry.id(quant), "llama3.1-8b:q4_k_m@llama");
    }

    #[test]
    fn another_engine_or_quantization_is_not_given_silently() {
        assert_eq!(find("bitnet-2b-4t", None, Some("llama")), None);
        assert_eq!(find("qwen2.5-0.5b", Some("q2_k"), None), None);
    }

    #[test]
    fn near_matches_help_with_typing_errors() {
        assert_eq!(near("qwen2.5-0.5")[0], "qwen2.5-0.5b");
        assert_eq!(near("lama3.1-8b")[0], "llama3.1-8b");
        assert_eq!(near("gemma3:4b")[0], "gemma3-4b");
        assert_eq!(near("Qwen2.5-0.5b:q2_k"), ["qwen2.5-0.5b:q8_0", "qwen2.5-0.5b:q4_k_m", "qwen2.5-0.5b:bf16"]);
        assert!(near("xyzzy").is_empty());
    }

    #[test]
    fn a_loose_file_is_known_by_name_and_size_together() {
        let known = find_loose("qwen2.5-0.5b-instruct-q8_0.gguf", 675_710_816).map(|(entry, _)| entry.name);
        assert_eq!(known, Some("qwen2.5-0.5b"));
        assert_eq!(find_loose("ggml-model-i2_s.gguf", 1), None);
    }
}
