#!/usr/bin/env python3
"""Makes blocks.gguf: random blocks of every type that tern-gguf reads, and the values that the gguf package reads in them.

    python engines/gguf/tests/blocks/make.py       (needs gguf, numpy)

For each type T: tensor `T` with two rows of 256 values in random bytes (halves in them replaced by sensible ones), and
`T.values` in F32. For the types that the package also makes from values: `made.T`, made of `values`. For the ternary
types `codes`, `TQ1_0.made` and `TQ2_0.made`: the same ternary matrix under the scale 0.75.
"""
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type, quants

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "bitnet/tests/golden"))
from container import File  # noqa: E402

SEED = 20261124
ROWS, COLUMNS = 2, 256
# Where halves stand in a block.
HALVES = {Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q2_K: [80, 82],
          Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.TQ1_0: [52], Type.TQ2_0: [64]}


def main():
    draw = np.random.default_rng(SEED)
    out = File("golden")
    out.key("golden.made_by", "engines/gguf/tests/blocks/make.py")
    out.key("golden.versions", f"gguf {gguf.__version__ if hasattr(gguf, '__version__') else '0.19.0'}, numpy {np.__version__}")

    def add(name, kind, data):
        out.tensors.append((name, (COLUMNS, ROWS), kind.value, data.tobytes()))

    for kind, places in HALVES.items():
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = draw.integers(0, 256, (ROWS * COLUMNS // values, size), dtype=np.uint8)
        for place in places:
            halves = draw.uniform(-2, 2, len(blocks)).astype(np.float16)
            blocks[:, place:place + 2] = halves.view(np.uint8).reshape(-1, 2)
        rows = blocks.reshape(ROWS, -1)
        add(kind.name, kind, rows)
        out.f32(f"{kind.name}.values", quants.dequantize(rows, kind))

    values = (draw.standard_normal((ROWS, COLUMNS)) * np.exp(draw.uniform(-9, 9, (ROWS, COLUMNS)))).astype(np.float32)
    out.f32("values", values)
    add("made.F16", Type.F16, values.astype(np.float16))
    for kind in (Type.Q8_0, Type.BF16):
        add(f"made.{kind.name}", kind, quants.quantize(values, kind))

    codes = draw.integers(-1, 2, (ROWS, COLUMNS)).astype(np.float32)
    out.f32("codes", codes)
    for kind in (Type.TQ1_0, Type.TQ2_0):
        add(f"{kind.name}.made", kind, quants.quantize(0.75 * codes, kind))
    print(out.write(HERE / "blocks.gguf"), "bytes")


main()
