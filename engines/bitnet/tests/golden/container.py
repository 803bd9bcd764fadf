"""Writes GGUF files by hand, because the gguf package knows no I2_S (type 36) and cannot write it."""
import struct

import numpy as np

F32, F16, I2_S = 0, 1, 36
ALIGNMENT = 32


def i2_s(codes, scale):
    """Packs a matrix of -1, 0, +1: blocks of 128 of the flat tensor in 32 bytes, byte j holding j, j+32, j+64, j+96 from
    the highest bits down, then the scale as a little-endian float and 28 zero bytes."""
    fields = (codes.reshape(-1, 4, 32) + 1).astype(np.uint8)
    packed = fields[:, 0] << 6 | fields[:, 1] << 4 | fields[:, 2] << 2 | fields[:, 3]
    return packed.tobytes() + struct.pack("<f", scale) + bytes(28)


class File:
    def __init__(self, architecture):
        self.keys, self.tensors, self.architecture = [], [], architecture
        self.key("general.architecture", architecture)

    def key(self, name, value):
        self.keys.append((name, value))

    def own(self, name, value):
        self.key(f"{self.architecture}.{name}", value)

    def f32(self, name, values):
        values = np.ascontiguousarray(values, np.float32)
        self.tensors.append((name, values.shape[::-1], F32, values.tobytes()))

    def f16(self, name, values):
        values = np.ascontiguousarray(values, np.float32)
        halves = values.astype(np.float16)
        assert (halves.astype(np.float32) == values).all(), f"{name}: values that F16 cannot hold"
        self.tensors.append((name, values.shape[::-1], F16, halves.tobytes()))

    def i2_s(self, name, codes, scale):
        self.tensors.append((name, codes.shape[::-1], I2_S, i2_s(codes, scale)))

    def write(self, path):
        out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.keys)))
        for name, value in self.keys:
            out += string(name) + typed(value)
        data = bytearray()
        for name, shape, kind, content in self.tensors:
            out += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
            out += struct.pack("<IQ", kind, len(data))
            data += content + bytes(-len(content) % ALIGNMENT)
        out += bytes(-len(out) % ALIGNMENT)
        path.write_bytes(out + data)
        return len(out) + len(data)


def string(text):
    text = text.encode()
    return struct.pack("<Q", len(text)) + text


def typed(value):
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + string(value)
    head = struct.pack("<I", 9)
    if isinstance(value[0], str):
        return head + struct.pack("<IQ", 8, len(value)) + b"".join(string(text) for text in value)
    if isinstance(value[0], int):
        return head + struct.pack(f"<IQ{len(value)}i", 5, len(value), *value)
    return head + struct.pack(f"<IQ{len(value)}f", 6, len(value), *value)
