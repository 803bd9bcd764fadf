"""Clients of other APIs as users make them, but for retries: an error must be seen, not repeated."""

import anthropic
import ollama
import pytest


def pytest_report_header():
    return f"anthropic {anthropic.__version__}"


@pytest.fixture
def claude(url):
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def llama(url):
    return ollama.Client(host=url)
