//! A BLIP at work: the image once through the tower, then one token after the other, the likeliest each time.

use candle_core::{D, Device, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear};
use tern_engine::{
    Describer, EngineError, Image,
    tasks::{Cancelled, Description, Wish},
};
use tokenizers::Tokenizer;

use super::{
    config::{Config, Kind},
    pixels::Preprocessing,
    tower::Tower,
    words::{Direction, Seen, Words},
};
use crate::source::plain;

/// The model.
pub(crate) struct Blip {
    pub config: Config,
    pub tower: Tower,
    /// Reads questions.
    pub reader: Option<Words>,
    pub writer: Words,
    head: Head,
}

/// Vectors into scores of words.
struct Head {
    dense: Linear,
    norm: LayerNorm,
    output: Linear,
}

impl Blip {
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> candle_core::Result<Self> {
        let (text, image) = (&config.text, config.vision.hidden);
        let tower = Tower::new(&config.vision, weights.pp("vision_model"))?;
        // Where the writer looks at a question, that is as wide as the image (`Config::read`).
        let reader = (config.kind == Kind::Answers).then(|| Words::new(text, image, weights.pp("text_encoder")));
        let decoder = weights.pp("text_decoder");
        let writer = Words::new(text, image, decoder.pp("bert"))?;
        let head = Head::new(config, &writer, decoder.pp("cls.predictions"))?;
        Ok(Self { config: config.clone(), tower, reader: reader.transpose()?, writer, head })
    }

    /// Scores of all words as the next one, `[vocabulary]`.
    pub fn next(&self, tokens: &[u32], seen: &mut Seen) -> candle_core::Result<Tensor> {
        let hidden = self.writer.forward(tokens, seen, Direction::Causal)?;
        let last = hidden.narrow(0, tokens.len() - 1, 1)?;
        let x = self.head.norm.forward(&self.head.dense.forward(&last)?.gelu_erf()?)?;
        self.head.output.forward(&x)?.squeeze(0)
    }
}

impl Head {
    fn new(config: &Config, writer: &Words, weights: VarBuilder<'_>) -> candle_core::Result<Self> {
        let (width, vocab) = (config.text.hidden, config.text.vocab_size);
        let transform = weights.pp("transform");
        // Tied: files have one name of it, the other, or both.
        let matrix = match weights.contains_tensor("decoder.weight") {
            true => weights.get((vocab, width), "decoder.weight")?,
            false => writer.matrix().clone(),
        };
        let bias = if weights.contains_tensor("bias") { "bias" } else { "decoder.bias" };
        Ok(Self {
            dense: linear(width, width, transform.pp("dense"))?,
            norm: layer_norm(width, config.text.eps, transform.pp("LayerNorm"))?,
            output: Linear::new(matrix, Some(weights.get(vocab, bias)?)),
        })
    }
}

/// The model with what it needs to see and to speak.
pub(crate) struct BlipDescriber {
    pub blip: Blip,
    pub preprocessing: Preprocessing,
    pub tokenizer: Tokenizer,
}

fn failed(error: candle_core::Error) -> EngineError {
    EngineError::Failed(plain(&error))
}

impl BlipDescriber {
    /// `[CLS] text [SEP]`
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let encoded = self.tokenizer.encode(text, true);
        let tokens = encoded.map_err(|error| EngineError::Failed(format!("tokenizing: {error}")))?.get_ids().to_vec();
        let most = self.blip.config.text.positions;
        if tokens.len() >= most {
            let got = tokens.len();
            return Err(EngineError::Failed(format!("the text has {got} tokens; this model reads fewer than {most}")));
        }
        match tokens.iter().find(|&&token| token as usize >= self.blip.config.text.vocab_size) {
            Some(token) => Err(EngineError::Failed(format!("tokenizer.json has the token {token}, the model has not"))),
            None => Ok(tokens),
        }
    }

    /// Its vectors.
    pub fn image(&self, image: &Image, cancelled: Cancelled<'_>) -> Result<Tensor, EngineError> {
        let size = self.blip.config.vision.image_size;
        let pixels = self.preprocessing.pixels(image)?;
        let pixels = Tensor::from_vec(pixels, (1, 3, size, size), &Device::Cpu).map_err(failed)?;
        self.blip.tower.forward(&pixels, cancelled).map_err(failed)?.ok_or(EngineError::Cancelled)
    }

    /// What the writer looks at, and the tokens that it has been given.
    fn begin(&self, image: &Image, wish: &Wish, cancelled: Cancelled<'_>) -> Result<(Seen, Vec<u32>), EngineError> {
        let bos = self.blip.config.text.bos;
        match (wish, &self.blip.reader) {
            (Wish::Caption(prompt), None) => {
                let mut tokens = match prompt {
                    None => vec![bos],
                    Some(prompt) => self.tokens(prompt)?,
                };
                // The writer's own beginning for [CLS], and no end.
                if prompt.is_some() {
                    tokens.pop();
                    match tokens.first_mut() {
                        Some(first) => *first = bos,
                        None => tokens.push(bos),
                    }
                }
                let image = self.image(image, cancelled)?;
                Ok((self.blip.writer.look_at(&image).map_err(failed)?, tokens))
            }
            (Wish::Answer(question), Some(reader)) => {
                let question = self.tokens(question)?;
                let image = self.image(image, cancelled)?;
                let read = || -> candle_core::Result<Seen> {
                    let mut seen = reader.look_at(&image)?;
                    let question = reader.forward(&question, &mut seen, Direction::Both)?;
                    self.blip.writer.look_at(&question)
                };
                Ok((read().map_err(failed)?, vec![bos]))
            }
            (Wish::Caption(_), Some(_)) => {
                Err(EngineError::Failed("this model answers questions; it was not trained for captions".into()))
            }
            (Wish::Answer(_), None) => {
                Err(EngineError::Failed("this model writes captions; it was not trained for questions".into()))
            }
        }
    }
}

impl Describer for BlipDescriber {
    fn can(&self, wish: &Wish) -> bool {
        match wish {
            Wish::Caption(_) => self.blip.config.kind == Kind::Captions,
            Wish::Answer(_) => self.blip.config.kind == Kind::Answers,
        }
    }

    fn describe(
        &mut self,
        image: &Image,
        wish: &Wish,
        max_tokens: usize,
        cancelled: Cancelled<'_>,
    ) -> Result<Description, EngineError> {
        let (mut seen, given) = self.begin(image, wish, cancelled)?;
        let room = self.blip.config.text.positions - given.len();
        let mut tokens = given.clone();
        let mut fed = 0;
        while tokens.len() - given.len() < max_tokens.min(room) {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let scores = self.blip.next(&tokens[fed..], &mut seen).map_err(failed)?;
            fed = tokens.len();
            let best = scores.argmax(D::Minus1).and_then(|best| best.to_scalar::<u32>()).map_err(failed)?;
            if best == self.blip.config.text.sep {
                break;
            }
            tokens.push(best);
        }
        let text = self.tokenizer.decode(&tokens, true);
        let text = text.map_err(|error| EngineError::Failed(format!("spelling the answer: {error}")))?;
        Ok(Description { text: text.trim().to_owned(), tokens: tokens.len() - given.len() })
    }
}
