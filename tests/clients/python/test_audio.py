"""Speech to text."""

import io
import struct
import wave

import openai
import pytest


def recording(seconds=2):
    """A WAV file at 16 kHz, half as loud as can be."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(struct.pack("<h", 16384) * 16000 * seconds)
    return ("memo.wav", out.getvalue())


def transcribe(client, **fields):
    return client.audio.transcriptions.create(model="echo-speech", file=recording(), **fields)


def test_the_text_and_the_seconds(client):
    answer = transcribe(client)
    assert answer.text == "loud 50 loud 50"
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 2)


def test_verbose_json_has_segments_and_words(client):
    answer = transcribe(client, response_format="verbose_json", timestamp_granularities=["word", "segment"], language="de")
    assert (answer.language, answer.duration) == ("german", 2)
    assert [(segment.start, segment.end) for segment in answer.segments] == [(0, 1), (1, 2)]
    assert [word.word for word in answer.words] == ["loud", "50", "loud", "50"]


@pytest.mark.parametrize("form,begins", [("text", "loud"), ("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT\n\n")])
def test_other_formats_are_text(client, form, begins):
    assert str(transcribe(client, response_format=form)).startswith(begins)


def test_a_stream_has_deltas_and_the_whole(client):
    events = list(transcribe(client, stream=True, include=["logprobs"], chunking_strategy="auto"))
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert events[-1].usage.total_tokens == events[-1].usage.input_tokens + events[-1].usage.output_tokens


def test_translations(client):
    answer = client.audio.translations.create(model="echo-speech", file=recording())
    assert answer.text == "translated 50 translated 50"


def test_what_is_no_recording_is_refused(client):
    with pytest.raises(openai.BadRequestError, match="not a recording"):
        client.audio.transcriptions.create(model="echo-speech", file=("a.wav", b"no sound"))
