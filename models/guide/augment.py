"""Changes a question the way another person might have typed it."""

import random
import re

STOP_WORDS = set(
    "a an the is are am be do does did can could would should i me my it its this that to of in on "
    "for with by from at and or if there what which how who when where why will shall may might so "
    "you your we us our any some please just have has get".split()
)

SYNONYMS = [
    ["how do i", "how can i", "how to", "how would i", "how does one", "how could i", "how should i",
     "what is the way to", "what do i do to", "i want to", "i need to", "i would like to", "is there a way to",
     "what's the way to", "best way to", "show me how to", "tell me how to", "explain how to", "steps to",
     "can i", "help me"],
    ["what is", "what's", "whats", "explain", "what does it mean", "define", "tell me about", "describe"],
    ["what are", "list", "which are", "tell me", "show"],
    ["what does", "what will", "explain what"],
    ["where is", "where's", "where can i find", "where do i find", "location of", "where are"],
    ["does tern", "can tern", "will tern", "is tern able to"],
    ["is there", "do you have", "does it have", "is there any", "does tern have"],
    ["change", "set", "modify", "adjust", "configure", "alter"],
    ["start", "run", "launch"],
    ["stop", "quit", "end", "terminate"],
    ["remove", "delete", "get rid of"],
    ["use", "using", "make use of"],
    ["see", "view", "show", "check", "look at", "find out"],
    ["support", "handle", "work with"],
    ["folder", "directory", "dir"],
    ["maximum", "max", "largest", "biggest", "upper limit of"],
    ["option", "flag", "switch", "setting", "argument"],
    ["error", "failure", "problem"],
    ["download", "fetch", "get"],
    ["computer", "machine", "pc", "laptop"],
    ["need", "require"],
    ["environment variable", "env var", "env variable"],
    ["documentation", "docs"],
    ["request", "call"],
    ["default", "standard"],
    ["several", "multiple", "many", "more than one"],
    ["quick", "fast"],
    ["allowed", "permitted"],
    ["make", "create", "produce"],
    ["why is", "why's", "how come", "what is the reason"],
    ["mean", "stand for", "signify"],
    ["tokens", "token"], ["models", "model"], ["requests", "request"], ["clients", "client"],
    ["doesn't", "does not", "doesnt"], ["don't", "do not", "dont"], ["can't", "cannot", "cant"],
]

PREFIXES = [
    "please ", "hey, ", "hi, ", "hello, ", "hi! ", "hey ", "ok, ", "ok so ", "so ", "and ", "um ", "well, ",
    "can you tell me ", "could you tell me ", "please tell me ", "tell me ", "quick question: ",
    "question: ", "i was wondering ", "do you know ", "i'd like to know ", "i want to know ", "help: ",
    "sorry, ", "one more thing, ", "now ", "also ", "in short, ", "for tern: ", "tern: ", "about tern: ",
    "newbie question: ", "hi there, ", "can you explain ", "i am new here. ", "just curious, ",
]
SUFFIXES = [
    " please", ", please", " pls", " thanks", ", thanks", " thank you", "? thanks!", " in tern", " with tern",
    " for tern", " here", " exactly", " on my machine", " again", " by the way", " then", "? i am new to this",
    " anyway", ", any idea?", ", do you know?", " asap", " if possible", " in short", " on linux", " with this server",
]
FRAMES = [
    "what is {}", "what's {}", "explain {}", "what does {} mean", "meaning of {}", "tell me about {}", "about {}",
    "how does {} work", "{} explained", "what about {}", "i have a question about {}", "help with {}",
    "describe {}", "what does {} do", "what is {} for", "explain the term {}", "explain the word {}", "define {}",
    "what is the role of {}", "what is meant by {}", "the purpose of {}", "what should i know about {}",
    "information on {}", "can you say something about {}", "why is there {}", "{} in tern", "what happens with {}",
]
FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)(?: [A-Z=]+)?")
FLAG_FORMS = ["--{}", "the {} flag", "{} flag", "the --{} flag", "the {} option", "the option --{}", "flag {}", "the flag --{}"]
NOT_SUBJECTS = set(
    "hi hey hello bye goodbye thanks thx thank ok okay cool good great see yes no run use start stop serve set change "
    "enable disable list show limit put give switch delete remove repeat pull download install build make count raise "
    "load unload add fetch restart erase shrink cap keep pin bypass ban attach name tell say are am who man just ty yo "
    "howdy hallo hiya morning ciao cu sup greetings farewell welcome cheers perfect nice much take have talk".split()
)
KEYBOARD = {a: b for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for a, b in zip(row, row[1:] + row[-2])}

_GROUPS = {phrase: group for group in SYNONYMS for phrase in group}
_SYNONYM = re.compile(
    r"(?<![\w`-])(" + "|".join(sorted(map(re.escape, _GROUPS), key=len, reverse=True)) + r")(?![\w`-])", re.I
)


def _content(words: list[str]) -> list[int]:
    """Positions of the words that carry the topic."""
    return [i for i, w in enumerate(words) if w.lower().strip("?.,!:'`\"") not in STOP_WORDS | {"tern", ""}]


def _synonyms(text: str, chance: float, rng: random.Random) -> str:
    def swap(match: re.Match) -> str:
        if rng.random() >= chance:
            return match[0]
        return rng.choice(_GROUPS[match[0].lower()])

    return _SYNONYM.sub(swap, text)


def _typo(word: str, rng: random.Random) -> str:
    """One slip of the fingers."""
    i = rng.randrange(len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1] + word[i] + word[i + 2:]
    if kind == 1:
        return word[:i] + word[i + 1:]
    if kind == 2:
        return word[:i] + word[i] + word[i:]
    return word[:i] + KEYBOARD.get(word[i].lower(), word[i]) + word[i + 1:]


def _framed(text: str, rng: random.Random) -> str:
    """A bare subject ("grace period") put into a sentence; flags named in another way."""
    first = text.split()[0].lower().strip("!.,")
    if len(text.split()) <= 3 and first not in STOP_WORDS | NOT_SUBJECTS and not text.endswith("?"):
        if rng.random() < 0.5:
            text = rng.choice(FRAMES).format(rng.choice(("", "", "the ")) + text)
    if rng.random() < 0.5:
        text = FLAG.sub(lambda match: rng.choice(FLAG_FORMS).format(match[1]), text)
    return text


def _words(words: list[str], rng: random.Random, on_topic: bool) -> list[str]:
    """Drops, swaps and misspells words; keeps at least two that carry the topic."""
    content = _content(words)
    roll = rng.random()
    if len(content) >= 2 and roll < 0.45:
        chance = 1.0 if roll < 0.12 else 0.35
        keep = set(content)
        words = [w for i, w in enumerate(words) if i in keep or w.lower() == "tern" or rng.random() >= chance]
        content = _content(words)
    if on_topic and len(content) >= 2 and rng.random() < 0.25:
        words = [w for w in words if w.lower() != "tern"]
        content = _content(words)
    if len(content) >= 4 and rng.random() < 0.15:
        del words[rng.choice(content)]
    if len(words) >= 3 and rng.random() < 0.12:
        i = rng.randrange(len(words) - 1)
        words[i], words[i + 1] = words[i + 1], words[i]
    elif len(words) >= 3 and rng.random() < 0.06:
        rng.shuffle(words)
    if rng.random() < 0.18:
        for _ in range(rng.choice((1, 1, 2))):
            i = rng.randrange(len(words))
            if len(words[i]) >= 4:
                words[i] = _typo(words[i], rng)
    return words


def _case(text: str, rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.45:
        return text.lower()
    if roll < 0.48:
        return text.upper()
    if roll < 0.51:
        return text.title()
    if roll < 0.70:
        return text[:1].upper() + text[1:]
    return text


def _punctuation(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        text = text.replace("`", "").replace('"', "")
    if rng.random() < 0.12:
        text = text.replace("--", " ").replace("-", " ").replace("_", " ")
    elif rng.random() < 0.05:
        text = text.replace("-", "").replace("_", "")
    if rng.random() < 0.1:
        text = text.replace("'", "").replace(",", "")
    roll = rng.random()
    if roll < 0.5:
        text = text.rstrip("?.! ")
    elif roll < 0.75:
        text = text.rstrip("?.! ") + rng.choice(("?", "?", "?", ".", "??", " ?", "!", "...", "?!"))
    return text


def augment(question: str, others: list[str], rng: random.Random, on_topic: bool = True) -> str:
    """A new phrasing of `question`; `others` are phrasings with the same answer."""
    if rng.random() < 0.12:
        return question
    text = question
    if on_topic:
        text = _framed(text, rng)
    if rng.random() < 0.5:
        text = _synonyms(text, 0.5, rng)
    text = " ".join(_words(text.split(), rng, on_topic)) or question
    if on_topic and rng.random() < 0.06:
        text = text.rstrip("?.! ") + rng.choice((". ", "? ", ", ", " - ", " ")) + rng.choice(others)
    if rng.random() < 0.18:
        text = rng.choice(PREFIXES) + text[:1].lower() + text[1:]
    if rng.random() < 0.15:
        text = text.rstrip("?.! ") + rng.choice(SUFFIXES)
    text = " ".join(_punctuation(_case(text, rng), rng).split())
    return text or question
