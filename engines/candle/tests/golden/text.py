"""Makes the golden text models: tiny random ones of each architecture, and their logits by transformers in float32.

    python engines/candle/tests/golden/text.py

Each folder `text/NAME` is a model as transformers saves it, with a byte-level vocabulary; `text/NAME/golden` holds
`tokens.N` and `logits.N`. Weights are rounded to the type they are saved in before the logits are computed.
"""

import json
import shutil
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

HERE = Path(__file__).parent / "text"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = dict(
    vocab_size=264, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=1024, rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=258,
    pad_token_id=None,
)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
# name: configuration, type of the saved weights
MODELS = {
    "qwen2": (Qwen2Config(**SIZES, tie_word_embeddings=True, use_sliding_window=False, sliding_window=8,
                          rope_parameters=dict(rope_type="default", rope_theta=1e6)), torch.bfloat16),
    "llama": (LlamaConfig(**SIZES, tie_word_embeddings=False, rope_parameters=LLAMA3, attention_bias=True,
                          mlp_bias=True), torch.float16),
    "mistral": (MistralConfig(**SIZES, sliding_window=16, tie_word_embeddings=False), torch.bfloat16),
    "qwen3": (Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True), torch.bfloat16),
}


def vocabulary() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: at for at, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return tokenizer


def make(name: str, config, dtype: torch.dtype) -> None:
    torch.manual_seed(sum(name.encode()))
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            spread = 0.3 if "norm" in key else 0.25
            value.copy_(torch.randn_like(value) * spread + ("norm" in key))
        model.to(dtype)
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        # Read again: `to` has rounded the rotary frequencies too, which are no weights.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        golden = {}
        for case, length in enumerate([1, 24, 60]):
            tokens = torch.randint(0, 256, (length,))
            golden[f"tokens.{case}"] = tokens
            golden[f"logits.{case}"] = model(tokens[None]).logits[0].contiguous()
    (folder / "golden").mkdir()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    save_file(golden, folder / "golden" / "model.safetensors", metadata=versions)
    vocabulary().save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [258, 256]}, indent=1) + "\n")
    about = {"eos_token": SPECIAL[2], "chat_template": TEMPLATE, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    for name, (config, dtype) in MODELS.items():
        make(name, config, dtype)
    print("torch", torch.__version__, "transformers", transformers.__version__, "tokenizers", tokenizers.__version__)
