//! `tern inspect`: what a model file contains, from its header alone.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use serde_json::{Value, json};
use tern_engine::{Cost, ModelInfo};
use tern_gguf::{Header, split};

use crate::{
    Error,
    cli::InspectArgs,
    commands::Given,
    config::Config,
    output::{self, Table},
};

/// Longest value that is printed whole.
const SHOWN_CHARS: usize = 100;
/// Elements of an array that are printed.
const SHOWN_ELEMENTS: usize = 6;

/// Prints what the header says and what the model would take.
///
/// # Errors
/// When there is no such model, or its file is damaged or of a kind that no engine can run.
pub async fn run(args: InspectArgs, config: Config) -> Result<ExitCode, Error> {
    let given = Given::find(&args.model, &config)?;
    let cost = given.engine.estimate(&given.info, &config.registry.load_options(&given.info));
    let headers = match given.path() {
        Some(path) if path.is_file() => read(path)?,
        _ => Vec::new(),
    };
    if args.json {
        output::print_json(&to_json(&args, &given, &cost, &headers));
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&facts(&given, &cost, &headers));
    if !headers.is_empty() {
        output::print(&format!("\n{}", types_table(&headers)));
    }
    if args.metadata {
        let mut table = Table::new(["KEY", "VALUE"]);
        headers.iter().take(1).flat_map(metadata).for_each(|(key, value)| table.row([key, &shown(&value)]));
        output::print(&format!("\n{}", table.render()));
    }
    if args.tensors {
        output::print(&format!("\n{}", tensors_table(&headers)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The headers of all parts of the model.
fn read(path: &Path) -> Result<Vec<Header>, Error> {
    let read = |path: std::path::PathBuf| match Header::read(&path) {
        Ok(header) => Ok(header),
        Err(source) => Err(Error::Gguf { path, source }),
    };
    split::parts(path).into_iter().map(read).collect()
}

fn facts(given: &Given, cost: &Cost, headers: &[Header]) -> String {
    let ModelInfo { architecture, quantization, parameters, context_length, vocab_size, .. } = &given.info;
    let info = &given.info;
    let mut table = Table::plain();
    if let Some(path) = given.path() {
        table.row(["file", &path.display().to_string()]);
    }
    if let Some(name) = &info.name {
        table.row(["name", name]);
    }
    table.row(["engine", given.engine.name()]);
    table.row(["architecture", architecture]);
    table.row(["parameters", &format!("{} ({parameters})", output::count(*parameters))]);
    table.row(["weights", &format!("{quantization}, {}", output::size(info.weights_bytes))]);
    table.row(["context", &format!("{context_length} tokens")]);
    table.row(["vocabulary", &format!("{vocab_size} tokens")]);
    let heads = format!("{} heads, {} for keys and values", info.num_heads, info.num_kv_heads);
    table.row(["shape", &format!("{} layers of width {}, {heads}", info.num_layers, info.hidden_size)]);
    let capabilities: Vec<_> = info.capabilities.iter().map(|c| format!("{c:?}").to_lowercase()).collect();
    table.row(["does", &capabilities.join(", ")]);
    let template = match &info.chat_template {
        Some(template) => format!("{} characters (--metadata shows its beginning)", template.chars().count()),
        None => "none; dialogues are written as plain lines".to_owned(),
    };
    table.row(["chat template", &template]);
    if let Some(license) = &info.license {
        table.row(["licence", license]);
    }
    if let Some(header) = headers.first() {
        let parts = if headers.len() > 1 { format!(", {} files", headers.len()) } else { String::new() };
        table.row(["format", &format!("GGUF {}{parts}", header.version())]);
    } else if given.path().is_some_and(Path::is_dir) {
        table.row(["format", "folder with safetensors"]);
    }
    table.row([
        "memory",
        &format!(
            "{} at {} tokens of context: {} weights, {} KV cache ({} a token), {} buffers",
            output::size(cost.total_bytes()),
            cost.context_tokens,
            output::size(cost.weights_bytes),
            output::size(cost.kv_bytes()),
            output::size(cost.kv_bytes_per_token),
            output::size(cost.fixed_bytes)
        ),
    ]);
    table.render()
}

/// Tensors, values and bytes of each type, the largest first.
fn by_type(headers: &[Header]) -> Vec<(&'static str, [u64; 3])> {
    let mut types = BTreeMap::<&str, [u64; 3]>::new();
    for tensor in headers.iter().flat_map(Header::tensors) {
        let sums = types.entry(tensor.kind.name()).or_default();
        for (sum, add) in sums.iter_mut().zip([1, tensor.values(), tensor.bytes]) {
            *sum = sum.saturating_add(add);
        }
    }
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|(_, [.., bytes])| std::cmp::Reverse(*bytes));
    types
}

fn types_table(headers: &[Header]) -> String {
    let mut table = Table::new(["TYPE", "TENSORS", "VALUES", "SIZE"]).right(&[1, 2, 3]);
    for (name, [tensors, values, bytes]) in by_type(headers) {
        table.row([name.to_owned(), tensors.to_string(), output::count(values), output::size(bytes)]);
    }
    table.render()
}

fn tensors_table(headers: &[Header]) -> String {
    let mut table = Table::new(["TENSOR", "TYPE", "SHAPE", "SIZE"]).right(&[3]);
    for tensor in headers.iter().flat_map(Header::tensors) {
        let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
        table.row([&tensor.name, tensor.kind.name(), &shape.join(" x "), &output::size(tensor.bytes)]);
    }
    table.render()
}

/// Keys and values; of an array its first elements and its length.
fn metadata(header: &Header) -> Vec<(&str, Value)> {
    let value = |key: &str, value: &tern_gguf::Value| {
        let Some(array) = value.as_array() else { return scalar(value) };
        let strings = header.strings(key).map(|texts| {
            let text = |bytes: &[u8]| json!(String::from_utf8_lossy(bytes));
            texts.take(SHOWN_ELEMENTS).map(text).collect::<Vec<_>>()
        });
        let numbers = || header.values(key).map(|values| values.take(SHOWN_ELEMENTS).map(|v| scalar(&v)).collect());
        json!({"length": array.len, "first": strings.or_else(numbers).unwrap_or_default()})
    };
    header.entries().map(|(key, v)| (key, value(key, v))).collect()
}

fn scalar(value: &tern_gguf::Value) -> Value {
    use tern_gguf::Value as V;
    match value {
        V::I8(n) => json!(n),
        V::I16(n) => json!(n),
        V::I32(n) => json!(n),
        V::I64(n) => json!(n),
        // Widened, 0.000001 would become 9.999999974752427e-7.
        V::F32(n) => serde_json::from_str(&n.to_string()).unwrap_or(Value::Null),
        V::F64(n) => json!(n),
        _ => value.as_str().map(Value::from).or(value.as_bool().map(Value::from)).unwrap_or(json!(value.as_u64())),
    }
}

/// A value on one line.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(array) => format!("{} elements: {} ...", array["length"], array["first"]),
        other => other.to_string(),
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    let chars = text.chars().count();
    if chars > SHOWN_CHARS { format!("{line} ... ({chars} characters)") } else { line }
}

fn to_json(args: &InspectArgs, given: &Given, cost: &Cost, headers: &[Header]) -> Value {
    let types = by_type(headers).into_iter().map(
        |(name, [tensors, values, bytes])| json!({"type": name, "tensors": tensors, "values": values, "bytes": bytes}),
    );
    let mut value = json!({
        "id": given.name, "path": given.path(), "engine": given.engine.name(), "info": given.info,
        "memory": {
            "total_bytes": cost.total_bytes(), "weights_bytes": cost.weights_bytes, "kv_bytes": cost.kv_bytes(),
            "kv_bytes_per_token": cost.kv_bytes_per_token, "context_tokens": cost.context_tokens,
            "fixed_bytes": cost.fixed_bytes,
        },
        "tensor_types": types.collect::<Vec<_>>(),
    });
    if args.metadata {
        value["metadata"] = headers.iter().take(1).flat_map(metadata).map(|(k, v)| (k.to_owned(), v)).collect();
    }
    if args.tensors {
        let tensors = headers.iter().flat_map(Header::tensors);
        value["tensors"] = tensors
            .map(|t| json!({"name": t.name, "type": t.kind.name(), "shape": t.shape, "bytes": t.bytes, "offset": t.offset}))
            .collect();
    }
    value
}
