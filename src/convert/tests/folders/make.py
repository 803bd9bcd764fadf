#!/usr/bin/env python3
"""Makes two folders of one tiny BitNet model, as Hugging Face publishes them.

    python src/convert/tests/folders/make.py       (needs torch, transformers, tokenizers, safetensors, numpy)

masters/  bfloat16 weights before quantization, as microsoft/bitnet-b1.58-2B-4T-bf16 has them
packed/   bytes packed by transformers' own code, `weight_scale` in bfloat16, as microsoft/bitnet-b1.58-2B-4T has them
scales.json  the scale of each matrix in float32, and that of the packed folder

Weights, tokenizer and quantization are those of the golden models of engines/bitnet.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers.integrations.bitnet import pack_weights

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[3] / "engines/bitnet/tests/golden"))
from make import LLAMA3_SPECIALS, embedding, master, norm, ternary  # noqa: E402
from vocabulary import bpe, bpe_tokenizer  # noqa: E402

NAME = "convert"
HIDDEN, FFN, HEADS, KV_HEADS = 128, 128, 4, 2
TEMPLATE = "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] + '<|eot_id|>' }}{% endfor %}"


def main():
    vocabulary = bpe(LLAMA3_SPECIALS)
    tokens = vocabulary[0]
    keys = HIDDEN // HEADS * KV_HEADS
    shapes = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (keys, HIDDEN), "self_attn.v_proj": (keys, HIDDEN),
              "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN),
              "mlp.down_proj": (HIDDEN, FFN)}
    bf16 = lambda values: torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)
    both = {"model.embed_tokens.weight": bf16(embedding(NAME, "token_embd", (len(tokens), HIDDEN))),
            "model.norm.weight": bf16(norm(NAME, "output_norm", HIDDEN))}
    layer = "model.layers.0"
    for name, size in [("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN),
                       ("self_attn.attn_sub_norm", HIDDEN), ("mlp.ffn_sub_norm", FFN)]:
        both[f"{layer}.{name}.weight"] = bf16(norm(NAME, name, size))
    masters, packed, scales = dict(both), dict(both), {}
    for name, (rows, columns) in shapes.items():
        weights = master(NAME, name, rows, columns)
        codes, scale = ternary(weights)
        masters[f"{layer}.{name}.weight"] = bf16(weights)
        packed[f"{layer}.{name}.weight"] = pack_weights(torch.from_numpy(codes.astype(np.float32)))
        packed[f"{layer}.{name}.weight_scale"] = torch.tensor([scale]).to(torch.bfloat16)
        scales[name] = [scale, float(torch.tensor(scale).to(torch.bfloat16))]
    config = {
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2", "hidden_size": HIDDEN,
        "intermediate_size": FFN, "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": True,
        "vocab_size": len(tokens), "bos_token_id": tokens.index("<|begin_of_text|>"), "eos_token_id": tokens.index("<|end_of_text|>"),
        "torch_dtype": "bfloat16"}
    for folder, weights, mode in [("masters", masters, "online"), ("packed", packed, "offline")]:
        at = HERE / folder
        at.mkdir(exist_ok=True)
        save_file(weights, at / "model.safetensors", metadata={"format": "pt"})
        quantization = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": mode}
        (at / "config.json").write_text(json.dumps({**config, "quantization_config": quantization}, indent=1) + "\n")
        bpe_tokenizer("llama-bpe", *vocabulary).save(str(at / "tokenizer.json"), pretty=False)
        (at / "tokenizer_config.json").write_text(json.dumps({
            "add_bos_token": True, "bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|end_of_text|>"},
            "chat_template": TEMPLATE}, indent=1) + "\n")
        (at / "generation_config.json").write_text(json.dumps({
            "eos_token_id": [tokens.index("<|end_of_text|>"), tokens.index("<|eot_id|>")]}) + "\n")
    (HERE / "scales.json").write_text(json.dumps(scales, indent=1) + "\n")


main()
