"""Libraries that speak OpenAI's API for other people's programs. They may ask nobody but the server, for prices,
vocabularies or anything else, and send nothing about themselves."""

import os
import socket
import urllib.parse

import pytest

# Read when the libraries are imported.
os.environ.update({
    "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
})

HERE = ("127.0.0.1", "localhost", "::1", urllib.parse.urlsplit(os.environ["TERN_URL"]).hostname)
look_up, others = socket.getaddrinfo, []


def seen(host, *parameters, **options):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in HERE:
        others.append(name)
    return look_up(host, *parameters, **options)


socket.getaddrinfo = seen


@pytest.fixture(autouse=True)
def nobody_else_is_asked():
    yield
    assert not others, f"asked: {set(others)}"
