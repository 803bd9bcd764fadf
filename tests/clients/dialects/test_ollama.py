"""Ollama's API with its Python client."""

import ollama
import pydantic
import pytest

PIECES = "Hello from the echo engine: one, two, three."
OPTIONS = {"temperature": 0}


def ask(llama, content="hi", model="echo-pieces", **fields):
    return llama.chat(model=model, messages=[{"role": "user", "content": content}], **{"options": OPTIONS, **fields})


def get_weather(city: str) -> str:
    """
    The weather of a city.

    Args:
        city: The city.
    """
    return f"sunny in {city}"


def test_a_dialogue(llama):
    answer = ask(llama)
    assert answer.message.content == PIECES and answer.message.role == "assistant"
    assert answer.done and answer.done_reason == "stop" and answer.model == "echo-pieces"
    assert answer.eval_count > 10 and answer.prompt_eval_count > 0
    assert answer.total_duration >= answer.eval_duration
    assert answer.created_at.endswith("Z")
    assert ask(llama, options={**OPTIONS, "num_predict": 3}).done_reason == "length"


def test_a_stream(llama):
    parts = list(ask(llama, stream=True))
    assert "".join(part.message.content for part in parts) == PIECES
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]


def test_thinking(llama):
    answer = ask(llama, model="echo-reasoning", think=True)
    assert answer.message.thinking.strip() == "The user wants a sum: 2 + 2."
    assert answer.message.content == "The answer is 4."


def test_a_text(llama):
    text = llama.generate(model="echo-pieces", prompt="hi", system="Be brief.", options=OPTIONS)
    assert text.response == PIECES
    parts = list(llama.generate(model="echo", prompt="as it is", raw=True, stream=True, options=OPTIONS))
    assert "".join(part.response for part in parts) == "as it is"


def test_tools(llama):
    question = [{"role": "user", "content": "How is the weather in Zurich?"}]
    for answer in (
        llama.chat(model="echo-tools", messages=question, tools=[get_weather], options=OPTIONS),
        [part for part in llama.chat(
            model="echo-tools", messages=question, tools=[get_weather], options=OPTIONS, stream=True,
        ) if part.message.tool_calls][0],
    ):
        [call] = answer.message.tool_calls
        assert call.function.name == "get_weather" and call.function.arguments == {"city": "Zurich"}
    result = {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.function.arguments)}
    end = llama.chat(
        model="echo-tools", messages=[*question, answer.message, result], tools=[get_weather], options=OPTIONS,
    )
    assert end.message.content == "The weather in Zurich is sunny." and not end.message.tool_calls


def test_an_object(llama):
    class City(pydantic.BaseModel, extra="forbid"):
        name: str = pydantic.Field(max_length=20)
        rivers: int = pydantic.Field(ge=0, le=9)

    fields = {"format": City.model_json_schema(), "options": {**OPTIONS, "num_predict": 400}}
    answer = ask(llama, **fields).message.content
    City.model_validate_json(answer)
    assert "".join(part.message.content for part in ask(llama, stream=True, **fields)) == answer
    assert ask(llama, '{"a": 1}', model="echo", format="json").message.content == '{"a": 1}'


def test_models(llama):
    names = [model.model for model in llama.list().models]
    assert "tern-guide:latest" in names and "echo-tiny:latest" in names
    shown = llama.show("tern-guide")
    assert "completion" in shown.capabilities and shown.template and shown.details.parameter_size
    assert any(key.endswith(".context_length") for key in shown.modelinfo)
    ask(llama, model="echo-tiny")
    running = {model.model: model for model in llama.ps().models}["echo-tiny:latest"]
    assert running.expires_at.year >= 2024 and running.context_length == 64
    assert llama.generate(model="echo-tiny", keep_alive=0).done_reason == "unload"
    assert "echo-tiny:latest" not in [model.model for model in llama.ps().models]
    assert llama.generate(model="echo-tiny:latest").done_reason == "load"


def test_vectors(llama):
    answer = llama.embed(model="echo-embed", input=["the word", "hot"])
    assert [len(vector) for vector in answer.embeddings] == [64, 64]
    assert list(llama.embeddings(model="echo-embed", prompt="hot").embedding) == list(answer.embeddings[1])


def test_errors(llama):
    def refused(status, call, **fields):
        with pytest.raises(ollama.ResponseError) as error:
            answer = call(**fields)
            list(answer) if fields.get("stream") else None
        assert error.value.status_code == status, error.value
        return error.value.error

    assert "nobody" in refused(404, llama.generate, model="nobody", prompt="hi")
    assert "top_p" in refused(400, llama.generate, model="echo", prompt="hi", options={"top_p": 2})
    refused(500, llama.generate, model="echo-error", prompt="hi", options=OPTIONS)
    # In a stream there is no status any more.
    assert refused(-1, llama.generate, model="echo-error", prompt="hi", options=OPTIONS, stream=True)
    refused(404, llama.show, model="nobody")
    refused(404, llama.pull, model="qwen-nobody")
    assert "OFFLINE" in refused(-1, llama.pull, model="qwen2.5:0.5b", stream=True)
    refused(404, llama.delete, model="nobody")


def test_the_built_in_model_answers(llama):
    answer = ask(llama, "What is Tern?", model="tern-guide:latest", options={**OPTIONS, "num_predict": 200})
    assert "Tern" in answer.message.content and answer.done_reason == "stop"
