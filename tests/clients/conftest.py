"""Fixtures of all Python suites."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import support


@pytest.fixture(scope="session")
def url():
    """Address of the server under test, without a path."""
    return support.base_url()


@pytest.fixture
def spawn():
    """Starts further servers with other flags. Each must end cleanly."""
    servers = []

    def start(*flags):
        servers.append(support.Server(*flags))
        return servers[-1]

    yield start
    for server in servers:
        status = server.stop()
        assert status == 0, f"the server ended with {status}:\n{''.join(server.log)}"
