//! The factory: looks into a file, says what it would take, loads it.

use std::{path::Path, sync::Arc};

use tern_engine::{
    Capability, Cost, DecoderLimits, Engine, EngineBuild, EngineError, Head, LoadOptions, LoadedModel, ModelInfo,
    ModelSource, Peak, Progress, TextModel, Tokenizer,
};
use tern_gguf::{Header, TensorInfo, TensorType as T, blocks::ternary::Order, summary};
use tern_ternary::{Path as Kernels, ints::Format};
use tern_tokenizer::{GgufTokenizer, Overrides};

use crate::{
    cost,
    decoder::BitnetDecoder,
    embedder::BitnetEmbedder,
    error::Refusal,
    file::ModelFile,
    forward::Forward,
    graph::{self, Graph},
    model::{Layout, Model},
    published,
    raw::{MOST_THREADS, Pool},
};

/// The BitNet engine: ternary models in GGUF files.
#[derive(Debug, Clone, Copy, Default)]
pub struct BitnetEngine;

impl Engine for BitnetEngine {
    fn name(&self) -> &'static str {
        "bitnet"
    }

    fn build(&self) -> EngineBuild {
        EngineBuild {
            version: format!("kernels: {}", Kernels::best()),
            cpu_features: features(Kernels::best()).iter().map(|name| (*name).to_owned()).collect(),
            chosen_at_start: true,
            accelerators: Vec::new(),
        }
    }

    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError> {
        let path = source.gguf_for(self.name())?;
        let header = Header::read(path).map_err(|error| error.about(path))?;
        Ok(read_header(&header).map_err(|refusal| refusal.about(path))?.1)
    }

    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost {
        cost::estimate(info, options)
    }

    fn peak(&self, source: &ModelSource, options: &LoadOptions) -> Option<Peak> {
        let header = Header::read(source.gguf_for(self.name()).ok()?).ok()?;
        let ternary = header.tensors().iter().filter(|tensor| {
            let kind = tensor.kind;
            tensor.name.starts_with("blk.") && matches!(kind, T::I2_S | T::TQ1_0 | T::TQ2_0 | T::IQ2_BN)
        });
        let per_second =
            tern_ternary::multiply_adds_per_second(kernels(options.kernels.as_deref()).ok()?, options.threads)?;
        Some(Peak { per_second, per_token: ternary.map(TensorInfo::values).sum() })
    }

    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        let path = source.gguf_for(self.name())?;
        load(path, options, progress).map_err(|refusal| refusal.about(path))
    }
}

/// What a set of kernels uses, as Linux's cpuinfo spells it.
fn features(kernels: Kernels) -> &'static [&'static str] {
    match kernels {
        Kernels::Reference => &[],
        Kernels::Avx2 => &["avx2", "fma", "f16c"],
        Kernels::AvxVnni => &["avx2", "fma", "f16c", "avx_vnni"],
        Kernels::Avx512 => &["avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512vbmi"],
        Kernels::Amx => &[
            "avx2",
            "avx512f",
            "avx512bw",
            "avx512vl",
            "avx512dq",
            "avx512_vnni",
            "avx512vbmi",
            "amx_tile",
            "amx_int8",
        ],
        Kernels::Dotprod => &["asimddp"],
        Kernels::I8mm => &["asimddp", "i8mm"],
    }
}

/// The graph, and what the server shows of it.
fn read_header(header: &Header) -> Result<(Graph, ModelInfo), Refusal> {
    if !graph::is_ours(header) {
        return Err(Refusal::Unsupported("no ternary (i2_s) tensors; the bitnet engine runs nothing else".into()));
    }
    let mut info = summary::model_info(header).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let graph = Graph::read(header)?;
    if let Some(template) = published::chat_template(header) {
        info.chat_template = Some(template);
    }
    info.kv_values_per_token = graph.kv_values_per_token();
    info.vocab_size = graph.vocab_size as u32;
    info.num_kv_heads = graph.num_kv_heads as u32;
    info.capabilities =
        if graph.embeds { vec![Capability::Embedding] } else { vec![Capability::Completion, Capability::Chat] };
    Ok((graph, info))
}

fn load(path: &Path, options: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, Refusal> {
    let kernels = kernels(options.kernels.as_deref())?;
    let order = Order::of_block(options.i2s_block);
    let file = ModelFile::open(path, order)?;
    let (graph, info) = read_header(file.header())?;
    let tokenizer = tokenizer(path, file.header())?;
    let threads = (options.threads.max(1) as usize).min(MOST_THREADS);
    let mut pool = Pool::new(threads).map_err(|error| Refusal::System(format!("threads: {error}")))?;
    let layout = Layout { format: Format::I2, head: if graph.embeds { Head::F16 } else { options.head }, kernels };
    let model = Model::load(&file, graph, layout, &mut pool, progress)?;
    tracing::info!(
        model = %path.display(), %kernels, threads, gate = ?model.graph.gate, "ternary weights packed"
    );
    let kv_cells = options.kv_cells.max(1);
    let limits = DecoderLimits {
        max_sequences: options.max_sequences.max(1),
        max_batch_tokens: options.max_batch_tokens.max(1) as usize,
        context_length: model.graph.context_length.min(kv_cells),
        kv_cells,
        partial_sequences: true,
        saved_bytes: 0,
    };
    let embeds = model.graph.embeds;
    let forward = Forward::new(model, kernels, pool, limits, options.kv_type)?;
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(tokenizer);
    if embeds {
        let embedder = BitnetEmbedder::new(forward);
        return Ok(LoadedModel { embedder: Some((tokenizer, Box::new(embedder))), ..LoadedModel::new(info) });
    }
    let decoder = Box::new(BitnetDecoder::new(forward));
    Ok(LoadedModel { text: Some(TextModel { tokenizer, decoder, vision: None }), ..LoadedModel::new(info) })
}

/// The instruction set asked for, or the best there is.
fn kernels(wanted: Option<&str>) -> Result<Kernels, Refusal> {
    let Some(name) = wanted else { return Ok(Kernels::best()) };
    let path: Kernels = name.parse().map_err(Refusal::Unsupported)?;
    if path.is_available() {
        return Ok(path);
    }
    let has: Vec<_> = Kernels::available().iter().map(|path| path.name()).collect();
    Err(Refusal::Unsupported(format!(
        "--kernels {name}: this processor lacks its instructions; it has: {}",
        has.join(", ")
    )))
}

fn tokenizer(path: &Path, header: &Header) -> Result<GgufTokenizer, Refusal> {
    let pre = published::pre_tokenizer(header);
    if let Some(pre) = pre {
        tracing::info!(model = %path.display(), "no tokenizer.ggml.pre in the file: {pre}, which this vocabulary is for, is used");
    }
    if published::chat_template(header).is_some() {
        tracing::info!(model = %path.display(), "the chat template of the file is that of another model and is replaced");
    }
    let overrides = Overrides { pre: pre.map(str::to_owned), ..Overrides::default() };
    GgufTokenizer::from_header(header, &overrides).map_err(|error| Refusal::Invalid(error.to_string()))
}
