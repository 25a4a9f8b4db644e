"""Figures as records: `bench/results/*.json` are the truth; `docs/results.md` and the README are filled from them.

    python bench/records.py            write the pages
    python bench/records.py --check    exit 1 where a page says something else (what CI runs)

A figure in the README stands between `<!-- figure: KEY -->` and `<!-- /figure -->`; KEY is `topic.record`, and `KEY.n`,
`KEY.date`, `KEY.target` give those fields. Edit a record, never the page.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "bench" / "results"
RESULTS = ROOT / "docs" / "results.md"
FILLED = (ROOT / "README.md",)
MOST_LINES = 150
"""A page that nobody reads to its end says nothing: details belong into docs/lab."""


class Record(BaseModel):
    """One measured figure and what it takes to measure it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="What was measured, in words that need no context")
    value: float
    unit: str = ""
    digits: int = Field(3, ge=0, le=5, description="Decimals that mean something")
    n: int = Field(ge=1, description="Objects, photos, assets or runs behind the figure")
    of: str = Field(description="What n counts")
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$", description="The commit that was measured")
    weights: str = Field("", description="Name and start of the content hash, where weights matter")
    machine: str
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    command: str
    note: str = ""

    @property
    def shown(self) -> str:
        text = f"{self.value:,.{self.digits}f}"
        return f"{text} {self.unit}".strip()

    @property
    def verdict(self) -> str:
        """`0.5: met`, where there is a target."""
        if self.target is None:
            return ""
        met = self.value >= self.target if self.better == "higher" else self.value <= self.target
        sign = "≥" if self.better == "higher" else "≤"
        return f"{sign} {self.target:,g}: {'met' if met else '**missed**'}"


class Topic(BaseModel):
    """One file of records: a section of the page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    order: int
    about: str = Field("", description="One or two sentences that the reader needs to read the table")
    lab: list[str] = Field(default_factory=list, description="Pages of docs/lab with the details")
    records: dict[str, Record]


def topics() -> dict[str, Topic]:
    """Every topic by its file's name, in the order of the page. Raises ``ValidationError`` naming a bad field."""
    found = {path.stem: Topic.model_validate_json(path.read_text("utf-8")) for path in sorted(RECORDS.glob("*.json"))}
    return dict(sorted(found.items(), key=lambda item: item[1].order))


def results_page(found: dict[str, Topic]) -> str:
    """`docs/results.md`."""
    lines = [
        "# Results",
        "",
        "Written by `python bench/records.py` from `bench/results/*.json`: today's figures, bad ones too.",
        "Each record also holds commit, weights, machine and the exact command. What was tried, and how: [lab](lab/).",
    ]
    for topic in found.values():
        lines += ["", f"## {topic.title}"]
        if topic.about:
            lines += [topic.about, ""]
        lines += ["| what | measured | target | n | date |", "| --- | ---: | --- | --- | --- |"]
        for record in topic.records.values():
            what = record.metric + (f" ({record.note})" if record.note else "")
            cells = (what, f"**{record.shown}**", record.verdict, f"{record.n:,} {record.of}", record.date)
            lines.append(f"| {' | '.join(cells)} |")
        commands = dict.fromkeys(record.command for record in topic.records.values())
        details = ", ".join(f"[{page.removesuffix('.md')}](lab/{page})" for page in topic.lab)
        last = "Commands: " + "; ".join(f"`{command}`" for command in commands) + "."
        lines += ["", last + (f" Details: {details}." if details else "")]
    return "\n".join(lines) + "\n"


def filled(text: str, found: dict[str, Topic]) -> str:
    """``text`` with each marked figure from its record. Raises ``KeyError`` for a figure that no record has."""

    def figure(match: re.Match[str]) -> str:
        topic, name, *field = match["key"].split(".")
        record = found[topic].records[name]
        value = str(getattr(record, field[0])) if field else record.shown
        return f"<!-- figure: {match['key']} -->{value}<!-- /figure -->"

    return re.sub(r"<!-- figure: (?P<key>[\w.-]+) -->.*?<!-- /figure -->", figure, text, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """What every page should say now."""
    found = topics()
    return {RESULTS: results_page(found)} | {path: filled(path.read_text("utf-8"), found) for path in FILLED}


def differences() -> list[str]:
    """Sentences about pages that drifted from the records, or grew too long."""
    wanted = pages()
    found = [
        f"{path.relative_to(ROOT)} does not say what bench/results says: run `python bench/records.py`."
        for path, text in wanted.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    lines = wanted[RESULTS].count("\n")
    if lines > MOST_LINES:
        found.append(f"docs/results.md would have {lines} lines; {MOST_LINES} are allowed: move details to docs/lab.")
    return found


def save(topic: str, name: str, record: Record) -> None:
    """Put one record into its topic's file, for measuring scripts."""
    path = RECORDS / f"{topic}.json"
    tree = json.loads(path.read_text("utf-8"))
    tree["records"][name] = record.model_dump(exclude_defaults=True)
    Topic.model_validate(tree)
    path.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Only say what differs.")
    if parser.parse_args().check:
        for sentence in (found := differences()):
            print(sentence)
        return int(bool(found))
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
