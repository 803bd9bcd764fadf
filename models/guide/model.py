"""The network: a small Llama (RMSNorm, rotary positions, SwiGLU, grouped-query
attention, tied embeddings) whose parameter names are those of Hugging Face's
`LlamaForCausalLM`, so that a checkpoint loads there unchanged."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


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

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


def linear(inputs: int, outputs: int) -> nn.Linear:
    """The one place where the matrices of a block are made."""
    return nn.Linear(inputs, outputs, bias=False)


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
        self.q_proj = linear(config.hidden, config.hidden)
        self.k_proj = linear(config.hidden, kv)
        self.v_proj = linear(config.hidden, kv)
        self.o_proj = linear(config.hidden, config.hidden)

    def forward(self, x, cos, sin, future):
        c = self.config
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, c.heads, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        cos, sin = cos.to(q.dtype), sin.to(q.dtype)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(c.heads // c.kv_heads, dim=1) for t in (k, v))
        # Spelt out: for rows this short it is faster on a CPU than the fused kernel.
        scores = (q @ k.transpose(-1, -2) * c.head_dim**-0.5).masked_fill(future, float("-inf"))
        out = scores.softmax(dim=-1).to(v.dtype) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, time, c.hidden))


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
    """SwiGLU."""

    def __init__(self, config: Config):
        super().__init__()
        self.gate_proj = linear(config.hidden, config.ffn)
        self.up_proj = linear(config.hidden, config.ffn)
        self.down_proj = linear(config.ffn, config.hidden)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and a residual."""

    def __init__(self, config: Config):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
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
        self.norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        cos, sin = rotary_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids):
        time = ids.shape[1]
        cos, sin = self.cos[:time], self.sin[:time]
        future = torch.ones(time, time, dtype=torch.bool).triu(1)
        x = self.dropout(self.embed_tokens(ids))
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
