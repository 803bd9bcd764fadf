"""Embeddings."""

import math

import openai
import pytest


def embed(client, input="the word", **fields):
    return client.embeddings.create(model="echo-embed", input=input, **fields)


def test_the_default_is_base64_on_the_wire_and_numbers_for_the_caller(client):
    raw = client.embeddings.with_raw_response.create(model="echo-embed", input="the word")
    assert '"embedding":"' in raw.text.replace(" ", ""), "this client asks for base64"
    vector = raw.parse().data[0].embedding
    assert len(vector) == 64 and math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert list(vector) == pytest.approx(list(embed(client, encoding_format="float").data[0].embedding), abs=1e-6)


def test_base64_may_be_kept(client):
    assert isinstance(embed(client, encoding_format="base64").data[0].embedding, str)


def test_several_inputs_keep_their_order(client):
    response = embed(client, ["the word", "hot water", "the word"])
    assert [entry.index for entry in response.data] == [0, 1, 2]
    assert list(response.data[0].embedding) == list(response.data[2].embedding) != list(response.data[1].embedding)
    assert response.usage.prompt_tokens == response.usage.total_tokens > 0


def test_dimensions(client):
    vector = embed(client, dimensions=16).data[0].embedding
    assert len(vector) == 16 and math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        embed(client, dimensions=8)


def test_token_ids(client):
    ids = client.post("/tokenize", cast_to=object, body={"model": "echo-embed", "content": "the word"})["tokens"]
    assert list(embed(client, ids).data[0].embedding) == list(embed(client).data[0].embedding)
    assert len(embed(client, [ids, ids]).data) == 2
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        embed(client, [9906, 1917])


def test_empty_input(client):
    for input in ("", [], ["a", ""]):
        with pytest.raises(openai.BadRequestError):
            embed(client, input)
