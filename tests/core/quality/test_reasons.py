"""Reasons are for people at a shop: short, plain, translated, documented, and none without what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.quality.checks import EVIDENCE, NOTES, SEVERAL, VETOES, VISIBLE
from core.quality.reasons import TEXTS, Detail, codes, in_order, reason, share, text_of, translated

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to-read-a-score.md"
CHECKS = EVIDENCE + SEVERAL + VETOES + VISIBLE + NOTES


def filled(text: str, language: str = "en") -> str:
    return text.format(share=share(0.3, language), sentence="The photo is blurred.", base="mug-red", other="mug-blue")


def test_every_check_has_a_code_of_its_own_with_a_text() -> None:
    assert len({check.code for check in CHECKS}) == len(CHECKS)
    assert {check.code for check in CHECKS} <= set(codes())


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("code", codes())
def test_a_text_is_short_and_plain(code: str, language: str) -> None:
    for text in text_of(code, language):
        words = filled(text, language).split()
        assert 2 <= len(words) <= 20, text
        assert not re.search(r"\d|dB|decibel|PSNR|IoU|metric|texel|mesh|render", text, re.IGNORECASE), text
        sentences = [part for part in re.split(r"[.;!?]", filled(text, language)) if part.strip()]
        assert max(len(part.split()) for part in sentences) <= 16, text
        assert text.endswith((".", "}")), text


@pytest.mark.parametrize("code", codes())
def test_english_reads_at_school_level(code: str) -> None:
    """Flesch and Kincaid's grade, syllables as groups of vowels: at most the ninth."""
    text = " ".join(map(filled, text_of(code)))
    words = re.findall(r"[A-Za-z']+", text)
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word.lower())))) for word in words)
    sentences = max(1, len(re.findall(r"[.!?]", text)))
    assert 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59 <= 9, text


def test_other_languages_have_the_same_codes_and_placeholders() -> None:
    english = json.loads((TEXTS / "en.json").read_text("utf-8"))
    for path in TEXTS.glob("*.json"):
        texts = json.loads(path.read_text("utf-8"))
        assert set(texts) == set(english), path.name
        for code, entry in texts.items():
            assert re.findall(r"{\w+}", entry["message"]) == re.findall(r"{\w+}", english[code]["message"])


def test_every_code_is_documented_with_its_texts() -> None:
    page = PAGE.read_text("utf-8")
    for code in codes():
        message, action = text_of(code)
        assert f"| `{code}` | {message} | {action} |" in page, code


@pytest.mark.parametrize("code", codes())
def test_no_placeholder_reaches_a_person(code: str) -> None:
    words = {"share": "a third", "sentence": "The photo is blurred.", "base": "mug-red", "other": "mug-blue"}
    made = reason(code, "note", **words)
    assert not re.search("[{}]", made.message + made.action)
    stored = {"code": code, "message": made.message, "action": made.action, "detail": {"value": 0.3}}
    assert not re.search("[{}]", "".join(translated(stored, "de")))


def test_what_blocks_comes_first_and_a_stored_reason_can_be_translated() -> None:
    note, block = reason("bold_print", "note"), reason("flat_shape", "blocks")
    assert in_order([note, block]) == [block, note]
    invented = reason("invented_surface", "affects", Detail(0.34), share=share(0.34))
    assert "a third" in invented.message
    stored = {"code": "invented_surface", "message": invented.message, "action": "", "detail": {"value": 0.34}}
    assert translated(stored, "de")[0] == "Etwa ein Drittel der Oberfläche ist erfunden; kein Foto zeigt sie."
    assert translated({"code": "NoObject", "message": "Nothing found.", "action": "x"}, "de") == ("Nothing found.", "x")
    with pytest.raises(KeyError):
        reason("nothing_like_it", "note")
