"""BitNet b1.58's arithmetic, and how its matrices lie in a GGUF file (I2_S).

A weight is -1, 0 or 1 times the scale of its matrix, the mean of the absolute
weights. An activation is a whole number from -128 to 127 times the scale of
its token. `python ternary.py` checks the packing against a worked example."""

import numpy as np
import torch

I2_S = 36  # ggml type id of bitnet.cpp; not in the gguf package
FILE_TYPE_I2_S = 40
LEAST = 1e-5


def weight_codes(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The codes -1, 0 and 1 of a matrix, and its scale."""
    scale = weight.abs().mean().clamp(min=LEAST)
    return (weight / scale).round().clamp(-1, 1), scale


def round_activations(x: torch.Tensor) -> torch.Tensor:
    """Each token's values rounded to 8 bits of its largest; `round` takes halves to even."""
    scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST)
    return (x * scale).round().clamp(-128, 127) / scale


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, rounded):
        return rounded

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def straight_through(x: torch.Tensor, rounded: torch.Tensor, share: float) -> torch.Tensor:
    """`rounded` going forward, `x` for the gradient; a `share` below 1 mixes the two."""
    rounded = rounded.detach().to(x.dtype)
    return _StraightThrough.apply(x, rounded if share == 1 else torch.lerp(x.detach(), rounded, share))


def pack(codes: np.ndarray, scale: float) -> np.ndarray:
    """The bytes of an I2_S tensor: 128 codes in 32 bytes, the first 32 of them
    in the highest bits, then the scale as f32 and 28 zero bytes."""
    quarters = (codes.astype(np.int8) + 1).astype(np.uint8).reshape(-1, 4, 32)
    data = quarters[:, 0] << 6 | quarters[:, 1] << 4 | quarters[:, 2] << 2 | quarters[:, 3]
    tail = np.zeros(32, np.uint8)
    tail[:4] = np.frombuffer(np.float32(scale).tobytes(), np.uint8)
    return np.concatenate([data.reshape(-1), tail])


def unpack(data: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.float32]:
    """Codes and scale of an I2_S tensor."""
    count = rows * columns // 4
    groups = data[:count].reshape(-1, 1, 32) >> np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1) & 3
    scale = np.frombuffer(data[count : count + 4].tobytes(), "<f4")[0]
    return groups.reshape(rows, columns).astype(np.int8) - 1, scale


def check() -> None:
    """The example of the format's description."""
    row = np.zeros((1, 256), np.int8)
    row[0, [0, 33, 66, 99, 255]] = 1
    row[0, [1, 128]] = -1
    want = bytes.fromhex("95255956") + b"\x55" * 28 + b"\x15" + b"\x55" * 30 + b"\x56" + bytes.fromhex("0000003f") + bytes(28)
    data = pack(row, 0.5)
    assert data.tobytes() == want, data.tobytes().hex(" ")
    codes, scale = unpack(data, 1, 256)
    assert (codes == row).all() and scale == 0.5
    print("I2_S packing agrees with the worked example")


if __name__ == "__main__":
    check()
