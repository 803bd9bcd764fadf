"""Sentences with their entities: (text, [(start, end, group), ...]), offsets in characters."""

import random
import re
from pathlib import Path

import templates
from names import GROUP, Chain, Names, takes_article

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "guide/corpus"
# Words that are no names, as often as the guide's questions and answers have them.
COMMON = sorted(word for path in CORPUS.glob("*.qa") for word in re.findall(r"(?<= )[a-z]{2,}(?= )", path.read_text("utf-8")))
GROUPS = ["MISC", "PER", "ORG", "LOC"]
SLOT = re.compile(r"\{([A-Za-z_0-9]+)(?:\.(\w+))?(?::(\d))?(\?)?\}")
BETWEEN = re.compile(r"(?<!\w)[a-z]+(?!\w)")
ARTICLE = re.compile(r"(^|[\s(\"])an? $", re.I)
# After these words no "the" is put before a name.
NO_THE = re.compile(r"(?:^|\W)(the|an?|his|her|my|our|their|its|your|this|that|every|no|each|all|'s|\d|[a-z]+ern|young|old|late) $", re.I)


def _read(name):
    return [line for line in (HERE / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _grammar():
    """(words, verbs, rules) of grammar.txt."""
    kinds, current = {"%": {}, "&": {}, "=": {}}, None
    for line in _read("grammar.txt"):
        if line[:2] in ("% ", "& ", "= "):
            current = kinds[line[0]].setdefault(line[2:], [])
        elif current is not None:
            current.append(line)
    words = {name: [word.replace("_", " ") for word in " ".join(lines).split()] for name, lines in kinds["%"].items()}
    verbs = {name: [_forms(verb) for verb in " ".join(lines).split()] for name, lines in kinds["&"].items()}
    rules = {}
    for name, lines in kinds["="].items():
        forms = rules[name] = []
        for line in lines:
            times, form = re.match(r"(?:(\d+)\|)?(.*)", line).groups()
            forms += [_parse(form)] * int(times or 1)
    return words, verbs, rules


def _forms(verb):
    """Infinitive, past, participle, third person, -ing form."""
    given = [form.replace("+", " ") for form in verb.split(":")]
    head, _, rest = given[0].partition(" ")
    rest = rest and " " + rest
    if len(given) == 1:
        past = head + "d" if head[-1] == "e" else head[:-1] + "ied" if re.search(r"[^aeiou]y$", head) else head + "ed"
        given = [given[0], past + rest, past + rest]
    third = head + "es" if re.search(r"(s|sh|ch|x|z|o)$", head) else head[:-1] + "ies" if re.search(r"[^aeiou]y$",
        head) else head + "s"
    third = {"be": "is", "have": "has"}.get(head, third)
    ing = head[:-1] + "ing" if re.search(r"[^e]e$", head) and head != "be" else head + "ing"
    return {"inf": given[0], "past": given[1], "pp": given[2], "s": third + rest, "ing": ing + rest}


def _parse(form):
    """A template as a list of texts and slots."""
    parts, at = [], 0
    form = form.replace("\\n", "\n")
    for slot in SLOT.finditer(form):
        parts += [form[at : slot.start()], slot.groups()]
        at = slot.end()
    return [part for part in [*parts, form[at:]] if part != ""]


WORDS, VERBS, RULES = _grammar()
MORE = {name: [word.replace("_", " ") for word in text.split()] for name, text in templates.WORDS.items()}
WORDS = {name: sorted(set(MORE.get(name, []) + WORDS.get(name, []))) for name in sorted(MORE | WORDS)}
WORDS["noun"] = WORDS["n"] = sorted(set(WORDS["n"] + WORDS["noun"]))
WORDS["adj"] = WORDS["a"] = sorted(set(WORDS["a"] + WORDS["adj"]))
# How often a verb stands in which form.
FORMS = ["past"] * 8 + ["has"] * 2 + ["had", "will", "s", "s", "wants", "would", "going", "did not", "could", "may", "must"]
TRAIN = [_parse(line) for line in templates.TRAIN]
TYPED = [_parse(line) for line in _read("templates.txt")]
DOCUMENTS = [_parse(line) for line in _read("documents.txt")]
FURTHER = [_parse(line) for line in _read("further.txt")]
NEGATIVE = [_parse(line) for line in [*templates.NEGATIVE, *_read("negative.txt")]]
HELD_OUT = [_parse(line) for line in templates.HELD_OUT]
DEV = [_parse(line) for line in _read("dev.txt")]
MADE_UP = Chain([word.capitalize() for word in sorted(set(COMMON)) if len(word) > 3])


class Draft:
    """A text in the making."""

    def __init__(self):
        self.text, self.entities, self.people, self.known = "", [], {}, {}

    def add(self, text):
        if text.startswith(" ") and (not self.text or self.text[-1].isspace()):
            text = text[1:]
        if not text:
            return
        article = ARTICLE.search(self.text)
        if article:
            vowel = text[0].lower() in "aeiou" and not text.lower().startswith(("uni", "eu", "one", "us"))
            self.text = self.text[: -len(article[0]) + len(article[1])] + article[0].strip(' ("\n')[0] + ("n " if vowel else " ")
        self.text += text

    def entity(self, name, group):
        if not name:
            return
        self.add(name)
        self.entities.append((len(self.text) - len(name), len(self.text), group))


class Generator:
    """Draws sentences without end. `test` takes held-out names, `held_out` held-out templates (the older ones, `dev` the newer); a fourth
    of what is drawn with `further` is of the templates of the second part of the training."""

    def __init__(self, seed: int, test: bool = False, held_out: bool = False, dev: bool = False, noise: bool = True, further: bool = False):
        self.rng = random.Random(seed)
        self.names = Names(self.rng, test)
        self.fixed = HELD_OUT if held_out else DEV if dev else None
        self.noise, self.further = noise, further

    def sentence(self):
        draft, kind = Draft(), self.rng.random()
        if self.fixed:
            self._fill(draft, self.rng.choice(self.fixed))
        elif self.further and self.rng.random() < 0.25:
            self._fill(draft, self.rng.choice(FURTHER))
        elif kind < 0.42:
            self._slot(draft, "S")
        elif kind < 0.5:
            self._fill(draft, self.rng.choice(TRAIN))
        elif kind < 0.72:
            self._fill(draft, self.rng.choice(TYPED))
        elif kind < 0.78:
            self._fill(draft, self.rng.choice(DOCUMENTS))
        elif kind < 0.93:
            self._slot(draft, "N")
        else:
            self._fill(draft, self.rng.choice(NEGATIVE))
        text, entities = _tidy(draft.text, draft.entities)
        return self._noise(*self._blur(text, entities)) if self.noise else (text, entities)

    def _fill(self, draft, parts):
        for part in parts:
            if isinstance(part, str):
                draft.add(part)
            else:
                name, form, register, maybe = part
                if not maybe or self.rng.random() < 0.5:
                    self._slot(draft, name, form, register)

    def _slot(self, draft, name, form=None, register=None):
        rng = self.rng
        if name in GROUP:
            return self._name(draft, name, register)
        if name == "Heading":
            return draft.add(self._heading())
        if name in RULES:
            return self._fill(draft, rng.choice(RULES[name]))
        if name in WORDS:
            return draft.add(rng.choice(WORDS[name]))
        if name.startswith("v_"):
            return draft.add(self._verb(VERBS[name[2:]], form))
        # Clause is clause with a capital letter.
        at = len(draft.text)
        self._slot(draft, name[0].lower() + name[1:], form, register)
        text = draft.text
        draft.text = text[:at] + text[at : at + 1].upper() + text[at + 1 :]

    def _verb(self, verbs, form):
        verb = self.rng.choice(verbs)
        if form:
            return verb[form]
        form = self.rng.choice(FORMS)
        if form in ("past", "s"):
            return verb[form]
        if form in ("has", "had"):
            return f"{form} {verb['pp']}"
        words = {"wants": "wants to", "going": "is going to"}
        return f"{words.get(form, form)} {verb['inf']}"

    def _name(self, draft, name, register):
        group = GROUP[name]
        if register and group == "PER":
            first, last = draft.people.setdefault(register, (self.names.of("first"), self.names.of("last")))
            said = {"FIRST": first, "LAST": last}.get(name, f"{first} {last}")
        elif register:
            said = draft.known.setdefault(register, getattr(self.names, name)())
        else:
            said = getattr(self.names, name)()
        if name != "WORK" and takes_article(said, group) and self.rng.random() < 0.85:
            before = draft.text
            if (not before or before[-1].isspace()) and not NO_THE.search(before) and name not in ("ADJ", "NAT", "LANG"):
                draft.add("the ")
        if name == "RIVER" and not draft.text.endswith(("the ", "The ")):
            draft.add("the ")
        draft.entity(said, group)

    def _heading(self):
        """Words with capital letters that are no names."""
        rng, words = self.rng, []
        for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5, 6])):
            words.append(rng.choice(WORDS[rng.choice(["n", "n", "a", "ns", "plural", "adv", "subject"])]))
            if rng.random() < 0.25:
                words.append(rng.choice(["and", "of the", "for", "in the", "to", "with", "from the", "or"]))
        if words[-1] in ("and", "of the", "for", "in the", "to", "with", "from the", "or"):
            words.pop()
        text = " ".join(words)
        kind = rng.random()
        if kind < 0.5:
            return " ".join(word if word in ("and", "of", "the", "for", "in", "to",
                "or") else word[0].upper() + word[1:] for word in text.split())
        return text.title() if kind < 0.7 else text.upper() if kind < 0.8 else text[0].upper() + text[1:]

    def _blur(self, text, entities):
        """Some sentences lose and swap words around the names, so that templates are not learnt by heart."""
        if self.rng.random() < 0.6:
            return text, entities
        rate = self.rng.choice([0.08, 0.15, 0.3])
        out, found, at = "", [], 0
        for start, end, group in [*entities, (len(text), len(text), None)]:
            out += BETWEEN.sub(lambda word: self._word(word[0], rate), text[at:start])
            if group:
                found.append((len(out), len(out) + end - start, group))
                out += text[start:end]
            at = end
        if not out.strip():
            return text, entities
        return out, found

    def _word(self, word, rate):
        if self.rng.random() > rate or len(word) < 2:
            return word
        kind = self.rng.random()
        if kind < 0.2:
            return ""
        if kind < 0.45:
            return self.rng.choice(COMMON)
        if kind < 0.75:
            return self.rng.choice(WORDS[self.rng.choice(["n", "a", "adv", "plural", "ns", "job"])])
        return MADE_UP.make(self.rng).lower()

    def _noise(self, text, entities):
        kind = self.rng.random()
        if kind < 0.035 and len(text.lower()) == len(text):
            text = text.lower()
        elif kind < 0.055 and len(text.upper()) == len(text):
            text = text.upper()
        elif kind < 0.08 and entities:
            text = re.sub(r"(?<=\s)[a-z]", lambda letter: letter[0].upper(), text)
        elif kind < 0.12 and text.endswith("."):
            text = text[:-1]
        return text, entities

    def text(self, most: int):
        """Up to `most` sentences behind each other."""
        text, entities = self.sentence()
        for _ in range(self.rng.randrange(most)):
            if len(text) > 220:
                break
            more, found = self.sentence()
            joint = self.rng.choice([" ", " ", " ", "\n"])
            shift = len(text) + len(joint)
            text += joint + more
            entities += [(start + shift, end + shift, group) for start, end, group in found]
        return text, entities


def _tidy(text, entities):
    """Sentences begin with capital letters, and of two commas one is left."""
    for old, new in ((",,", ","), (",.", "."), (", ,", ","), (",?", "?"), (",;", ";"), (",:", ":"), (",!", "!"), ("s s ",
        "s "), ("'s's", "'s")):
        at = text.find(old)
        while at >= 0:
            if any(start < at + len(old) and at < end for start, end, _ in entities):
                at = text.find(old, at + 1)
                continue
            text = text[:at] + new + text[at + len(old) :]
            shift = len(old) - len(new)
            entities = [(s - shift, e - shift, g) if s > at else (s, e, g) for s, e, g in entities]
            at = text.find(old, at)
    ends = {end for _, end, _ in entities}

    def capital(found):
        keep = _inside(found.start(3), entities) or found.start() + 1 in ends
        return found[1] + found[2] + (found[3] if keep else found[3].upper())

    return re.sub(r"(^|(?<!Jr)(?<!\W[A-Z])[.!?]\s|\n)([\"“]?)([a-zäöü])", capital, text), entities


def _inside(at, entities):
    return any(start <= at < end and start != at for start, end, _ in entities)


if __name__ == "__main__":
    generator = Generator(random.randrange(10**6))
    for _ in range(40):
        text, entities = generator.text(2)
        for start, end, group in reversed(entities):
            text = f"{text[:start]}[{text[start:end]}|{group}]{text[end:]}"
        print(text)
