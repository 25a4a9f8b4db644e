"""Each stage makes of fixed inputs what is recorded: other output needs another version."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.golden import golden
from tests.golden.golden import CASES, COMMAND, Line, Made, hashes, read_record, summary, verdict


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    opened = Line(tmp_path_factory.mktemp("golden"))
    yield opened
    opened.close()


def test_every_case_is_recorded() -> None:
    assert set(read_record()) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_stage_makes_what_is_recorded(line: Line, case: str) -> None:
    assert verdict(read_record()[case], line.make(case)) == ""


def field(bump: float = 0.0, scale: float = 1.0) -> bytes:
    """A smooth array as a stage stores it, with a bump in one of its corners."""
    z, y, x = np.mgrid[:24, :24, :24] / 24
    density = np.sin(3 * x) + y * z
    density[:6, :6, :6] += bump
    buffer = io.BytesIO()
    np.savez(buffer, density=density * scale, meta=np.frombuffer(b'{"isovalue": 0.5}', np.uint8))
    return buffer.getvalue()


FACTS = {"version": 3, "params": {"grid": 24}, "weights": {}, "inputs": {"cutout": "0" * 64}}
KNOWN = Made("reconstruct", FACTS, {"field.npz": field()})


def recorded(made: Made, machine: dict[str, str]) -> dict[str, Any]:
    summaries = {name: summary(name, data) for name, data in made.files.items()}
    return {"facts": made.facts, "machine": machine, "sha256": hashes(made.files), "summary": summaries}


@pytest.mark.parametrize("here", [True, False], ids=["on the recording machine", "on another"])
def test_other_output_under_the_same_version_is_red(here: bool) -> None:
    record = recorded(KNOWN, golden.machine() if here else {"processor": "another"})
    assert verdict(record, KNOWN) == ""
    for files in (
        {"field.npz": field(bump=0.2)},
        {"field.npz": field(scale=1.01)},
        {},
        {**KNOWN.files, "more.json": b"{}"},
    ):
        text = verdict(record, replace(KNOWN, files=files))
        assert "under the same version 3" in text
        assert COMMAND in text


def test_rounding_is_red_where_it_was_recorded_and_forgiven_elsewhere() -> None:
    other = replace(KNOWN, files={"field.npz": field(scale=1 + 1e-6)})
    assert "same version" in verdict(recorded(KNOWN, golden.machine()), other)
    assert verdict(recorded(KNOWN, {"processor": "another"}), other) == ""


def test_a_new_version_asks_for_a_new_record() -> None:
    other = Made("reconstruct", FACTS | {"version": 4}, {"field.npz": field(bump=0.2)})
    assert "another version than recorded" in verdict(recorded(KNOWN, golden.machine()), other)


def test_recording_refuses_other_output_under_the_same_version(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Played:
        def __init__(self, made: Made) -> None:
            self.made = made

        def make(self, _case: str) -> Made:
            return self.made

    monkeypatch.setattr(golden, "RECORD", tmp_path / "stages.json")
    monkeypatch.setattr(golden, "CASES", {"one": ("reconstruct", ())})
    assert golden.record(Played(KNOWN)) == []  # type: ignore[arg-type]
    before = golden.RECORD.read_text()
    other = {"field.npz": field(bump=0.2)}
    (refusal,) = golden.record(Played(replace(KNOWN, files=other)))  # type: ignore[arg-type]
    assert "raise its version" in refusal
    assert golden.RECORD.read_text() == before
    raised = Made("reconstruct", FACTS | {"version": 4}, other)
    assert golden.record(Played(raised)) == []  # type: ignore[arg-type]
    assert golden.read_record()["one"]["sha256"] == hashes(other)
