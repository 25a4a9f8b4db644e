"""Why an asset is not perfect, in words for the people who sell the product: what they see, then what to do.

Texts stand in ``texts/LANGUAGE.json``, one message and one action a code; English is complete, others fall back to it.
``texts/sentences/LANGUAGE.json`` has what photos and cutouts say in sentences of their own.
Figures never stand in a message: they are folded away in :class:`Detail`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

Severity = Literal["blocks", "affects", "note"]
"""``blocks``: not to be published so. ``affects``: somebody should look. ``note``: good to know."""

TEXTS = Path(__file__).with_name("texts")

ORDER: tuple[Severity, ...] = ("blocks", "affects", "note")


@dataclass(frozen=True)
class Detail:
    """The figure behind a reason."""

    value: float | None = None
    limit: float | None = None
    """From which value on nobody would be told."""
    unit: str = ""
    metric: str = ""
    """Its name in the asset's metrics."""


@dataclass(frozen=True)
class Reason:
    """One thing to know about an asset."""

    code: str
    severity: Severity
    message: str
    action: str
    detail: Detail = field(default_factory=Detail)
    place: str | None = None
    """Where to look: ``front``, ``back``, ``underside``, ``edge``, ``cutout``; None for the whole asset."""

    def __str__(self) -> str:
        return self.message


def reason(
    code: str,
    severity: Severity,
    detail: Detail | None = None,
    *,
    place: str | None = None,
    language: str = "en",
    **words: str,
) -> Reason:
    """The reason of a code; ``words`` fill in its text. Raises ``KeyError`` for a code without one."""
    message, action = text_of(code, language)
    return Reason(code, severity, message.format(**words), action.format(**words), detail or Detail(), place)


def text_of(code: str, language: str = "en") -> tuple[str, str]:
    """Message and action of a code, with their ``{placeholders}``."""
    texts = _texts(language)
    entry = texts.get(code) or _texts("en")[code]
    return entry["message"], entry["action"]


def translated(known: Mapping[str, Any], language: str) -> tuple[str, str]:
    """Message and action of a stored reason in another language; its own where nobody translated the sentence that the
    text holds. English is what was stored, by whatever version."""
    if language == "en":
        return str(known["message"]), str(known["action"])
    try:
        message, action = text_of(str(known["code"]), language)
    except KeyError:  # an error's own sentence
        return str(known["message"]), str(known["action"])
    if message == "{sentence}":
        message = sentence_in(language, str(known["message"]))
    if "{share}" in message:
        message = message.format(share=share(float(known["detail"]["value"]), language))
    return (str(known["message"]) if "{" in message else message), str(known["action"]) if "{" in action else action


def sentence_in(language: str, english: str) -> str:
    """A sentence of a photo or a cutout in another language, its figures where they belong; else as it is."""
    for pattern, translation in _sentences(language):
        if found := pattern.fullmatch(english):
            return translation.format(*found.groups())
    return english


@lru_cache(maxsize=8)
def _sentences(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    path = TEXTS / "sentences" / f"{language}.json"
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return tuple((re.compile(re.escape(text).replace(r"\{\}", "(.+?)")), said) for text, said in known.items())


@lru_cache(maxsize=8)
def _texts(language: str) -> dict[str, dict[str, str]]:
    path = TEXTS / f"{language}.json"
    loaded: dict[str, dict[str, str]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return loaded


def codes() -> tuple[str, ...]:
    """Every code that has a text."""
    return tuple(_texts("en"))


def share(value: float, language: str = "en") -> str:
    """A share of 1 as people say it: ``a third``, ``half``."""
    names = {
        "en": ("a tenth", "a fifth", "a quarter", "a third", "half", "two thirds", "three quarters", "nearly all"),
        "de": ("ein Zehntel", "ein Fünftel", "ein Viertel", "ein Drittel", "die Hälfte", "zwei Drittel",
               "drei Viertel", "fast alles"),
    }  # fmt: skip
    steps = (0.1, 0.2, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0)
    nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - value))
    return names.get(language, names["en"])[nearest]


def in_order(found: list[Reason]) -> list[Reason]:
    """What blocks first, notes last; within a severity as given (worst first)."""
    return sorted(found, key=lambda item: ORDER.index(item.severity))


def severity_rank(stored: Mapping[str, Any]) -> int:
    """The order of :func:`in_order` for reasons that came back from the record."""
    return ORDER.index(stored["severity"])


def languages() -> tuple[str, ...]:
    """Those that reasons are written in; English first."""
    return ("en", *sorted({path.stem for path in TEXTS.glob("*.json")} - {"en"}))


def in_language(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    """An asset's row with its ``reasons``, and the ``reason`` that weighs most, in another language."""
    said = [{"code": "", "action": "", **item} for item in row["reasons"] or []]
    reasons = [item | dict(zip(("message", "action"), translated(item, language), strict=True)) for item in said]
    messages = {old["message"]: new["message"] for old, new in zip(said, reasons, strict=True)}
    return dict(row) | {"reasons": reasons, "reason": messages.get(row["reason"], row["reason"])}
