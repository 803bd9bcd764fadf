"""What the tests of all libraries share."""

from pydantic import BaseModel, Field

PIECES = "Hello from the echo engine: one, two, three."
QUESTION = "How is the weather in Zurich?"
SUNNY = "The weather in Zurich is sunny."
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(BaseModel, extra="forbid"):
    """A city. It is closed and has bounds, so that a model that would talk for ever can fill it."""

    name: str = Field(max_length=20)
    rivers: int = Field(ge=0, le=9)


# What echo says is what it was told: an answer of the wanted form, from the user's mouth.
CITY = City(name="Zurich", rivers=2)
TOLD = CITY.model_dump_json()
