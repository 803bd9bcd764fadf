#!/usr/bin/env python3
"""Makes the small vocabularies of this folder, and what the original implementations make of some texts.

    python engines/tokenizer/tests/golden/make.py     (needs tokenizers and sentencepiece; prints their versions)

bpe.json   a byte-level vocabulary trained by `tokenizers` and, for each way of dividing words, its ids of every text.
           The patterns here are those of the models' own tokenizer.json, with look-ahead.
spm.json   a vocabulary trained by `sentencepiece`, with byte fallback, and its ids with and without a space before.
guide.json ids of every text in the vocabulary of models/guide.

The same versions give the same bytes, as long as the READMEs that the vocabularies are trained on are the same.
"""
import io
import json
import pathlib

import sentencepiece
import tokenizers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[3]

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\n\n\n", "\t\n", " \n \n  x", "Hello, world!", "  Hello   world  ",
    "It's what we'd SAY: they'LL, I'M, you'Ve; o'clock", "1 22 333 4444 55555 1,234,567.89", "a1b22c333d4444",
    "fn main() { println!(\"{}\", a[0] && b); } // 100 %\r\n\r\n    return x**2;\r\n", "http://example.org/a?b=c&d=~e_f#g",
    "Grüße aus Zürich, œuvre, naïve café", "e\u0301 combining \ufb01 ligature \u200d joiner \ufeff mark",
    "日本語のテキスト、中文，한국어 文字列", "العربية עברית हिन्दी ไทย", "👨‍👩‍👧‍👦 🇨🇭 👍🏽 🏳️‍🌈", "кто там?! — «никто»",
    "\U0010ffff\u0001\u007f\u0000end", "a\u00a0b\u2003c\u3000d \u00a0 e", "½ ¾ Ⅳ ² ٣٤٥ १२३", "$+<=>^~|` punctuation... !!! ???",
    "the tern flies over the water and the water is cold " * 4, "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "▁ under ▁▁ score",
    "<0x0A> </s> <s> <unk>", "x \n\n\n y \t\t z",
]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
LLAMA3 = CONTRACTIONS + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FALCON = r"[\p{P}$+<=>^~|`]+"
# The ways of dividing words: the patterns, one after the other.
PRE = {
    "gpt-2": [GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [FALCON, GPT2, r"[0-9][0-9][0-9]"],
    "falcon_e": [FALCON, GPT2, r"[0-9]"],
    "default": [r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3],
}
WHOLE_WORDS = ["llama-bpe"]


def corpus():
    """Prose and code of this repository, and what the texts have in other scripts."""
    paths = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "engines/README.md", ROOT / "engines/gguf/README.md"]
    return [path.read_text() for path in paths] + TEXTS * 8


def divider(patterns):
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = divider([r" ?\S+|\s+"])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, show_progress=False)
    )
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    # Whole words that no merges give: the ways differ in whether they are found.
    vocab = dict(model["vocab"])
    for word in ["Ġterns", "Ġwonder", "Hello"]:
        if word not in vocab:
            vocab[word] = len(vocab)
    ids = {}
    for name, patterns in PRE.items():
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=name in WHOLE_WORDS))
        tokenizer.pre_tokenizer = divider(patterns)
        ids[name] = [tokenizer.encode(text).ids for text in TEXTS]
    tokens = sorted(vocab, key=vocab.get)
    return {"tokens": tokens, "merges": [" ".join(pair) for pair in merges], "ids": ids}


def spm():
    result = {}
    for name, prefix in [("space before", True), ("no space before", False)]:
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in corpus() for line in text.split("\n") if line and "\0" not in line),
            model_writer=out, model_type="bpe", vocab_size=900, byte_fallback=True, add_dummy_prefix=prefix,
            normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.99,
            split_digits=True, num_threads=1, minloglevel=2, allow_whitespace_only_pieces=True,
        )
        model = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
        numbers = range(model.get_piece_size())
        kinds = [2 if model.is_unknown(n) else 3 if model.is_control(n) else 6 if model.is_byte(n) else 1 for n in numbers]
        result[name] = {
            "tokens": [model.id_to_piece(n) for n in numbers],
            "scores": [model.get_score(n) for n in numbers],
            "kinds": kinds,
            "ids": [model.encode(text) for text in TEXTS],
        }
    return result


def guide():
    tokenizer = Tokenizer.from_file(str(ROOT / "models/guide/safetensors/tokenizer.json"))
    return {"ids": [tokenizer.encode(text).ids for text in TEXTS]}


def write(name, data):
    versions = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__}
    data = {"made_by": "engines/tokenizer/tests/golden/make.py", **versions, "texts": TEXTS, **data}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (HERE / name).write_text(text + "\n")
    print(name, len(text.encode()), versions)


write("bpe.json", bpe())
write("spm.json", spm())
write("guide.json", guide())
