"""What the tests of both major versions of openai-python share."""

PIECES = "Hello from the echo engine: one, two, three."
# echo-stall takes 50 ms for each 16 tokens of a prompt, and a comment is due after 10 s.
PREFILL_12_S = 16 * 240


def user(content):
    return [{"role": "user", "content": content}]
