#!/usr/bin/env python3
"""Makes the tiny ternary models of this folder, and what Hugging Face's modules compute with them.

    python engines/bitnet/tests/golden/make.py       (needs torch, transformers, tokenizers, numpy; it prints versions)

README.md says what each file holds. The same versions give the same bytes: every matrix has its own seed, made of its
name. Matrices are drawn as bfloat16 masters, as a model is trained, and quantized as BitNet does: scale =
max(1e-5, mean|W|), codes = clamp(round(W / scale), -1, 1). The activations of each linear layer are rounded to int8 by
token; sums of products are integers below 2^24, which float32 holds exactly.
"""
import pathlib
import zlib

import numpy as np
import tokenizers
import torch
import transformers

from container import File
from vocabulary import bpe, bpe_tokenizer, spm, spm_tokenizer

HERE = pathlib.Path(__file__).parent
SEED = 20261124
CONTEXT = 512
TEXTS = ["hello world", "the thing is 1234 and of\n\n a  world's end"]
RANDOM_TOKENS = 70
STEADY_TOKENS = 6
# Relative noise at the entry of every linear layer: what a different order of float32 sums does, and three times that.
JITTER, STRONG_JITTER = 3e-7, 1e-6
LLAMA3_SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
QWEN_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# Hugging Face's names within a layer, ours, and whether the row halves of rotary pairs are kept apart.
MATRICES = [("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down")]


def rng(*names):
    return np.random.default_rng([SEED, *(zlib.crc32(name.encode()) for name in names)])


def bf16(values):
    return torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16).float().numpy()


def f16(values):
    return values.astype(np.float16).astype(np.float32)


def master(model, name, rows, columns):
    """Weights before quantization, with a spread that lets every layer move the logits."""
    draw = rng(model, name)
    spread = draw.uniform(1.3, 2.5) / np.sqrt(0.67 * columns)
    return bf16(spread * draw.standard_normal((rows, columns)))


def ternary(weights):
    """BitNet's quantization: one scale for the whole matrix. The mean is taken in double precision."""
    scale = np.float32(max(1e-5, np.abs(weights.astype(np.float64)).mean()))
    return np.clip(np.round(weights / scale), -1, 1).astype(np.int8), float(scale)


def norm(model, name, size, centre=1.0):
    return (centre + 0.2 * rng(model, name).standard_normal(size)).astype(np.float32)


def embedding(model, name, shape):
    return f16(0.25 * rng(model, name).standard_normal(shape))


def interleave(rows, heads):
    """Hugging Face keeps the two halves of a rotary pair apart; GGUF's llama keeps them side by side."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


class BitLinear(torch.nn.Module):
    """y = codes . round(x * s) / s * scale, s = 127 / max|x| of each token; a norm of the input before, if it has one."""
    jitter = 0.0

    def __init__(self, codes, scale, norm=None, eps=0.0):
        super().__init__()
        self.codes, self.scale = torch.from_numpy(codes.astype(np.float32)), scale
        self.norm, self.eps = None if norm is None else torch.from_numpy(norm), eps

    def forward(self, x):
        if self.norm is not None:
            x = self.norm * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))
        if BitLinear.jitter:
            x = x * (1 + BitLinear.jitter * torch.randn_like(x))
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
        quantized = (x * scale).round().clamp(-128, 127)
        return quantized @ self.codes.T / scale * self.scale


class Fixture:
    """One model: fills Hugging Face's modules and the file together, so that they cannot differ."""

    def __init__(self, name, architecture, net, layers):
        self.name, self.net, self.layers = name, net.eval(), layers
        self.file = File(architecture)
        self.filled = set()

    def parameter(self, name, values):
        module = self.net.get_parameter(name)
        assert tuple(module.shape) == values.shape, (name, module.shape, values.shape)
        module.data = torch.from_numpy(np.ascontiguousarray(values))
        self.filled.add(name)

    def linear(self, layer, theirs, ours, heads=None, norm_in=False, eps=0.0, apart=1.0, dead=()):
        """`heads`: interleave rows. `apart`: what of the scale stands in a tensor of its own. `dead`: zero rows."""
        name = f"blk.{layer}.{ours}"
        path = f"layers.{layer}.{theirs}"
        old = self.body().get_submodule(path)
        codes, scale = ternary(master(self.name, name, old.out_features, old.in_features))
        codes[list(dead)] = 0
        weight = None
        if norm_in:
            weight = f16(norm(self.name, f"{name}_norm_in", old.in_features))
        stored = codes if heads is None else interleave(codes, heads)
        if apart != 1.0:
            scale = float(np.float32(scale / apart))
            self.file.f32(f"{name}.scale", np.array([apart]))
        self.file.i2_s(f"{name}.weight", stored, scale)
        if norm_in:
            self.file.f16(f"{name}_norm_in.weight", weight)
        self.body().set_submodule(path, BitLinear(codes, scale * apart, weight, eps))

    def norm(self, theirs, ours, shift=0.0):
        """`shift`: Gemma computes with 1 + weight, and its files hold the sum."""
        size = self.net.get_parameter(theirs).shape[0]
        values = norm(self.name, ours, size)
        self.parameter(theirs, (values - np.float32(shift)).astype(np.float32))
        stored = self.net.get_parameter(theirs).detach().numpy() + np.float32(shift)
        self.file.f32(f"{ours}.weight", stored)

    def body(self):
        return getattr(self.net, "model", self.net)

    def check_all_filled(self):
        left = {name for name, _ in self.net.named_parameters()} - self.filled - {"lm_head.weight"}
        assert not left, left

    def save(self, out):
        self.check_all_filled()
        size = self.file.write(HERE / f"{out}.gguf")
        assert size < 352 * 1024, (out, size)
        print(f"{out}.gguf {size} bytes")


def describe(file, config, context=CONTEXT, rope=None):
    """Keys that every decoder has."""
    file.key("general.name", f"Tiny {file.architecture} of the tests")
    file.key("general.license", "mit")
    file.key("general.file_type", 40)
    file.key("general.quantization_version", 2)
    file.own("vocab_size", config.vocab_size)
    file.own("context_length", context)
    file.own("embedding_length", config.hidden_size)
    file.own("block_count", config.num_hidden_layers)
    file.own("feed_forward_length", config.intermediate_size)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    file.own("rope.dimension_count", head)
    if head != config.hidden_size // config.num_attention_heads:
        file.own("attention.key_length", head)
        file.own("attention.value_length", head)
    file.own("attention.head_count", config.num_attention_heads)
    file.own("attention.head_count_kv", config.num_key_value_heads)
    file.own("attention.layer_norm_rms_epsilon", config.rms_norm_eps)
    file.own("rope.freq_base", float(rope))


def bpe_keys(file, vocabulary, bos, eos, pre, add_bos, add_eos=False):
    tokens, types, merges = vocabulary
    file.key("tokenizer.ggml.model", "gpt2")
    if pre:
        file.key("tokenizer.ggml.pre", pre)
    file.key("tokenizer.ggml.tokens", tokens)
    file.key("tokenizer.ggml.token_type", types)
    file.key("tokenizer.ggml.merges", [" ".join(pair) for pair in merges])
    file.key("tokenizer.ggml.bos_token_id", tokens.index(bos))
    file.key("tokenizer.ggml.eos_token_id", tokens.index(eos))
    file.key("tokenizer.ggml.add_bos_token", add_bos)
    if add_eos:
        file.key("tokenizer.ggml.add_eos_token", True)


def cases_of(fixture, tokenizer, vocab_size, embeds, before=(), after=()):
    """A steady sequence, texts with their tokens, and one long sequence; tokens are random where there is no text."""
    cases = [(text, [*before, *tokenizer.encode(text, add_special_tokens=False).ids, *after]) for text in TEXTS]
    draw = rng(fixture.name, "tokens")
    random = draw.integers(0, vocab_size, RANDOM_TOKENS - len(before) - len(after))
    cases.append((None, [*before, *map(int, random), *after]))
    for attempt in range(2000):
        tokens = list(map(int, draw.integers(0, vocab_size, STEADY_TOKENS)))
        values = result(hidden_states(fixture, tokens)[0], embeds)
        if all(moved(fixture, tokens, values, embeds, seed, STRONG_JITTER)[0] < 1e-4 for seed in range(6)):
            print(f"  steady after {attempt} attempts")
            return [(None, tokens), *cases]
    raise AssertionError("no sequence is steady")


def moved(fixture, tokens, values, embeds, seed, jitter):
    """How far noise moves the values: at most, and root mean square."""
    torch.manual_seed(seed)
    BitLinear.jitter = jitter
    change = result(hidden_states(fixture, tokens)[0], embeds) - values
    BitLinear.jitter = 0.0
    return float(np.abs(change).max()), float(np.sqrt(np.square(change).mean()))


def hidden_states(fixture, tokens):
    """Output of the model, and the residual stream before and after each layer, all `[tokens, ...]`."""
    stream = []
    hooks = []
    for layer in fixture.body().layers:
        hooks.append(layer.register_forward_pre_hook(lambda _, args, kwargs: stream.append(
            (args[0] if args else kwargs["hidden_states"])[0].numpy().copy()), with_kwargs=True))
    hooks.append(fixture.body().norm.register_forward_pre_hook(lambda _, args: stream.append(args[0][0].numpy().copy())))
    with torch.no_grad():
        out = fixture.net(torch.tensor([tokens]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return out, stream


def golden(fixture, out, cases, embeds):
    """Writes the outputs for all cases; see README.md."""
    file = File("golden")
    file.key("golden.made_by", "engines/bitnet/tests/golden/make.py")
    file.key("golden.versions", versions())
    file.key("golden.model", f"{out}.gguf")
    file.key("golden.cases", len(cases))
    for number, (text, tokens) in enumerate(cases):
        file.key(f"case.{number}.tokens", tokens)
        if text is not None:
            file.key(f"case.{number}.text", text)
        output, stream = hidden_states(fixture, tokens)
        values = result(output, embeds)
        file.f32(f"case.{number}.{'vector' if embeds else 'logits'}", values)
        if number == 0:
            for layer, state in enumerate(stream):
                file.f32(f"case.{number}.stream.{layer}", state)
        noise = [moved(fixture, tokens, values, embeds, seed, JITTER) for seed in range(8)]
        largest, mean = (max(column) for column in zip(*noise))
        file.key(f"case.{number}.jitter_max", largest)
        file.key(f"case.{number}.jitter_rms", mean)
        print(f"  case {number}: {len(tokens)} tokens, spread {values.std():.3f}, jitter {largest:.2e}, rms {mean:.2e}")
    size = file.write(HERE / f"{out}.golden.gguf")
    print(f"{out}.golden.gguf {size} bytes")


def result(output, embeds):
    if not embeds:
        return output.logits[0].numpy()
    last = output.last_hidden_state[0, -1]
    return (last / last.norm()).numpy()


def versions():
    return ", ".join(f"{m.__name__} {m.__version__.split('+')[0]}" for m in (torch, transformers, tokenizers, np))


def bitnet_fixture(name, architecture, act, sizes, pre, apart=lambda layer, ours: 1.0, dead=None, head=False):
    """BitNet's graph with sub-norms and tied embeddings."""
    vocabulary = bpe(LLAMA3_SPECIALS)
    config = transformers.BitNetConfig(
        vocab_size=len(vocabulary[0]), num_hidden_layers=2, max_position_embeddings=CONTEXT, hidden_act=act,
        rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0}, attn_implementation="eager", **sizes)
    fixture = Fixture(name, architecture, transformers.BitNetForCausalLM(config), 2)
    describe(fixture.file, config, rope=500000.0)
    bpe_keys(fixture.file, vocabulary, "<|begin_of_text|>", "<|end_of_text|>", pre, add_bos=True)
    if head:
        fixture.file.f16("output.weight", embedding(name, "token_embd", (config.vocab_size, config.hidden_size)))
    fixture.parameter("model.embed_tokens.weight", embedding(name, "token_embd", (config.vocab_size, config.hidden_size)))
    fixture.net.tie_weights()
    fixture.file.f16("token_embd.weight", fixture.net.get_parameter("model.embed_tokens.weight").detach().numpy())
    for layer in range(2):
        at = f"model.layers.{layer}"
        fixture.norm(f"{at}.input_layernorm.weight", f"blk.{layer}.attn_norm")
        fixture.norm(f"{at}.self_attn.attn_sub_norm.weight", f"blk.{layer}.attn_sub_norm")
        fixture.norm(f"{at}.post_attention_layernorm.weight", f"blk.{layer}.ffn_norm")
        fixture.norm(f"{at}.mlp.ffn_sub_norm.weight", f"blk.{layer}.ffn_sub_norm")
        for theirs, ours in MATRICES:
            rows = (dead or {}).get((layer, ours), ())
            fixture.linear(layer, theirs, ours, apart=apart(layer, ours), dead=rows)
    fixture.norm("model.norm.weight", "output_norm")
    return fixture, vocabulary


def bitnet_b158():
    name = "bitnet-b1.58"
    sizes = {"hidden_size": 128, "intermediate_size": 384, "num_attention_heads": 4, "num_key_value_heads": 2}
    # Neurons that are off for every input, as BitNet-b1.58-2B-4T has in its first layers.
    dead = {(0, "ffn_gate"): (5, 77), (0, "ffn_up"): (5, 200), (1, "ffn_gate"): (383,)}
    fixture, vocabulary = bitnet_fixture(name, name, "relu2", sizes, "llama-bpe", dead=dead)
    fixture.save(name)
    tokenizer = bpe_tokenizer("llama-bpe", *vocabulary)
    cases = cases_of(fixture, tokenizer, len(vocabulary[0]), embeds=False, before=[vocabulary[0].index("<|begin_of_text|>")])
    golden(fixture, name, cases, embeds=False)
    # The same model as it was first published: another name, the embedding twice, no pre-tokenizer.
    fixture, _ = bitnet_fixture(name, "bitnet-25", "relu2", sizes, None, dead=dead, head=True)
    fixture.save("bitnet-25")


def bitnet_silu():
    name = "bitnet"
    sizes = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 4, "num_key_value_heads": 1}
    # Some matrices have a part of their scale in a tensor beside them.
    apart = lambda layer, ours: 1.75 if layer == 0 and ours in ("attn_q", "attn_v", "ffn_gate", "ffn_down") else 1.0
    fixture, vocabulary = bitnet_fixture(name, name, "silu", sizes, "llama-bpe", apart=apart)
    fixture.save(name)
    tokenizer = bpe_tokenizer("llama-bpe", *vocabulary)
    golden(fixture, name, cases_of(fixture, tokenizer, len(vocabulary[0]), embeds=False, before=[256 + len(vocabulary[2])]), embeds=False)


def llama():
    name = "llama"
    vocabulary = bpe(LLAMA3_SPECIALS)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary[0]), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, attn_implementation="eager")
    fixture = Fixture(name, name, transformers.LlamaForCausalLM(config), 2)
    describe(fixture.file, config, rope=10000.0)
    bpe_keys(fixture.file, vocabulary, "<|begin_of_text|>", "<|end_of_text|>", "llama-bpe", add_bos=True)
    for theirs, ours in [("model.embed_tokens.weight", "token_embd"), ("lm_head.weight", "output")]:
        fixture.parameter(theirs, embedding(name, ours, (config.vocab_size, config.hidden_size)))
        fixture.file.f16(f"{ours}.weight", fixture.net.get_parameter(theirs).detach().numpy())
    for layer in range(2):
        fixture.norm(f"model.layers.{layer}.input_layernorm.weight", f"blk.{layer}.attn_norm")
        fixture.norm(f"model.layers.{layer}.post_attention_layernorm.weight", f"blk.{layer}.ffn_norm")
        for theirs, ours in MATRICES:
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(ours)
            fixture.linear(layer, theirs, ours, heads=heads)
    fixture.norm("model.norm.weight", "output_norm")
    fixture.save(name)
    tokenizer = bpe_tokenizer("llama-bpe", *vocabulary)
    golden(fixture, name, cases_of(fixture, tokenizer, len(vocabulary[0]), embeds=False, before=[256 + len(vocabulary[2])]), embeds=False)


def qwen3():
    name = "qwen3"
    vocabulary = bpe(QWEN_SPECIALS)
    config = transformers.Qwen3Config(
        vocab_size=len(vocabulary[0]), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, attn_implementation="eager")
    fixture = Fixture(name, name, transformers.Qwen3Model(config), 2)
    describe(fixture.file, config, rope=1000000.0)
    fixture.file.own("pooling_type", 3)
    end = vocabulary[0].index("<|endoftext|>")
    bpe_keys(fixture.file, vocabulary, "<|endoftext|>", "<|endoftext|>", "qwen2", add_bos=False, add_eos=True)
    fixture.parameter("embed_tokens.weight", embedding(name, "token_embd", (config.vocab_size, config.hidden_size)))
    fixture.file.f16("token_embd.weight", fixture.net.get_parameter("embed_tokens.weight").detach().numpy())
    for layer in range(2):
        at = f"layers.{layer}"
        fixture.norm(f"{at}.input_layernorm.weight", f"blk.{layer}.attn_norm")
        fixture.norm(f"{at}.self_attn.q_norm.weight", f"blk.{layer}.attn_q_norm")
        fixture.norm(f"{at}.self_attn.k_norm.weight", f"blk.{layer}.attn_k_norm")
        fixture.norm(f"{at}.post_attention_layernorm.weight", f"blk.{layer}.ffn_norm")
        for theirs, ours in MATRICES:
            fixture.linear(layer, theirs, ours, norm_in=True, eps=config.rms_norm_eps)
    fixture.norm("norm.weight", "output_norm")
    fixture.save(name)
    tokenizer = bpe_tokenizer("qwen2", *vocabulary)
    golden(fixture, name, cases_of(fixture, tokenizer, len(vocabulary[0]), embeds=True, after=[end]), embeds=True)


def gemma3():
    name = "gemma3"
    tokens, types, scores, merges = spm()
    # Six layers: the last is the first that sees the whole text. A window that the longest case is longer than.
    config = transformers.Gemma3TextConfig(
        vocab_size=len(tokens), hidden_size=128, intermediate_size=128, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=1, head_dim=64, query_pre_attn_scalar=64, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6,
        sliding_window=16, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh", attn_implementation="eager",
        layer_types=["sliding_attention"] * 5 + ["full_attention"],
        rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                         "full_attention": {"rope_type": "default", "rope_theta": 1000000.0}})
    fixture = Fixture(name, name, transformers.Gemma3TextModel(config), 6)
    describe(fixture.file, config, rope=1000000.0)
    fixture.file.own("attention.sliding_window", 16)
    fixture.file.own("pooling_type", 3)
    keys = {"model": "llama", "tokens": tokens, "scores": scores, "token_type": types, "bos_token_id": 2,
            "eos_token_id": 1, "unknown_token_id": 3, "padding_token_id": 0, "add_bos_token": True,
            "add_eos_token": True, "add_space_prefix": False}
    for key, value in keys.items():
        fixture.file.key(f"tokenizer.ggml.{key}", value)
    fixture.parameter("embed_tokens.weight", embedding(name, "token_embd", (config.vocab_size, config.hidden_size)))
    fixture.file.f16("token_embd.weight", fixture.net.get_parameter("embed_tokens.weight").detach().numpy())
    for layer in range(6):
        at = f"layers.{layer}"
        for theirs, ours in [("input_layernorm", "attn_norm"), ("self_attn.q_norm", "attn_q_norm"),
                             ("self_attn.k_norm", "attn_k_norm"), ("post_attention_layernorm", "post_attention_norm"),
                             ("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm")]:
            fixture.norm(f"{at}.{theirs}.weight", f"blk.{layer}.{ours}", shift=1.0)
        for theirs, ours in MATRICES:
            fixture.linear(layer, theirs, ours, norm_in=True, eps=config.rms_norm_eps)
    fixture.norm("norm.weight", "output_norm", shift=1.0)
    fixture.save(name)
    golden(fixture, name, cases_of(fixture, spm_tokenizer(tokens, merges), len(tokens), embeds=True, before=[2], after=[1]), embeds=True)


def main():
    torch.set_num_threads(1)
    print(versions())
    bitnet_b158()
    bitnet_silu()
    llama()
    qwen3()
    gemma3()


if __name__ == "__main__":
    main()
