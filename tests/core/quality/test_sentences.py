"""What photos and cutouts say in sentences of their own stands in German, too."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from core.quality.reasons import TEXTS, sentence_in

ROOT = Path(__file__).parents[3]
SOURCES = (
    "photos/checks",
    "photos/color",
    "photos/decode",
    "photos/files",
    "segment/beside",
    "segment/cut",
    "segment/objects",
)
GERMAN: dict[str, str] = json.loads((TEXTS / "sentences" / "de.json").read_text("utf-8"))


def sentences(path: Path) -> set[str]:
    """Whole sentences among a module's texts, ``{}`` for what is filled in; docstrings are none."""
    tree = ast.parse(path.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    aside = parts | {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in aside:
            texts.add(node.value)
    return {text for text in texts if re.fullmatch(r"[A-Z].* .*\.", text)}


@pytest.mark.parametrize("source", SOURCES)
def test_each_has_its_german(source: str) -> None:
    found = sentences(ROOT / "core" / f"{source}.py")
    assert found
    assert found - set(GERMAN) == set()


def test_none_is_left_over_and_figures_stay() -> None:
    said = set().union(*(sentences(ROOT / "core" / f"{source}.py") for source in SOURCES))
    assert set(GERMAN) - said == set()
    assert all(english.count("{}") == german.count("{}") for english, german in GERMAN.items())
    small = "The photo has 20x30 pixels; its shorter side needs at least 128."
    assert sentence_in("de", small) == "Das Foto hat 20x30 Pixel; seine kürzere Seite braucht mindestens 128."
    assert sentence_in("de", "Nobody wrote this.") == "Nobody wrote this."
    assert sentence_in("fr", small) == small
