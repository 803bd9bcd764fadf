"""The Python and Node programs of README.md do what they are there to show: the built-in model answers."""

import pathlib
import re
import subprocess
import sys

import pytest

from support import PATIENCE, ROOT

PAGE = (ROOT / "README.md").read_text()


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no {language} block"
    return found


@pytest.mark.parametrize("program", blocks("python"))
def test_a_python_program_prints_an_answer(url, program):
    program = program.replace("http://127.0.0.1:8080", url)
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert printed.returncode == 0 and "Tern" in printed.stdout, printed


@pytest.mark.parametrize("program", blocks("js"))
def test_a_node_program_prints_an_answer(url, program):
    # Beside the packages it imports.
    folder = pathlib.Path(__file__).resolve().parents[1] / "node"
    program = program.replace("http://127.0.0.1:8080", url)
    command = ["node", "--input-type=module", "-"]
    printed = subprocess.run(command, cwd=folder, input=program, capture_output=True, text=True, timeout=PATIENCE)
    assert printed.returncode == 0 and "Tern" in printed.stdout, printed
