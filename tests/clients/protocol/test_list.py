"""README.md of this folder: all 108 checks are there, and every test that it names exists."""

import pathlib
import re

from support import ROOT

FOLDER = pathlib.Path(__file__).resolve().parents[1]
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)


def exists(path, name):
    """Whether a file has a test of that name. In Node one written for several providers has a pattern in its name."""
    file = ROOT / path if path.startswith("src/") else FOLDER / path
    text = file.read_text()
    if path.endswith(".mjs"):
        written = re.findall(r"^ *test\([\"`](.+)[\"`],", text, re.MULTILINE)
        written = [re.sub(r"\\\$\\\{\w+\\\}", ".+", re.escape(title)) for title in written]
        return any(re.fullmatch(title, name) for title in written)
    definition = rf"^(?:async )?fn {name}\(\) " if path.endswith(".rs") else rf"^def {name}\("
    attribute = r"^#\[(?:tokio::)?test(?:\(.*\))?\]\n" if path.endswith(".rs") else ""
    return re.search(attribute + definition, text, re.MULTILINE) is not None


def test_the_list_is_whole():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 109))


def test_every_check_has_a_test_or_the_reason_why_not():
    missing = []
    for number, _, asserted in ROWS:
        named = re.findall(r"`([^`]+?)::([^`]+)`", asserted)
        if not named:
            assert re.fullmatch(r"Not here: .+\.", asserted), f"{number}: {asserted}"
        missing += [f"{number}: {path}::{name}" for path, name in named if not exists(path, name)]
    assert not missing, "\n".join(missing)
