"""Writes tests/whisper: a tiny random Whisper as a Hugging Face folder, and golden.json, what transformers computes with it.

Run with transformers 5.23.0, torch 2.15.0, tokenizers 0.23: python whisper_golden.py
"""

import json
import math
import pathlib

import numpy
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers.generation.logits_process import (
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
)
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

FOLDER = pathlib.Path(__file__).parent / "whisper"
SECONDS = 2
SEED = 10


def samples():
    """Two seconds of a gliding tone with a pause; the last frames are silent, so that no padding is heard."""
    at = numpy.arange(SECONDS * 16000, dtype=numpy.float64)
    tone = 0.3 * numpy.sin(at * 0.05 + 3.0 * numpy.sin(at * 0.0007))
    return numpy.where((at % 8000 < 6000) & (at < 31000), tone, 0.0).astype(numpy.float32)


def tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: index for index, piece in enumerate(alphabet)}
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    built = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    names = ["endoftext", "startoftranscript", "en", "de", "fr", "translate", "transcribe", "startoflm", "startofprev",
             "nospeech", "notimestamps"]
    built.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in names])
    built.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", special=False) for step in range(SECONDS * 50 + 1)])
    return built


def greedy(model, features, opening):
    """One window, with transformers' own rules; `generate` would go on with what follows the last pair of timestamps."""
    generation = model.generation_config
    generation._detect_timestamp_from_logprob = True
    rules = [
        SuppressTokensLogitsProcessor(generation.suppress_tokens),
        SuppressTokensAtBeginLogitsProcessor(generation.begin_suppress_tokens, len(opening)),
        WhisperTimeStampLogitsProcessor(generation, begin_index=len(opening)),
    ]
    tokens = torch.tensor([opening])
    while tokens.shape[1] < len(opening) + 32:
        with torch.no_grad():
            scores = model(features, decoder_input_ids=tokens).logits[:, -1]
        for rule in rules:
            scores = rule(tokens, scores)
        token = scores.argmax(-1, keepdim=True)
        if token.item() == generation.eos_token_id:
            break
        tokens = torch.cat([tokens, token], dim=1)
    return tokens[0, len(opening):].tolist()


def main():
    FOLDER.mkdir(exist_ok=True)
    words = tokenizer()
    words.save(str(FOLDER / "tokenizer.json"))
    of = lambda name: words.token_to_id(f"<|{name}|>")
    torch.manual_seed(SEED)
    config = WhisperConfig(
        vocab_size=words.get_vocab_size(), num_mel_bins=80, d_model=16, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        max_source_positions=SECONDS * 50, max_target_positions=64, init_std=0.4,
        bos_token_id=of("endoftext"), eos_token_id=of("endoftext"), pad_token_id=of("endoftext"),
        decoder_start_token_id=of("startoftranscript"), suppress_tokens=None, begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + 0.05 * torch.randn_like(parameter))
    generation = model.generation_config
    generation.no_timestamps_token_id = of("notimestamps")
    generation.lang_to_id = {f"<|{code}|>": of(code) for code in ("en", "de", "fr")}
    generation.task_to_id = {name: of(name) for name in ("translate", "transcribe")}
    generation.is_multilingual = True
    generation.max_initial_timestamp_index = 50
    generation.prev_sot_token_id = of("startofprev")
    generation.alignment_heads = [[0, 1], [1, 0]]
    space, hash_ = (words.token_to_id(piece) for piece in ("Ġ", "#"))
    generation.begin_suppress_tokens = [space, of("endoftext")]
    generation.suppress_tokens = sorted([hash_] + [of(name) for name in
                                                   ("startoftranscript", "translate", "transcribe", "startoflm",
                                                    "startofprev", "nospeech")])
    generation.max_length = 64
    model.save_pretrained(FOLDER)
    audio = samples()
    golden = {}
    for bands in (80, 128):
        extract = WhisperFeatureExtractor(feature_size=bands, chunk_length=SECONDS)
        mel = extract(audio, sampling_rate=16000, return_tensors="pt").input_features
        golden[f"mel{bands}"] = {at: mel[0, :, at].tolist() for at in (0, 1, 7, 50, 123, 198, 199)}
        if bands == 80:
            features = mel
    forced = [of("startoftranscript"), of("en"), of("transcribe"), of("notimestamps") + 1] + words.encode(" the hat").ids
    with torch.no_grad():
        heard = model.model.encoder(features).last_hidden_state[0]
        logits = model(features, decoder_input_ids=torch.tensor([forced])).logits[0]
    golden["encoder"] = {at: heard[at].tolist() for at in (0, 1, 50, 98, 99)}
    golden["forced"] = forced
    golden["logits"] = {at: logits[at].tolist() for at in (0, 3, len(forced) - 1)}
    golden["generated"] = greedy(model, features, forced[:3])
    language = model.detect_language(features)
    golden["language"] = int(language[0])
    (FOLDER / "golden.json").write_text(json.dumps(rounded(golden), indent=None) + "\n")


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


main()
