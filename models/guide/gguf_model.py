"""Runs the exported GGUF files in plain PyTorch, with exactly the values they hold."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import gguf_file
import tokens
from export import gguf_name
from model import Config, Guide


def load(path: Path) -> tuple[Guide, Tokenizer]:
    values, tensors = gguf_file.load(path)
    kind = values["general.architecture"]

    def value(key: str):
        return values[f"{kind}.{key}"]

    config = Config(
        vocab=value("vocab_size"), hidden=value("embedding_length"), ffn=value("feed_forward_length"),
        layers=value("block_count"), heads=value("attention.head_count"), kv_heads=value("attention.head_count_kv"),
        context=value("context_length"), rope_theta=value("rope.freq_base"),
        norm_eps=value("attention.layer_norm_rms_epsilon"), ternary=kind == "bitnet-b1.58")
    model = Guide(config, 1)
    state = {}
    for name in model.exported():
        data = tensors[gguf_name(name)]
        if isinstance(data, tuple):
            codes, scale = data
            data = codes * scale
        elif not config.ternary and name.endswith(("q_proj.weight", "k_proj.weight")):
            data = _halves(data, config.heads if "q_proj" in name else config.kv_heads)
        state[name] = torch.from_numpy(np.array(data, np.float32))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(m.startswith("topic.") for m in missing)
    for matrix in model.matrices:
        matrix.fixed = True
    return model.eval(), _tokenizer(values)


def _halves(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows from GGUF's order for Llama (pairs) to Hugging Face's (halves), by head."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _tokenizer(values: dict) -> Tokenizer:
    """The tokenizer as the file describes it."""
    vocab = {text: i for i, text in enumerate(values["tokenizer.ggml.tokens"])}
    merges = [tuple(m.split(" ")) for m in values["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(tokens.SPECIAL)
    return tokenizer


@torch.no_grad()
def greedy(model: Guide, prompts: list[list[int]], drafts: list[list[int]], limit: int) -> list[list[int]]:
    """The likeliest continuation of each prompt, up to the end of the turn. A
    draft that turns out right costs one pass, not one a token; the result is
    the same for any draft."""
    rows = [(p + d)[: model.config.context] for p, d in zip(prompts, drafts)]
    lengths = [len(p) for p in prompts]  # what is settled of each row
    open_rows = set(range(len(rows)))
    while open_rows:
        part = sorted(open_rows)
        width = max(len(rows[i]) for i in part)
        ids = torch.tensor([rows[i] + [tokens.PAD_ID] * (width - len(rows[i])) for i in part])
        best = model.logits(model.model(ids)).argmax(-1).tolist()  # what is to the right changes nothing
        for i, likeliest in zip(part, best):
            while True:
                following = likeliest[lengths[i] - 1]
                agrees = lengths[i] < len(rows[i]) and rows[i][lengths[i]] == following
                rows[i] = rows[i] if agrees else rows[i][: lengths[i]] + [following]
                lengths[i] += 1
                made = lengths[i] - len(prompts[i])
                if following == tokens.IM_END_ID or made >= limit or lengths[i] >= model.config.context:
                    open_rows.discard(i)
                    break
                if not agrees:
                    break
    return [row[len(p) : n] for row, p, n in zip(rows, prompts, lengths)]
