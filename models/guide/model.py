"""The network, in two forms of the same sizes whose parameter names are those
of Hugging Face: a small Llama (`LlamaForCausalLM`: RMSNorm, rotary positions,
SwiGLU, grouped-query attention, tied embeddings) and a BitNet b1.58
(`BitNetForCausalLM`: the same with ternary matrices, the squared ReLU and a
norm before the last matrix of each half of a layer)."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

import ternary


@dataclass
class Config:
    """Sizes. Every matrix is a multiple of 256 wide, as ternary kernels want."""

    vocab: int = 2048
    hidden: int = 256
    ffn: int = 768
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    context: int = 1024
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    dropout: float = 0.1
    ternary: bool = False

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


class Matrix(nn.Linear):
    """A matrix of a layer: plain, ternary in training, or ternary from a file."""

    def __init__(self, config: Config, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)
        self.ternary = config.ternary
        self.share = 1.0  # of the rounding, below 1 early in training
        self.fixed = False  # the weight has been rounded already

    def forward(self, x):
        if not self.ternary or self.fixed:
            return F.linear(x, self.weight)
        codes, scale = ternary.weight_codes(self.weight.detach())
        return F.linear(x, ternary.straight_through(self.weight, codes * scale, self.share))

    def round_input(self, x):
        """What the matrix is fed with; matrices with one input share it."""
        if not self.ternary:
            return x
        return ternary.straight_through(x, ternary.round_activations(x.detach().float()), self.share)


def norm(config: Config, width: int) -> nn.RMSNorm:
    return nn.RMSNorm(width, eps=config.norm_eps)


def extra_norm(config: Config, width: int) -> nn.Module:
    """The norms that only BitNet has."""
    return norm(config, width) if config.ternary else nn.Identity()


def rotary_tables(config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines for every position, halves repeated as Llama does."""
    steps = torch.arange(0, config.head_dim, 2).float() / config.head_dim
    angles = torch.outer(torch.arange(config.context).float(), config.rope_theta**-steps)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding over (batch, heads, time, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        kv = config.kv_heads * config.head_dim
        self.q_proj = Matrix(config, config.hidden, config.hidden)
        self.k_proj = Matrix(config, config.hidden, kv)
        self.v_proj = Matrix(config, config.hidden, kv)
        self.o_proj = Matrix(config, config.hidden, config.hidden)
        self.attn_sub_norm = extra_norm(config, config.hidden)

    def forward(self, x, cos, sin, future):
        c = self.config
        batch, time, _ = x.shape
        x = self.q_proj.round_input(x)
        q = self.q_proj(x).view(batch, time, c.heads, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        cos, sin = cos.to(q.dtype), sin.to(q.dtype)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(c.heads // c.kv_heads, dim=1) for t in (k, v))
        # Spelt out: for rows this short it is faster on a CPU than the fused kernel.
        scores = (q @ k.transpose(-1, -2) * c.head_dim**-0.5).masked_fill(future, float("-inf"))
        out = scores.softmax(dim=-1).to(v.dtype) @ v
        out = self.attn_sub_norm(out.transpose(1, 2).reshape(batch, time, c.hidden))
        return self.o_proj(self.o_proj.round_input(out))

    @torch.no_grad()
    def start_as_average(self, gain: float = 0.3):
        """Makes the output a projection of the values' mean: the words of a
        question reach the end of the prompt from the first step on."""
        c = self.config
        values = nn.init.orthogonal_(self.v_proj.weight)
        back = values.view(c.kv_heads, c.head_dim, c.hidden).repeat_interleave(c.heads // c.kv_heads, dim=0)
        self.o_proj.weight.copy_(back.reshape(c.hidden, c.hidden).T * gain * c.kv_heads / c.heads)
        self.q_proj.weight.mul_(0.5)
        self.k_proj.weight.mul_(0.5)


class FeedForward(nn.Module):
    """SwiGLU, or BitNet's gate with the squared ReLU."""

    def __init__(self, config: Config):
        super().__init__()
        self.gate_proj = Matrix(config, config.hidden, config.ffn)
        self.up_proj = Matrix(config, config.hidden, config.ffn)
        self.down_proj = Matrix(config, config.ffn, config.hidden)
        self.ffn_sub_norm = extra_norm(config, config.ffn)
        self.gate = (lambda x: F.relu(x).square()) if config.ternary else F.silu

    def forward(self, x):
        x = self.gate_proj.round_input(x)
        inner = self.ffn_sub_norm(self.gate(self.gate_proj(x)) * self.up_proj(x))
        return self.down_proj(self.down_proj.round_input(inner))


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and a residual."""

    def __init__(self, config: Config):
        super().__init__()
        self.input_layernorm = norm(config, config.hidden)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = norm(config, config.hidden)
        self.mlp = FeedForward(config)

    def forward(self, x, cos, sin, future):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, future)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """Embedding, layers and last norm: ids in, hidden states out."""

    def __init__(self, config: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.config = config
        self.norm = norm(config, config.hidden)
        cos, sin = rotary_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids, noise: torch.Generator | None = None):
        """`noise` draws the dropout of the embedding; without it there is none."""
        time = ids.shape[1]
        cos, sin = self.cos[:time], self.sin[:time]
        future = torch.ones(time, time, dtype=torch.bool).triu(1)
        x = self.embed_tokens(ids)
        if noise is not None:
            keep = 1 - self.config.dropout
            x = x * torch.empty_like(x).bernoulli_(keep, generator=noise) / keep
        for layer in self.layers:
            x = layer(x, cos, sin, future)
        return self.norm(x)


class Guide(nn.Module):
    """The language model, with a helper head that exists in training only.

    The helper names the corpus entry from the last position of a prompt. It
    makes the model settle what was asked before it writes the first word."""

    def __init__(self, config: Config, entries: int):
        super().__init__()
        self.config = config
        self.model = Body(config)
        self.topic = nn.Linear(config.hidden, entries)
        self.apply(self._init)
        self.matrices = [m for m in self.modules() if isinstance(m, Matrix)]
        deep = (2 * config.layers) ** -0.5
        for layer in self.model.layers:
            layer.mlp.down_proj.weight.data.mul_(deep)
            layer.self_attn.start_as_average()

    @staticmethod
    def _init(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.04)

    def logits(self, hidden):
        """Next-token scores; the output matrix is the embedding."""
        return F.linear(hidden, self.model.embed_tokens.weight)

    def exported(self) -> dict[str, torch.Tensor]:
        """The tensors of the language model alone, under their public names."""
        return {k: v for k, v in self.state_dict().items() if k.startswith("model.")}
