"""The tokenizer (byte-level BPE with GPT-2's splitting) and the chat format."""

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = [END_OF_TEXT, IM_START, IM_END]  # ids 0, 1, 2
PAD_ID, IM_END_ID = 0, 2

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train_tokenizer(texts: list[str], vocab: int) -> Tokenizer:
    """A byte-level BPE of exactly `vocab` entries, special tokens first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise ValueError(f"the corpus yields only {tokenizer.get_vocab_size()} tokens")
    return tokenizer


def encode_loosely(tokenizer: Tokenizer, text: str, chance: float, rng: random.Random) -> list[int]:
    """Token ids with words broken at random letters, so that the model sees
    them in pieces and copes with misspelt ones. (The library's own dropout of
    merges takes no seed.)"""
    pieces, begin = [], 0
    for at in range(1, len(text)):
        if text[at - 1].isalnum() and text[at].isalnum() and rng.random() < chance:
            pieces.append(text[begin:at])
            begin = at
    pieces.append(text[begin:])
    return [i for piece in tokenizer.encode_batch(pieces) for i in piece.ids]


def turn(role: str, content: str) -> str:
    """One message as the chat template writes it."""
    return f"{IM_START}{role}\n{content}{IM_END}\n"


ASSISTANT = f"{IM_START}assistant\n"  # after it the answer begins


def prompt(question: str) -> str:
    """A user's question up to where the answer begins."""
    return turn("user", question) + ASSISTANT
