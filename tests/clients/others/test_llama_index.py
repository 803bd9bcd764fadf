"""LlamaIndex with its class for OpenAI-compatible servers."""

import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

from helpers import CITY, PIECES, QUESTION, SUNNY, TOLD, City


@pytest.fixture
def llm(url):
    def make(model="echo-pieces", **fields):
        options = {"temperature": 0, "max_retries": 0, "is_chat_model": True, "context_window": 8192, **fields}
        options.setdefault("is_function_calling_model", True)
        return OpenAILike(model=model, api_base=f"{url}/v1", api_key="none", **options)

    return make


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


WEATHER = FunctionTool.from_defaults(get_weather)
USER = [ChatMessage(role="user", content="hi")]


def test_an_answer(llm):
    answer = llm().chat([ChatMessage(role="system", content="Be brief."), *USER])
    assert answer.message.content == PIECES and answer.raw.choices[0].finish_reason == "stop"
    assert llm().complete("hi").text == PIECES
    assert llm("echo", is_chat_model=False, max_tokens=50).complete("say").text == "say"


def test_a_stream(llm):
    parts = list(llm().stream_chat(USER))
    assert "".join(part.delta or "" for part in parts) == PIECES
    assert parts[-1].message.content == PIECES


@pytest.mark.parametrize("model, calls", [("echo-tools", 1), ("echo-tools-two", 2), ("echo-tools-deepseek", 2)])
def test_calls_whole_and_streamed(llm, model, calls):
    asked = {"tools": [WEATHER], "user_msg": QUESTION, "allow_parallel_tool_calls": True}
    whole = llm(model).chat_with_tools(**asked)
    streamed = list(llm(model).stream_chat_with_tools(**asked))[-1]
    read = lambda answer: [
        (call.tool_name, call.tool_kwargs) for call in llm(model).get_tool_calls_from_response(answer)
    ]
    assert read(whole) == read(streamed) and len(read(whole)) == calls


def test_a_tool_is_run_and_its_result_read(llm):
    model = llm("echo-tools")
    answer = model.predict_and_call([WEATHER], user_msg=QUESTION)
    assert answer.response == "sunny in Zurich"
    call = model.chat_with_tools([WEATHER], user_msg=QUESTION)
    [chosen] = model.get_tool_calls_from_response(call)
    result = ChatMessage(role="tool", content="sunny", additional_kwargs={"tool_call_id": chosen.tool_id})
    end = model.chat_with_tools([WEATHER], chat_history=[ChatMessage(role="user", content=QUESTION), call.message, result])
    assert end.message.content == SUNNY


def test_an_object(llm):
    read = llm("echo", should_use_structured_outputs=True).as_structured_llm(City).complete(TOLD)
    assert read.raw == CITY
    called = llm(max_tokens=400).as_structured_llm(City).complete("hi")
    assert isinstance(called.raw, City)


def test_errors(llm):
    with pytest.raises(openai.NotFoundError, match="nobody"):
        llm("nobody").chat(USER)
    with pytest.raises(openai.BadRequestError, match="top_p is 2"):
        llm(additional_kwargs={"top_p": 2}).chat(USER)
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tokens"):
        llm("echo-tiny").chat([ChatMessage(role="user", content=" the" * 100)])
    with pytest.raises(openai.InternalServerError):
        llm("echo-error").chat(USER)
    with pytest.raises(openai.APIError, match="echo-error"):
        list(llm("echo-error").stream_chat(USER))


def test_the_built_in_model_answers(llm):
    answer = llm("tern-guide", max_tokens=200).chat([ChatMessage(role="user", content="What is Tern?")])
    assert "Tern" in answer.message.content
