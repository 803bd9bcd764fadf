"""The list of models."""

import openai
import pytest


def test_the_list(client):
    models = {model.id: model for model in client.models.list()}
    assert {"tern-guide", "echo", "echo-embed"} <= set(models)
    assert models["echo"].object == "model" and models["echo"].created >= 0
    assert models["echo-tiny"].context_length == 64


def test_one_model(client):
    model = client.models.retrieve("tern-guide")
    assert model.id == "tern-guide" and model.capabilities and model.context_length > 0
    with pytest.raises(openai.NotFoundError, match="nobody/nothing"):
        client.models.retrieve("nobody/nothing")
