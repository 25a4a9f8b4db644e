"""The register of licences: identifiers, URLs, objections, credits."""

from __future__ import annotations

import pytest

from core.licences import LICENCES, MODELS, commercial_restriction, credit_line, find_licence, find_model
from core.segment import SEGMENTERS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        (" cc-by-nc-4.0 ", "CC-BY-NC-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://www.creativecommons.org/licenses/by-nc-nd/3.0/de/legalcode", "CC-BY-NC-ND-3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("creativecommons.org/publicdomain/mark/1.0", "CC-PDDC"),
        ("https://spdx.org/licenses/MIT.html", "MIT"),
        ("all rights reserved", None),
        ("https://creativecommons.org/licenses/by-xx/4.0/", None),
        ("", None),
    ],
)
def test_licences_are_found_by_identifier_and_by_url(text: str, name: str | None) -> None:
    found = find_licence(text)
    assert (found.id if found else None) == name


def test_every_licence_is_found_by_its_own_identifier_and_url() -> None:
    for licence in LICENCES.values():
        assert find_licence(licence.id) == licence
        assert find_licence(licence.url) == licence


@pytest.mark.parametrize("text", ["CC-BY-4.0", "CC0-1.0", "MIT", "own", " Own ", "CC-BY-SA-3.0", "Apache-2.0"])
def test_what_allows_commercial_use_meets_no_objection(text: str) -> None:
    assert commercial_restriction(text) is None


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        (None, "not on record"),
        ("  ", "not on record"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0 forbids commercial use"),
        ("https://creativecommons.org/licenses/by-nd/4.0/", "CC-BY-ND-4.0 forbids derived works"),
        ("LicenseRef-Stability-AI-Community", "only below a revenue of USD 1,000,000 a year"),
        ("(c) 2026 somebody", "'(c) 2026 somebody' is not in the register"),
    ],
)
def test_everything_else_meets_one_and_it_says_why(text: str | None, clause: str) -> None:
    objection = commercial_restriction(text)
    assert objection is not None
    assert clause in objection


@pytest.mark.parametrize(
    ("licence", "attribution", "line"),
    [
        ("CC-BY-4.0", "Jane Doe", "Photo: Jane Doe (CC-BY-4.0)"),
        ("https://creativecommons.org/licenses/by/4.0/", "Jane Doe", "Photo: Jane Doe (CC-BY-4.0)"),
        ("CC-BY-4.0", None, "Photo: CC-BY-4.0"),
        ("CC0-1.0", None, ""),
        ("CC0-1.0", "Jane Doe", "Photo: Jane Doe (CC0-1.0)"),
        ("own", None, ""),
        ("own", "(c) 2026 A Shop", "Photo: (c) 2026 A Shop"),
        (None, None, ""),
        (None, "Jane Doe", "Photo: Jane Doe"),
        ("house rules", None, "Photo: house rules"),
    ],
)
def test_whoever_must_be_named_is_named(licence: str | None, attribution: str | None, line: str) -> None:
    assert credit_line("Photo", licence, attribution) == line


def test_models_are_found_by_name_file_and_path() -> None:
    for name in ("stable-zero123", "stable_zero123.ckpt", "/models/Stable_Zero123.ckpt", "stabilityai/stable-zero123"):
        entry = find_model(name, "views")
        assert entry is not None
        assert entry.commercial is False
    capped = find_model("stable_zero123_c.ckpt", "views")
    assert capped is not None
    assert capped.commercial is None
    assert capped.terms is not None
    assert capped.terms.revenue_cap
    assert find_model("bria-rmbg", "views") is None
    assert find_model("/tmp/starter", "views") is None, "a name proves nothing"
    assert find_model("mine.ckpt", "views") is None


def test_the_register_and_the_segmenters_say_the_same() -> None:
    registered = {entry.name: entry for entry in MODELS if entry.kind == "segmenter" and entry.name != "starter"}
    assert set(registered) == set(SEGMENTERS)
    for name, entry in registered.items():
        assert (entry.licence, entry.commercial) == (SEGMENTERS[name].licence, SEGMENTERS[name].commercial)
