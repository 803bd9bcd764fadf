"""LangChain's ChatOpenAI and OpenAIEmbeddings."""

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from helpers import CITY, PIECES, QUESTION, SUNNY, TOLD, TOOL, City


@pytest.fixture
def chat(url):
    def make(model="echo-pieces", **fields):
        options = {"temperature": 0, "max_retries": 0, **fields}
        return ChatOpenAI(model=model, base_url=f"{url}/v1", api_key="none", **options)

    return make


def whole(stream):
    """A stream put together as the library does it."""
    parts = list(stream)
    message = parts[0]
    for part in parts[1:]:
        message += part
    return message


def test_an_answer(chat):
    answer = chat().invoke([SystemMessage("Be brief."), HumanMessage("hi")])
    assert answer.content == PIECES and answer.response_metadata["finish_reason"] == "stop"
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert chat(max_tokens=3).invoke("hi").response_metadata["finish_reason"] == "length"
    assert chat("echo").batch(["one", "two", "three"])[2].content == "three"


def test_a_stream_is_the_answer_and_counts_once(chat):
    answer = chat(stream_usage=True).invoke("hi")
    streamed = whole(chat(stream_usage=True).stream("hi"))
    assert streamed.content == PIECES and streamed.response_metadata["finish_reason"] == "stop"
    assert streamed.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]


@pytest.mark.parametrize("model, calls", [("echo-tools", 1), ("echo-tools-two", 2), ("echo-tools-mistral", 2)])
def test_calls_whole_and_streamed(chat, model, calls):
    bound = chat(model).bind_tools([TOOL])
    answer, streamed = bound.invoke(QUESTION), whole(bound.stream(QUESTION))
    read = lambda message: [(call["name"], call["args"]) for call in message.tool_calls]
    assert read(answer) == read(streamed) and len(read(answer)) == calls
    assert not answer.invalid_tool_calls and not streamed.invalid_tool_calls
    assert len({call["id"] for call in streamed.tool_calls}) == calls
    assert streamed.response_metadata["finish_reason"] == "tool_calls"


def test_a_round_with_a_result(chat):
    bound = chat("echo-tools").bind_tools([TOOL])
    call = bound.invoke(QUESTION)
    result = ToolMessage("sunny", tool_call_id=call.tool_calls[0]["id"])
    assert bound.invoke([HumanMessage(QUESTION), call, result]).content == SUNNY


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_an_object_is_read(chat, method):
    assert chat("echo").with_structured_output(City, method=method).invoke(TOLD) == CITY


def test_an_object_is_called_for(chat):
    # The model would talk; it must call the tool that stands for the form.
    answer = chat("echo-pieces", max_tokens=400).with_structured_output(City, method="function_calling", strict=True).invoke("hi")
    assert isinstance(answer, City)


def test_vectors(url):
    # Without the first option the library sends token ids of another vocabulary, and looks for them on the network.
    embeddings = OpenAIEmbeddings(
        model="echo-embed", base_url=f"{url}/v1", api_key="none", check_embedding_ctx_length=False, max_retries=0,
    )
    vectors = embeddings.embed_documents(["the word", "hot"])
    assert [len(vector) for vector in vectors] == [64, 64] and embeddings.embed_query("hot") == vectors[1]


def test_errors(chat):
    with pytest.raises(openai.NotFoundError, match="nobody"):
        chat("nobody").invoke("hi")
    with pytest.raises(openai.BadRequestError, match="top_p is 2"):
        chat(top_p=2).invoke("hi")
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tokens"):
        chat("echo-tiny").invoke(" the" * 100)
    with pytest.raises(openai.InternalServerError):
        chat("echo-error").invoke("hi")
    with pytest.raises(openai.APIError, match="echo-error"):
        list(chat("echo-error").stream("hi"))


def test_the_built_in_model_answers(chat):
    assert "Tern" in chat("tern-guide", max_tokens=200).invoke("What is Tern?").content
