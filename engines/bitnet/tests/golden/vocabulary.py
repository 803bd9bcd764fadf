"""Two small vocabularies, and the tokenizers library over them to say which tokens a text has."""
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

# Patterns of the models that are named so in `tokenizer.ggml.pre`.
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PATTERNS = {"llama-bpe": LLAMA3, "qwen2": QWEN2}

WORDS = ["the", " the", " a", "in", "er", "on", "hello", " world", "or", "ing", "12", "an", " and", " of", "is"]


def byte_alphabet():
    """GPT-2's spelling of the 256 bytes as printable characters."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


def merges_of(words, alphabet):
    """Merges that build each word from its left end, each once, in the order of the words."""
    merges = {}
    for word in words:
        left = alphabet(word[0])
        for character in word[1:]:
            merges.setdefault((left, alphabet(character)))
            left += alphabet(character)
    return list(merges)


def bpe(specials):
    """Byte-level BPE: tokens, types, merges."""
    alphabet = byte_alphabet()
    merges = merges_of(WORDS, lambda character: alphabet[ord(character)])
    tokens = alphabet + [left + right for left, right in merges]
    return tokens + specials, [NORMAL] * len(tokens) + [CONTROL] * len(specials), merges


def bpe_tokenizer(pre, tokens, types, merges):
    vocabulary = {token: number for number, token in enumerate(tokens)}
    # `ignore_merges`: a piece that is a token is taken whole, as Llama 3 does.
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERNS[pre]), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, types) if kind == CONTROL])
    return tokenizer


def spm():
    """A SentencePiece vocabulary with a token for every byte: tokens, types, scores, merges. A space is U+2581."""
    space = "\u2581"
    spell = lambda character: space if character == " " else character
    merges = merges_of(WORDS, spell)
    characters = sorted({spell(character) for word in WORDS for character in word})
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    octets = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = [left + right for left, right in merges]
    tokens = specials + octets + pieces + characters
    types = [CONTROL] * 3 + [UNKNOWN] + [BYTE] * 256 + [NORMAL] * (len(pieces) + len(characters))
    # A piece is joined in the order of its score: that of its merge, counted down. Characters are joined from nothing.
    scores = [0.0] * 260 + [-float(rank) for rank in range(len(pieces))] + [-1000.0] * len(characters)
    return tokens, types, scores, merges


def spm_tokenizer(tokens, merges):
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True,
                                                byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.add_special_tokens(tokens[:4])
    return tokenizer
