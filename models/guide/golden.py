"""Writes what tern-guide-i2s.gguf has to compute: the logits after a few
prompts, by plain PyTorch in float32 with the values of the file. The file made,
tern-guide-i2s.golden.json, is for tests of other implementations.

    python golden.py

It also prints how many of the values before each down_proj are zero."""

import argparse
import hashlib
import json
import platform
import re
from pathlib import Path

import torch

import corpus
import gguf_model
import ternary
import tokens
from export import TERNARY_FILE

HERE = Path(__file__).resolve().parent
TEXTS = [
    "Tern is a local server",
    tokens.prompt("What is Tern?"),
    tokens.turn("system", "Be concise.") + tokens.prompt("how do i run bitnet"),
]


def five_digits(x: float) -> float:
    return float(f"{x:.5g}")


@torch.no_grad()
def golden(model, tokenizer, text: str) -> dict:
    ids = tokenizer.encode(text).ids
    logits = model.logits(model.model(torch.tensor([ids])))[0, -1]
    return {"text": text, "ids": ids, "argmax": logits.argmax().item(), "logits": [five_digits(x) for x in logits.tolist()]}


def add(count: dict, inner: torch.Tensor, normed: torch.Tensor) -> None:
    """Counts the zeros before and after the last norm of a feed-forward."""
    count["values"] += inner.numel()
    count["relu"] += (inner == 0).sum().item()
    count["int8"] += (ternary.round_activations(normed) == 0).sum().item()


@torch.no_grad()
def zeros(model, tokenizer) -> list[dict]:
    """By layer, the share of zeros before down_proj over a held-out question of
    each entry on Tern and its answer: of the squared ReLU times up_proj, and
    of the whole numbers that down_proj multiplies."""
    counts = [{"values": 0, "relu": 0, "int8": 0} for _ in model.model.layers]
    for count, layer in zip(counts, model.model.layers):
        layer.mlp.ffn_sub_norm.register_forward_hook(lambda _, given, normed, count=count: add(count, given[0], normed))
    for entry in corpus.load():
        if entry.id != corpus.OFFTOPIC:
            ids = tokenizer.encode(tokens.prompt(entry.held[0]) + entry.answer + tokens.IM_END).ids
            model.model(torch.tensor([ids]))
    return [{k: five_digits(c[k] / c["values"]) for k in ("relu", "int8")} for c in counts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path, default=HERE / TERNARY_FILE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = gguf_model.load(args.gguf)
    made = {
        "file": args.gguf.name,
        "sha256": hashlib.sha256(args.gguf.read_bytes()).hexdigest(),
        "made by": {"python": platform.python_version(), "torch": torch.__version__},
        "prompts": [golden(model, tokenizer, text) for text in TEXTS],
        "zeros before down_proj, by layer": zeros(model, tokenizer),
    }
    for layer, share in enumerate(made["zeros before down_proj, by layer"]):
        print(f"layer {layer}: zero after the squared ReLU {share['relu']:.1%}, zero in int8 {share['int8']:.1%}")
    place = args.gguf.with_suffix(".golden.json")
    rows = json.dumps(made, indent=1)
    place.write_text(_compact(rows) + "\n", "utf-8")
    print(f"{place.name}: {place.stat().st_size} bytes")


def _compact(text: str) -> str:
    """Lists of numbers on one line."""
    return re.sub(r"\[\s+([-\d][^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)


if __name__ == "__main__":
    main()
