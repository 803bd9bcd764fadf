#!/usr/bin/env python3
"""Runs the official clients of OpenAI, Anthropic and Ollama, the libraries above them, and checks of the bare protocol and
of the description, against the real server. README.md beside this file says which check is asserted where.

    make clients                                  everything
    .venv/bin/python tests/clients/run.py node    one suite: protocol, python3, python2, dialects, others, node, readme,
                                                  schema, lint
    .venv/bin/python tests/clients/run.py protocol -k b30
                                                  what follows the suite's name goes to pytest (node --test, schemathesis,
                                                  redocly)
    TERN_URL=http://... TERN_BINARY=...           test a running server, another binary

The server runs on the echo engine, on a free port, with a data directory of its own, and must end with status 0.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import support

HERE = pathlib.Path(__file__).resolve().parent
VENV = support.ROOT / ".venv"
# Failing asserts show the whole exchange; nothing is written beside the tests.
PYTEST = [
    "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "verbosity_assertions=2", "--rootdir", str(HERE),
]
# The same requests in every run, of each kind that the description allows or forbids. Nothing is asked of the network.
SCHEMATHESIS = [
    "--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--generation-deterministic",
    "--workers", "2", "--request-timeout", "30", "--continue-on-failure", "--no-color", "--warnings", "off",
    "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    "--exclude-path-regex", "/pull$",
]
REDOCLY = HERE / "node" / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"
DESCRIPTION = support.ROOT / "openapi" / "openapi.json"


def suites(url):
    """Of each its name, its command, and what the command is about, which stands behind its options."""
    openai3 = str(VENV / "bin" / "python")
    openai2 = str(VENV / "openai2" / "bin" / "python")
    others = VENV / "others" / "bin"
    node = sorted((HERE / "node").glob("*.test.mjs"))
    return {
        "protocol": ([openai3, *PYTEST], [HERE / "protocol"]),
        "python3": ([openai3, *PYTEST], [HERE / "python"]),
        "python2": ([openai2, *PYTEST], [HERE / "python"]),
        "dialects": ([openai3, *PYTEST], [HERE / "dialects"]),
        "others": ([str(others / "python"), *PYTEST], [HERE / "others"]),
        "node": (["node", "--test"], node),
        "readme": ([openai3, *PYTEST], [HERE / "readme"]),
        "schema": ([str(others / "schemathesis"), "run", *SCHEMATHESIS], [f"{url}/openapi.json"]),
        "lint": (["node", str(REDOCLY), "lint", "--config", str(HERE / "schema" / "redocly.yaml")], [DESCRIPTION]),
    }


def main():
    names, rest = list(suites("")), []
    if len(sys.argv) > 1:
        name, *rest = sys.argv[1:]
        if name not in names:
            sys.exit(f"no suite \"{name}\"; there are {', '.join(names)}")
        names = [name]
    environment = dict(os.environ)
    server = None
    if "TERN_URL" not in environment:
        if not support.binary().exists():
            sys.exit(f"{support.binary()} is missing: cargo build --release --bin tern")
        server = support.Server()
        environment["TERN_URL"] = server.url
    # No client may be led elsewhere by a developer's settings, and none may send anything about itself.
    others = ("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_", "LITELLM_", "SCHEMATHESIS_", "REDOCLY_")
    environment = {key: value for key, value in environment.items() if not key.startswith(others)}
    environment |= {
        "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
        "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE / "schema"), "PYTHONDONTWRITEBYTECODE": "1",
    }
    commands = suites(environment["TERN_URL"])
    results = []
    for name in names:
        command, about = commands[name]
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        # What a client keeps between runs goes with the folder it runs in.
        with tempfile.TemporaryDirectory(prefix="tern-suite-") as folder:
            status = subprocess.run([*command, *rest, *about], env=environment, cwd=folder).returncode
        results.append((name, status, time.monotonic() - started))
        if server and server.process.poll() is not None:
            print(f"the server ended with {server.process.returncode} during {name}")
            break
    if server:
        ended = server.process.poll()
        status = server.stop() if ended is None else f"{ended}, by itself"
        results.append(("SIGTERM ends the server with status 0", status, 0.0))
        if any(status != 0 for _, status, _ in results):
            print(f"\nlast lines of the server:\n{''.join(server.log[-40:])}")
    print()
    for name, status, seconds in results:
        print(f"{'ok    ' if status == 0 else 'FAILED'} {name} ({seconds:.0f} s)" + (f": {status}" if status != 0 else ""))
    sys.exit(any(status != 0 for _, status, _ in results))


if __name__ == "__main__":
    main()
