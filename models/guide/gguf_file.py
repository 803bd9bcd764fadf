"""Reads a GGUF file: values, and tensors as numpy arrays in float32; an I2_S
tensor becomes a pair (codes, scale). The gguf package reads no file with I2_S."""

import struct
from pathlib import Path

import numpy as np

import ternary

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
F32, F16, Q8_0 = 0, 1, 8


class _Bytes:
    """A place in the file that moves on as values are read."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def scalar(self, code: str):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def string(self) -> str:
        size = self.scalar("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8")

    def value(self, kind: int):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, count = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(count)]
        return self.scalar(SCALARS[kind])


def _tensor(data: bytes, at: int, kind: int, shape: tuple[int, ...]):
    count = int(np.prod(shape))
    if kind == F32:
        return np.frombuffer(data, "<f4", count, at).reshape(shape)
    if kind == F16:
        return np.frombuffer(data, "<f2", count, at).reshape(shape).astype(np.float32)
    if kind == Q8_0:
        blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("codes", "i1", 32)]), count // 32, at)
        return (blocks["scale"].astype(np.float32)[:, None] * blocks["codes"]).reshape(shape)
    if kind == ternary.I2_S:
        return ternary.unpack(np.frombuffer(data, np.uint8, count // 4 + 32, at), *shape)
    raise ValueError(f"tensor type {kind} is not read here")


def load(path: Path) -> tuple[dict, dict]:
    """Values by key, tensors by name, the largest dimension of a shape first as numpy has it."""
    f = _Bytes(path.read_bytes())
    if f.scalar("I") != 0x46554747 or f.scalar("I") != 3:
        raise ValueError(f"{path} is no GGUF file of version 3")
    tensors, values = f.scalar("Q"), f.scalar("Q")
    keys = {}
    for _ in range(values):
        key = f.string()
        keys[key] = f.value(f.scalar("I"))
    infos = []
    for _ in range(tensors):
        name = f.string()
        shape = tuple(f.scalar("Q") for _ in range(f.scalar("I")))[::-1]
        infos.append((name, shape, f.scalar("I"), f.scalar("Q")))
    align = keys.get("general.alignment", 32)
    start = -(-f.at // align) * align
    return keys, {name: _tensor(f.data, start + offset, kind, shape) for name, shape, kind, offset in infos}
