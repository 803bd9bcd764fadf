"""Reads the question-and-answer corpus the guide model is trained on.

A corpus file is blocks separated by an empty line: a `# id` line, one `A:`
line, training questions as `Q:` lines and held-out questions as `H:` lines.
`offtopic.qa` holds questions the guide does not answer; they all share one
answer, which is fixed here. Standard library only.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
OFFTOPIC = "offtopic"
OFFTOPIC_ANSWER = (
    "I am the Tern guide, a very small model that only knows Tern. "
    "Ask me about running it, models or the API."
)


@dataclass
class Entry:
    """One answer and the questions that ask for it."""

    id: str
    answer: str = ""
    train: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


def plain(question: str) -> str:
    """The question without what two spellings of it may differ in."""
    return " ".join(re.sub(r"[^a-z0-9]+", " ", question.lower()).split())


def load(folder: Path = FOLDER) -> list[Entry]:
    """All entries of the folder, sorted by file, the off-topic entry last."""
    entries: dict[str, Entry] = {}
    offtopic = Entry(OFFTOPIC, OFFTOPIC_ANSWER)
    for path in sorted(folder.glob("*.qa")):
        entry = offtopic if path.stem == OFFTOPIC else None
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            mark, text = line[:2], line[2:].strip()
            if not line.strip():
                continue
            if mark == "# " and path.stem != OFFTOPIC:
                if text in entries:
                    raise ValueError(f"{path.name}:{number}: id {text} is there twice")
                entry = entries[text] = Entry(text)
            elif mark == "# ":
                continue
            elif entry is None or mark not in ("A:", "Q:", "H:") or not text:
                raise ValueError(f"{path.name}:{number}: not understood: {line!r}")
            elif mark == "Q:":
                entry.train.append(text)
            elif mark == "H:":
                entry.held.append(text)
            elif entry is not offtopic:
                entry.answer = text
    for entry in entries.values():
        if not (entry.answer and entry.train and entry.held):
            raise ValueError(f"id {entry.id} lacks an answer, a question or a held-out one")
    ordered = list(entries.values())
    if offtopic.train:
        ordered.append(offtopic)
    _check_apart(ordered)
    return ordered


def _check_apart(entries: list[Entry]) -> None:
    """No held-out question may also be trained on, nor one stand in two entries."""
    held = {plain(q) for e in entries for q in e.held}
    owner: dict[str, str] = {}
    for entry in entries:
        for question in entry.train:
            if plain(question) in held:
                raise ValueError(f"{question!r} of {entry.id} is held out")
            if owner.setdefault(plain(question), entry.id) != entry.id:
                raise ValueError(f"{question!r} stands in {entry.id} and in {owner[plain(question)]}")
