#!/usr/bin/env python3
"""Times names, vectors, speech and full-precision text on Tern and on transformers, on the same random models of real shapes.

Usage: scripts/bench-tasks.py [ner] [vectors] [speech] [text]     (all of them by default)

Needs torch and transformers; `make bench` runs it if `.venv/bench` has them:
    python3 -m venv .venv/bench && .venv/bench/bin/pip install torch transformers
Models are written once, into target/bench-models. Each figure is the best of several rounds, those of the two taking turns,
so that a busy minute hits both.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MODELS = TARGET / "bench-models"
THREADS = len(os.sched_getaffinity(0))
ROUNDS = 5
SENTENCES = 256


def sentences(count, seed=1):
    """Of 8 to 40 words that are tokens."""
    draw = numpy.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in draw.integers(0, 20_000, draw.integers(8, 40))) for _ in range(count)]


def word_pieces(folder):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(30_517)]
    built = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer(lowercase=False)
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece()
    built.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    built.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=built, model_max_length=512, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )
    fast.save_pretrained(folder)


def bytes_and_fillers(size):
    """A byte-level tokenizer of `size` tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: index for index, piece in enumerate(alphabet)}
    for index in range(len(vocabulary), size):
        vocabulary[f"Ġw{index}"] = index
    built = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    return built


def bert_ner(folder):
    config = transformers.BertConfig(
        vocab_size=30_522, num_labels=9,
        id2label=dict(enumerate(["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"])),
    )
    transformers.BertForTokenClassification(config).save_pretrained(folder)
    word_pieces(folder)


def minilm(folder):
    config = transformers.BertConfig(
        vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    transformers.BertModel(config).save_pretrained(folder)
    word_pieces(folder)
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def whisper_base(folder):
    """It says a fixed sequence of words, whatever it hears, and is sure of each: what stands at a position says which token
    comes next. So both sides decode the same number of tokens, and neither tries again."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    words = bytes_and_fillers(50_257)
    codes = list(LANGUAGES)[:99]
    names = ["endoftext", "startoftranscript", *codes, "translate", "transcribe", "startoflm", "startofprev", "nospeech",
             "notimestamps"]
    words.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in names])
    words.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", special=False) for step in range(1501)])
    of = lambda name: words.token_to_id(f"<|{name}|>")
    config = transformers.WhisperConfig(
        vocab_size=words.get_vocab_size(), d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, bos_token_id=of("endoftext"),
        eos_token_id=of("endoftext"), pad_token_id=of("endoftext"), decoder_start_token_id=of("startoftranscript"),
        suppress_tokens=None, begin_suppress_tokens=None,
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    decoder = model.model.decoder
    said = numpy.random.default_rng(3).integers(300, 50_000, 448)
    with torch.no_grad():
        decoder.embed_tokens.weight.normal_(std=0.06)
        decoder.embed_positions.weight.copy_(40 * decoder.embed_tokens.weight[torch.from_numpy(said)])
    generation = model.generation_config
    generation.no_timestamps_token_id = of("notimestamps")
    generation.lang_to_id = {f"<|{code}|>": of(code) for code in codes}
    generation.task_to_id = {name: of(name) for name in ("translate", "transcribe")}
    generation.is_multilingual = True
    generation.prev_sot_token_id = of("startofprev")
    generation.suppress_tokens = generation.begin_suppress_tokens = None
    # One that came from the config is made anew from it when the model is loaded, without the languages.
    generation._from_model_config = False
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))


def qwen(folder):
    config = transformers.Qwen2Config(
        vocab_size=151_936, hidden_size=896, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
        intermediate_size=4864, max_position_embeddings=32_768, tie_word_embeddings=True, rope_theta=1e6,
    )
    transformers.Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    words = bytes_and_fillers(151_643)
    words.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in ("endoftext", "im_start", "im_end")])
    words.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))


def folder_of(name, write):
    folder = MODELS / name
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(1)
        write(folder)
        (folder / "complete").write_text("")
    return folder


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def example(name, *arguments):
    return cargo("run", "--release", "--quiet", "-p", "tern-candle", "--example", name, "--", *map(str, arguments))


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(what, wanted, ours, theirs):
    """Both give seconds."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        best = [min(best[0], ours()), min(best[1], theirs())]
    print(f"| {what} | {best[0]:.3f} s | {best[1]:.3f} s | {best[1] / best[0]:.2f}x | {wanted}x |", flush=True)


def seconds_in(text):
    return float(re.search(r"([0-9.]+) s, ", text)[1])


def in_batches(model, tokenizer, lines, use, size=32):
    """As pipelines do it: sorted by length, so that little is padded."""
    lines = sorted(lines, key=len)
    with torch.inference_mode():
        for at in range(0, len(lines), size):
            batch = tokenizer(lines[at : at + size], padding=True, truncation=True, return_tensors="pt")
            use(model(**batch), batch)


def text_file(count):
    path = MODELS / f"sentences-{count}.txt"
    path.write_text("\n".join(sentences(count)) + "\n")
    return path


def ner():
    folder = folder_of("bert-base-ner", bert_ner)
    lines, path = sentences(64), text_file(64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    rival = lambda: timed(lambda: in_batches(model, tokenizer, lines, lambda out, _: out.logits.softmax(-1).max(-1)))
    compare("BERT-base, names in 64 sentences", 1.5, lambda: seconds_in(example("encoders", folder, path, 3)), rival)


def vectors():
    folder = folder_of("minilm", minilm)
    lines, path = sentences(SENTENCES), text_file(SENTENCES)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def mean(out, batch):
        mask = batch["attention_mask"].unsqueeze(-1)
        pooled = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
        torch.nn.functional.normalize(pooled, dim=-1)

    rival = lambda: timed(lambda: in_batches(model, tokenizer, lines, mean))
    ours = lambda: seconds_in(example("encoders", folder, path, 3))
    compare(f"MiniLM, vectors of {SENTENCES} sentences", 2, ours, rival)


def speech():
    folder = folder_of("whisper-base", whisper_base)
    at = numpy.arange(30 * 16_000) / 16_000
    audio = (0.3 * numpy.sin(2 * numpy.pi * 220 * at + 3 * numpy.sin(7 * at))).astype(numpy.float32)
    (MODELS / "tone.f32").write_bytes(audio.tobytes())
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    extract = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    tokens = []

    def theirs():
        features = extract(audio, sampling_rate=16_000, return_tensors="pt").input_features
        with torch.inference_mode():
            out = model.generate(features, language="en", task="transcribe", max_new_tokens=223, do_sample=False,
                                 return_timestamps=False)
        tokens.append(out.shape[-1])

    def ours():
        said = example("whisper", folder, MODELS / "tone.f32", "en")
        found = re.search(r"(\d+) tokens, .* in ([0-9.]+) s", said)
        assert int(found[1]) >= 200, said
        return float(found[2])

    compare("Whisper-base, 30 s of sound, about 220 tokens", 1.2, ours, lambda: timed(theirs))


def text():
    folder = folder_of("qwen2.5-0.5b", qwen)
    model = transformers.Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = torch.arange(300, 332).unsqueeze(0)

    def theirs():
        """Seconds of 32 tokens behind the prompt."""
        with torch.inference_mode():
            out = model(prompt, use_cache=True)
            cache, token = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
            began = time.perf_counter()
            for _ in range(32):
                out = model(token, past_key_values=cache, use_cache=True)
                cache, token = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
            return time.perf_counter() - began

    def ours():
        tern = TARGET / "release/tern"
        said = subprocess.run(
            [tern, "bench", folder, "--prompt-tokens", "32", "--generate", "32", "--runs", "2", "--batch", "1", "--json"],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout
        return 32 / json.loads(said)["report"]["decode"][0]["tokens_per_second"]["max"]

    compare("Qwen2.5-0.5B, 32 tokens", 2, ours, theirs)


def main():
    torch.set_num_threads(THREADS)
    transformers.logging.set_verbosity_error()
    MODELS.mkdir(parents=True, exist_ok=True)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, float32, {THREADS} threads; best of {ROUNDS}\n")
    print("| what | Tern | transformers | ratio | goal |\n|---|---|---|---|---|", flush=True)
    tasks = {"ner": ner, "vectors": vectors, "speech": speech, "text": text}
    for name in sys.argv[1:] or tasks:
        tasks[name]()


main()
