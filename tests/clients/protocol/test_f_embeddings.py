"""F. Embeddings."""

import base64
import math
import struct

import pytest

from support import embed, tokens, words

TEXT = "the word is it"


def vector(exchange, index=0):
    assert exchange.status == 200, exchange
    return exchange.json["data"][index]["embedding"]


def length(values):
    return math.sqrt(sum(value * value for value in values))


def test_f74_base64_is_little_endian_f32():
    encoded = vector(embed(TEXT, encoding_format="base64"))
    assert isinstance(encoded, str)
    values = struct.unpack("<64f", base64.b64decode(encoded, validate=True))
    assert values == pytest.approx(vector(embed(TEXT, encoding_format="float")), abs=1e-7)


def test_f75_float_is_the_default():
    values = vector(embed(TEXT))
    assert len(values) == 64 and all(isinstance(value, float) for value in values)
    assert length(values) == pytest.approx(1, abs=1e-5)


def test_f75_another_format_is_refused():
    exchange = embed(TEXT, encoding_format="int8")
    assert exchange.status == 400 and exchange.error["param"] == "encoding_format", exchange


def test_f76_input_is_text_tokens_or_lists_of_them():
    ids = tokens(TEXT, "echo-embed")
    text = vector(embed(TEXT))
    for one in (TEXT, [TEXT], ids, [ids]):
        exchange = embed(one)
        assert vector(exchange) == text and len(exchange.json["data"]) == 1, exchange


def test_f76_token_ids_of_another_vocabulary_are_refused_with_the_remedy():
    # What LangChain sends by default: ids of OpenAI's own vocabulary.
    for foreign in ([9906, 1917, 11], [[9906, 1917], [100256]]):
        exchange = embed(foreign)
        assert exchange.status == 400 and exchange.error["param"] == "input", exchange
        assert "check_embedding_ctx_length=False" in exchange.error["message"], exchange


def test_f77_vectors_come_in_the_order_of_the_inputs():
    texts = ["the word", "hot water", "some of them", "the word"]
    exchange = embed(texts)
    data = exchange.json["data"]
    assert exchange.json["object"] == "list" and exchange.json["model"] == "echo-embed", exchange
    assert [entry["index"] for entry in data] == [0, 1, 2, 3], exchange
    assert all(entry["object"] == "embedding" for entry in data), exchange
    for index, text in enumerate(texts):
        assert vector(exchange, index) == vector(embed(text)), text


@pytest.mark.parametrize("input", ["", [], [""], ["a", ""], [[]], None, 5, {"text": "a"}, [["a"]], [1.5]])
def test_f77_empty_and_odd_inputs_are_400(input):
    exchange = embed(input)
    assert exchange.status == 400, exchange
    assert exchange.error["param"].startswith("input"), exchange


def test_f77_an_input_that_is_too_long_is_refused_with_both_numbers():
    exchange = embed(["short", words(600)])
    assert exchange.status == 400 and exchange.error["code"] == "context_length_exceeded", exchange
    assert "512 tokens" in exchange.error["message"] and "60" in exchange.error["message"], exchange


def test_f78_fewer_dimensions_are_cut_and_normalised_again():
    full, cut = vector(embed(TEXT)), vector(embed(TEXT, dimensions=16))
    assert len(cut) == 16 and length(cut) == pytest.approx(1, abs=1e-5)
    scale = length(full[:16])
    assert cut == pytest.approx([value / scale for value in full[:16]], abs=1e-5)
    assert vector(embed(TEXT, dimensions=64)) == full


@pytest.mark.parametrize("dimensions", [0, 1, 15, 65, 100_000, -1, 16.5, "16"])
def test_f78_other_dimensions_are_refused(dimensions):
    exchange = embed(TEXT, dimensions=dimensions)
    assert exchange.status == 400 and exchange.error["param"] == "dimensions", exchange


def test_f79_usage_counts_the_tokens_of_all_inputs():
    usage = embed(["the word", "hot"]).json["usage"]
    parts = [embed(text).json["usage"]["prompt_tokens"] for text in ("the word", "hot")]
    assert usage == {"prompt_tokens": sum(parts), "total_tokens": sum(parts)}


def test_f_texts_that_share_words_are_closer():
    near, far, text = (vector(embed(t)) for t in ("the word for it", "hot by from some", "the word for us"))
    similar = lambda other: sum(a * b for a, b in zip(text, other))
    assert similar(near) > similar(far)
