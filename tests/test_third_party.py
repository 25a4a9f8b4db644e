"""The committed list of third-party licences names what is installed, and every copyleft package has a word on it."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from scripts import load_script

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return load_script("bench/third_party.py")


def test_every_declared_dependency_is_listed_with_a_licence(bench: ModuleType) -> None:
    text = (ROOT / "docs" / "third-party.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| \*\*([a-z0-9-]+)\*\* \| [^|]+ \| ([^|\n]+) \|$", text, re.M))
    from packaging.requirements import Requirement

    assert set(listed) == {bench.normalised(Requirement(line).name) for line in bench.direct()}
    assert all(licence.strip() for licence in listed.values())


def test_strong_copyleft_is_never_without_a_word(bench: ModuleType) -> None:
    packages = bench.installed(bench.direct())
    strong = {name for name, p in packages.items() if re.search(r"GPL|GNU", p.licence)}
    assert strong <= set(bench.NOTES), "a new GPL or LGPL package: look what it means, then add it to NOTES"
    unstated = {name for name, p in packages.items() if p.licence == "not stated"}
    assert unstated == set()


def test_pymeshlab_is_imported_by_its_own_program_alone() -> None:
    importers = [
        path.relative_to(ROOT).as_posix()
        for room in ("core", "db", "storage", "tasks", "flows", "gallery", "cli")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"^\s*(import|from) pymeshlab", path.read_text("utf-8"), re.M)
    ]
    assert importers == ["core/mesh/meshlab_worker.py"]
