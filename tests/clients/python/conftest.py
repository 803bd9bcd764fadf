"""A client as a user makes one, but for retries: an error must be seen, not repeated."""

import os
import sys

import openai
import pytest

sys.path.insert(0, os.path.dirname(__file__))


def pytest_report_header():
    return f"openai-python {openai.__version__}"


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def async_client(url):
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
