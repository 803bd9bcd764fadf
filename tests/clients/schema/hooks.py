"""What schemathesis has to be told about this server.

An event stream is described by the JSON of its events; schemathesis would look for it beside an event's name and number.
A random name of a model ends each request at once: one that fits is put in its place. What does not end by itself is
given a limit.
"""

import schemathesis

DONE = {"enum": ["[DONE]"]}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                stream = response.get("content", {}).get("text/event-stream")
                if stream:
                    event = stream["schema"].get("items", stream["schema"])
                    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": event}
                    stream["schema"] = {
                        "type": "object", "required": ["data"], "properties": {"data": {"anyOf": [DONE, data]}},
                    }


MODELS = {
    "/v1/embeddings": "echo-embed", "/api/ocr": "echo-ocr", "/api/caption": "echo-caption", "/api/ner": "echo-ner",
    "/v1/ner": "echo-ner", "/v1/rerank": "echo-rerank", "/v2/rerank": "echo-rerank", "/rerank": "echo-rerank",
    "/v1/audio/transcriptions": "echo-speech", "/v1/audio/translations": "echo-speech",
}


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = MODELS.get(context.operation.path, "echo-pieces")
        for limit in ("max_tokens", "max_completion_tokens"):
            if isinstance(body.get(limit), (int, float)) and body[limit] > 100:
                body[limit] = 100
    return body
