//! Special tokens and the chat template: `tokenizer_config.json`, `generation_config.json`, `chat_template.jinja`.

use std::{fs, io, path::Path};

use serde_json::Value;
use tern_folder::{Json, one_or_many};
use tern_gguf::write::Plan;

use crate::{ConvertError, config::Config, vocabulary::Vocabulary};

const TEMPLATE_FILE: &str = "chat_template.jinja";

pub(crate) fn write(
    plan: &mut Plan,
    folder: &Path,
    config: &Config,
    vocabulary: &Vocabulary,
) -> Result<(), ConvertError> {
    let about = Json::read_if_there(folder, "tokenizer_config.json")?;
    let generation = Json::read_if_there(folder, "generation_config.json")?;
    let bos = id(&about, "bos_token", vocabulary)?.or(config.bos_token_id);
    // A model may end in several ways; what a dialogue's turn ends with is often only among those of generation.
    let ends: Vec<u32> = ids(generation.at("eos_token_id"));
    let eos = id(&about, "eos_token", vocabulary)?.or(ends.first().copied()).or(config.eos_token_id);
    for (key, id) in [
        ("tokenizer.ggml.bos_token_id", bos),
        ("tokenizer.ggml.eos_token_id", eos),
        ("tokenizer.ggml.eot_token_id", ends.iter().copied().find(|&id| Some(id) != eos)),
        ("tokenizer.ggml.padding_token_id", id(&about, "pad_token", vocabulary)?),
    ] {
        if let Some(id) = id {
            if id >= config.vocab_size {
                let expected = format!("an id below {}", config.vocab_size);
                return Err(ConvertError::wrong(folder, key, id.to_string(), expected));
            }
            plan.key(key, id);
        }
    }
    let bos_spelled = vocabulary.adds_bos().and_then(|token| vocabulary.id(token));
    let adds_bos = about.at("add_bos_token").as_bool().unwrap_or(bos.is_some() && bos_spelled == bos);
    plan.key("tokenizer.ggml.add_bos_token", adds_bos && bos.is_some());
    if about.at("add_eos_token").as_bool() == Some(true) {
        plan.key("tokenizer.ggml.add_eos_token", true);
    }
    if let Some(template) = template(folder, &about)? {
        plan.key("tokenizer.chat_template", template.as_str());
    }
    Ok(())
}

/// The id of a token that is given by its spelling, alone or as an object.
fn id(about: &Json, field: &str, vocabulary: &Vocabulary) -> Result<Option<u32>, ConvertError> {
    let value = about.at(field);
    let Some(token) = value.as_str().or_else(|| value["content"].as_str()) else { return Ok(None) };
    match vocabulary.id(token) {
        Some(id) => Ok(Some(id)),
        None => Err(about.wrong(field, "a token of tokenizer.json")),
    }
}

fn ids(value: &Value) -> Vec<u32> {
    one_or_many(value).iter().filter_map(|id| id.as_u64()?.try_into().ok()).collect()
}

/// The template in its own file wins; of several named ones in the configuration the one called `default`.
fn template(folder: &Path, about: &Json) -> Result<Option<String>, ConvertError> {
    let path = folder.join(TEMPLATE_FILE);
    match fs::read_to_string(&path) {
        Ok(template) => return Ok(Some(template)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Err(ConvertError::io("cannot read", &path)(error)),
    }
    let value = about.at("chat_template");
    let named = value.as_array().into_iter().flatten().find(|template| template["name"] == "default");
    Ok(value.as_str().or_else(|| named?["template"].as_str()).map(str::to_owned))
}
