//! Sizes of a BLIP, from `config.json`. What a file leaves out has the value that transformers gives it; published files leave
//! much out.

use tern_engine::EngineError;
use tern_folder::Json;

/// Most layers, heads, and so on: guards allocations that follow from the file alone.
const MOST: usize = 1 << 20;

/// What it was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Captions,
    Answers,
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub kind: Kind,
    pub vision: VisionConfig,
    pub text: TextConfig,
}

/// The tower.
#[derive(Debug, Clone)]
pub(crate) struct VisionConfig {
    pub hidden: usize,
    pub intermediate: usize,
    pub layers: usize,
    pub heads: usize,
    /// Pixels of a side.
    pub image_size: usize,
    /// Pixels of a patch's side.
    pub patch: usize,
    pub eps: f64,
}

/// The BERT.
#[derive(Debug, Clone)]
pub(crate) struct TextConfig {
    pub vocab_size: usize,
    pub hidden: usize,
    pub intermediate: usize,
    pub layers: usize,
    pub heads: usize,
    pub positions: usize,
    pub eps: f64,
    /// Begins what is written.
    pub bos: u32,
    /// Ends it.
    pub sep: u32,
}

impl Config {
    pub fn read(config: &Json) -> Result<Self, EngineError> {
        let names = config.at("architectures").as_array().into_iter().flatten();
        let kind = match names.filter_map(|name| name.as_str()).any(|name| name == "BlipForQuestionAnswering") {
            true => Kind::Answers,
            false => Kind::Captions,
        };
        let size = |field: &str, default: usize| -> Result<usize, EngineError> {
            let size = config.size_if_there(field)?.map_or(default, |size| size as usize);
            if size > MOST { Err(config.wrong(field, format!("at most {MOST}"))) } else { Ok(size) }
        };
        let token = |field: &str, default: u32| -> Result<u32, EngineError> {
            match config.at(field) {
                value if value.is_null() => Ok(default),
                value => {
                    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
                    id.ok_or_else(|| config.wrong(field, "a token's id"))
                }
            }
        };
        let eps = |field: &str, default: f64| -> Result<f64, EngineError> {
            match config.at(field) {
                value if value.is_null() => Ok(default),
                value => value.as_f64().ok_or_else(|| config.wrong(field, "a number")),
            }
        };
        for field in ["vision_config.hidden_act", "text_config.hidden_act"] {
            if config.at(field).as_str().is_some_and(|name| name != "gelu") {
                return Err(config.wrong(field, "\"gelu\""));
            }
        }
        let vision = VisionConfig {
            hidden: size("vision_config.hidden_size", 768)?,
            intermediate: size("vision_config.intermediate_size", 3072)?,
            layers: size("vision_config.num_hidden_layers", 12)?,
            heads: size("vision_config.num_attention_heads", 12)?,
            image_size: size("vision_config.image_size", 384)?,
            patch: size("vision_config.patch_size", 16)?,
            eps: eps("vision_config.layer_norm_eps", 1e-5)?,
        };
        let text = TextConfig {
            vocab_size: size("text_config.vocab_size", 30_524)?,
            hidden: size("text_config.hidden_size", 768)?,
            intermediate: size("text_config.intermediate_size", 3072)?,
            layers: size("text_config.num_hidden_layers", 12)?,
            // transformers' own default, although no published model has 8.
            heads: size("text_config.num_attention_heads", 8)?,
            positions: size("text_config.max_position_embeddings", 512)?,
            eps: eps("text_config.layer_norm_eps", 1e-12)?,
            bos: token("text_config.bos_token_id", 30_522)?,
            sep: token("text_config.sep_token_id", 102)?,
        };
        for (field, width, heads) in [
            ("vision_config.num_attention_heads", vision.hidden, vision.heads),
            ("text_config.num_attention_heads", text.hidden, text.heads),
        ] {
            if width % heads != 0 {
                return Err(config.wrong(field, format!("a divisor of {width}")));
            }
        }
        if vision.patch > vision.image_size || vision.image_size > 4096 {
            return Err(config.wrong("vision_config.image_size", "4096 pixels at most, and one patch at least"));
        }
        if kind == Kind::Answers && text.hidden != vision.hidden {
            let expected =
                format!("{}, the image's: the same layers look at the image and at the question", vision.hidden);
            return Err(config.wrong("text_config.hidden_size", expected));
        }
        if text.bos as usize >= text.vocab_size {
            return Err(config.wrong("text_config.bos_token_id", format!("below {}", text.vocab_size)));
        }
        Ok(Self { kind, vision, text })
    }
}
