"""Writes a trained model as a GGUF file and as a safetensors folder."""

import json
import os
import shutil
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

import tokens
import ternary
from model import Guide

NAME = "Tern guide"
TERNARY_FILE = "tern-guide-i2s.gguf"
LICENSE = "MIT OR Apache-2.0"
DESCRIPTION = "A very small model that answers questions about Tern and knows nothing else."


def export_all(model: Guide, tokenizer, folder: Path) -> None:
    """Both forms, each made aside and then put in place at once."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / "tern-guide.gguf.tmp"
    write_gguf(model, tokenizer, aside)
    os.replace(aside, folder / "tern-guide.gguf")
    aside, place = folder / "safetensors.tmp", folder / "safetensors"
    shutil.rmtree(aside, ignore_errors=True)
    write_safetensors(model, tokenizer, aside)
    place.mkdir(exist_ok=True)
    for path in aside.iterdir():
        os.replace(path, place / path.name)
        (place / path.name).chmod(0o644)
    aside.rmdir()


def export_ternary(model: Guide, tokenizer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / "tern-guide-i2s.gguf.tmp"
    write_ternary_gguf(model, tokenizer, aside)
    os.replace(aside, folder / TERNARY_FILE)


def write_safetensors(model: Guide, tokenizer, folder: Path) -> None:
    """The folder Hugging Face's transformers loads as LlamaForCausalLM."""
    folder.mkdir(parents=True)
    c = model.config
    tensors = {name: t.detach().float().numpy().astype(np.float16) for name, t in model.exported().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))

    def write(name: str, value: dict) -> None:
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", "utf-8")

    write("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocab,
        "hidden_size": c.hidden, "intermediate_size": c.ffn, "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim,
        "hidden_act": "silu", "max_position_embeddings": c.context, "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope_theta, "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False,
        "bos_token_id": None, "eos_token_id": tokens.IM_END_ID, "pad_token_id": tokens.PAD_ID,
        "torch_dtype": "float16",
    })
    write("generation_config.json", {
        "do_sample": False, "eos_token_id": [tokens.IM_END_ID, tokens.PAD_ID], "pad_token_id": tokens.PAD_ID,
    })
    special = {"eos_token": tokens.IM_END, "pad_token": tokens.END_OF_TEXT,
               "additional_special_tokens": [tokens.IM_START]}
    write("special_tokens_map.json", special)
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": c.context, "bos_token": None,
        "add_bos_token": False, "add_eos_token": False, "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(i): {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                     "single_word": False, "special": True}
            for i, text in enumerate(tokens.SPECIAL)
        },
        "chat_template": tokens.CHAT_TEMPLATE, **special,
    })


def write_gguf(model: Guide, tokenizer, path: Path) -> None:
    """One GGUF file: norms in F32, matrices in Q8_0."""
    c = model.config
    w = _writer(path, "llama", model, gguf.LlamaFileType.MOSTLY_Q8_0)
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    _add_tokenizer(w, tokenizer)

    for name, tensor in model.exported().items():
        data = tensor.detach().float().numpy()
        if name.endswith("q_proj.weight"):
            data = _interleave(data, c.heads)
        elif name.endswith("k_proj.weight"):
            data = _interleave(data, c.kv_heads)
        kind = gguf.GGMLQuantizationType.F32 if data.ndim == 1 else gguf.GGMLQuantizationType.Q8_0
        data = np.ascontiguousarray(data) if data.ndim == 1 else gguf.quants.quantize(data, kind)
        w.add_tensor(gguf_name(name), data, raw_dtype=kind)
    _write(w)


def write_ternary_gguf(model: Guide, tokenizer, path: Path) -> None:
    """One GGUF file as bitnet.cpp's: matrices in I2_S, embedding in F16, norms in F32."""
    w = _writer(path, "bitnet-b1.58", model, ternary.FILE_TYPE_I2_S)
    _add_tokenizer(w, tokenizer)
    for name, tensor in model.exported().items():
        public, data = gguf_name(name), tensor.detach().float()
        if name.endswith("embed_tokens.weight"):
            w.add_tensor(public, data.numpy().astype(np.float16))
        elif data.ndim == 1:
            w.add_tensor(public, data.numpy())
        else:
            codes, scale = ternary.weight_codes(data)
            packed = ternary.pack(codes.numpy(), scale.item())
            # The package has no such type: the description takes its number as it is.
            w.add_tensor_info(public, data.shape, np.dtype(np.int8), packed.nbytes, raw_dtype=ternary.I2_S)
            w.tensors[-1][public].tensor = packed
    _write(w)


def gguf_name(name: str) -> str:
    parts = {
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "self_attn.attn_sub_norm": "attn_sub_norm",
        "mlp.ffn_sub_norm": "ffn_sub_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }
    stem = name.removesuffix(".weight")
    if not stem.startswith("model.layers."):
        return parts[stem] + ".weight"
    number, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{number}.{parts[part]}.weight"


def _writer(path: Path, architecture: str, model: Guide, file_type: int) -> gguf.GGUFWriter:
    """A file with the values that both forms have."""
    c = model.config
    w = gguf.GGUFWriter(path, architecture)
    w.add_name(NAME)
    w.add_description(DESCRIPTION)
    w.add_license(LICENSE)
    w.add_size_label(f"{sum(t.numel() for t in model.exported().values()) / 1e6:.1f}M")
    w.add_file_type(file_type)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    w.add_context_length(c.context)
    w.add_embedding_length(c.hidden)
    w.add_feed_forward_length(c.ffn)
    w.add_block_count(c.layers)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_rope_dimension_count(c.head_dim)
    w.add_rope_freq_base(c.rope_theta)
    w.add_layer_norm_rms_eps(c.norm_eps)
    w.add_vocab_size(c.vocab)
    return w


def _write(w: gguf.GGUFWriter) -> None:
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def _interleave(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows from Hugging Face's order (halves) to GGUF's (pairs), by head."""
    rows, columns = matrix.shape
    halves = matrix.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _add_tokenizer(w: gguf.GGUFWriter, tokenizer) -> None:
    spec = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(spec["vocab"], key=spec["vocab"].get)
    kinds = [gguf.TokenType.CONTROL if t in tokens.SPECIAL else gguf.TokenType.NORMAL for t in vocab]
    merges = [m if isinstance(m, str) else " ".join(m) for m in spec["merges"]]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(vocab)
    w.add_token_types(kinds)
    w.add_token_merges(merges)
    w.add_bos_token_id(tokens.PAD_ID)
    w.add_eos_token_id(tokens.IM_END_ID)
    w.add_pad_token_id(tokens.PAD_ID)
    w.add_add_bos_token(False)
    w.add_add_space_prefix(False)
    w.add_chat_template(tokens.CHAT_TEMPLATE)
