"""The nightly summary: counts, the slowest, failures by reason; for people, for programs, for the record."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.records import to_json
from db.catalogue import Changes
from db.runs import Ended, Outcome, Slow, ToReview
from db.tables import STATUSES
from flows.build_catalogue import CatalogueBuild
from tasks.fsck import NotChecked, StoreReport
from tasks.settings import Settings

WAITING = 10
"""SKUs that a log line names."""

KEPT_DAYS = 90
"""How long files of summaries stay in the home, as Prefect keeps its runs."""

NAMED = 100
"""SKUs that the summary lists of each kind of change; the counts are always whole."""


@dataclass(frozen=True)
class NightSummary:
    """What came of a night; of a size that does not grow with the catalogue."""

    run_id: str
    seconds: float
    stopped: str | None
    """Why it ended before its time."""
    counts: dict[str, int]
    slowest: list[Slow]
    failures: list[Ended]
    reviews: list[ToReview]
    computed_seconds: float
    cost: float
    size_unknown: int
    changes: dict[str, int]
    """Products by what the source showed of them."""
    skus: dict[str, list[str]]
    """The first of each kind of change."""
    photos: int
    notes: list[str]
    store: StoreReport | NotChecked | None
    """What the check of a part of the store found."""


def nightly_summary(
    run_id: str,
    outcome: Outcome,
    built: CatalogueBuild,
    changes: Changes,
    seconds: float,
    store: StoreReport | NotChecked | None = None,
) -> NightSummary:
    """The database's outcome beside what the source showed and what was planned."""
    found = {
        "new": changes.new,
        "changed": changes.changed,
        "removed": changes.removed,
        "waiting": changes.waiting,
    }
    waiting = len(changes.waiting) + (0 if built.stopped else outcome.counts["queued"])
    return NightSummary(
        run_id=run_id,
        seconds=round(seconds, 2),
        stopped=built.stopped,
        counts=outcome.counts | {"planned": built.planned, "reused": built.reused, "waiting": waiting},
        slowest=outcome.slowest,
        failures=[*outcome.failures, *why_waiting(changes)],
        reviews=outcome.reviews,
        computed_seconds=round(outcome.computed_seconds, 2),
        cost=round(outcome.cost, 6),
        size_unknown=outcome.size_unknown,
        changes={name: len(skus) for name, skus in found.items()} | {"unchanged": changes.unchanged},
        skus={name: skus[:NAMED] for name, skus in found.items() if skus},
        photos=changes.photos,
        notes=changes.notes,
        store=store,
    )


def why_waiting(changes: Changes) -> list[Ended]:
    """Why products wait that could not be taken in, by reason."""
    why = Counter(changes.reasons.values())
    example = {sentence: sku for sku, sentence in reversed(changes.reasons.items())}
    return [Ended("waiting", None, sentence, count, example[sentence]) for sentence, count in why.most_common(NAMED)]


def in_words(changes: Changes) -> str:
    """What a source showed: counts, whose photos wait, what else there is to say."""
    counts = {
        "new": len(changes.new),
        "changed": len(changes.changed),
        "removed": len(changes.removed),
        "waiting": len(changes.waiting),
        "unchanged": changes.unchanged,
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no products"
    names = f"; waiting: {', '.join(changes.waiting[:WAITING])}" if changes.waiting else ""
    return said + names + "".join(f"; {note.rstrip('.')}" for note in changes.notes)


def ended_in_words(summary: NightSummary) -> list[str]:
    """How a night ended, a line each: counts, why it stopped, the reasons of failures and reviews."""
    counts = ", ".join(f"{count} {name}" for name, count in summary.counts.items() if count) or "nothing to build"
    lines = [f"Ended after {summary.seconds:.0f} s: {counts}."]
    lines += [summary.stopped] if summary.stopped else []
    lines += [said] if (said := sizes_in_words(summary.size_unknown)) else []
    lines += [f"{row.count} {row.status}, such as {row.example}: {row.reason}" for row in summary.failures]
    return lines + [f"{row.count} to review, such as {row.example}: {row.reason}" for row in summary.reviews]


def sizes_in_words(unknown: int) -> str | None:
    """A sentence about products that came out without a real size."""
    if not unknown:
        return None
    who = "1 product has" if unknown == 1 else f"{unknown:,} products have"
    return f"{who} no known size: add height_cm, width_cm or depth_cm to the catalogue."


def write_summary(settings: Settings, summary: NightSummary) -> Path:
    """``HOME/summaries/RUN.json``. Files there, pictures of shards too, go after :data:`KEPT_DAYS`; the database keeps
    the summaries."""
    path = settings.home_path / "summaries" / f"{summary.run_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.iterdir():
        with suppress(OSError):
            if old.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
                old.unlink()
    path.write_text(json.dumps(to_json(summary), indent=2) + "\n", "utf-8")
    return path


def markdown_summary(summary: NightSummary, gallery: Callable[[str], str | None] = lambda status: None) -> str:
    """The same for people. ``gallery``: where the run's assets of a status are shown, None where nobody knows."""
    changes = ", ".join(f"{count} {name}" for name, count in summary.changes.items() if count) or "nothing new"
    lines = [f"# Run {summary.run_id}", "", f"{summary.seconds:.0f} s; photos: {changes}", ""]
    if summary.stopped:
        lines += [f"**{_cell(summary.stopped)}**", ""]
    if (why := store_line(summary.store)) is not None:
        lines += [f"**{_cell(why)}**", ""]
    if (said := sizes_in_words(summary.size_unknown)) is not None:
        lines += [said, ""]
    lines += ["| status | assets |", "| --- | ---: |"]
    for name, count in summary.counts.items():
        if count:
            link = gallery(name) if name in STATUSES else None
            lines.append(f"| [{name}]({link}) | {count} |" if link else f"| {name} | {count} |")
    if summary.slowest:
        lines += ["", "| slowest | seconds |", "| --- | ---: |"]
        lines += [f"| {_cell(row.sku)} | {row.seconds:.0f} |" for row in summary.slowest]
    if summary.failures:
        lines += ["", "| reason | status | assets | example |", "| --- | --- | ---: | --- |"]
        lines += [
            f"| {_cell(row.reason or '')} | {row.status} | {row.count} | {_cell(row.example)} |"
            for row in summary.failures
        ]
    if summary.reviews:
        lines += ["", "| why a person is asked | assets | example |", "| --- | ---: | --- |"]
        lines += [f"| {_cell(row.reason or '')} | {row.count} | {_cell(row.example)} |" for row in summary.reviews]
    return "\n".join(lines)


def store_line(found: StoreReport | NotChecked | None) -> str | None:
    """What people must know of the store, in a sentence; None where the part that was checked is whole."""
    if found is None or isinstance(found, NotChecked):
        return found.sentence if found else None
    counts = (("missing", found.missing), ("damaged", found.damaged), ("unknown", found.unknown))
    faults = [f"{count:,} {name}" for name, count in counts if count]
    if not faults:
        return None
    return f"Of {found.checked:,} stored objects looked at: {', '.join(faults)}. Run `meshmill fsck --repair`."


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell, or into markup."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
