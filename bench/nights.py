"""Forty-eight nights with random outages, on the whole plane: lost 0, doubled 0, half-published 0, unpublished 0.

    python bench/nights.py [--nights 48] [--seed 24] [--alone] [--transcript FILE]

PostgreSQL with passwords, SeaweedFS, Prefect's server (tests/deploy/plane.py, set up by the kit's own scripts), a
worker of each pool, `ingest/nightly` as it is deployed; stages cost nothing. Each day photos come, change and go; in
most nights something goes wrong at a random moment: see OUTAGES. Then `meshmill gc --delete --superseded`, the audit,
and a day passes: every moment in both databases moves back by 24 hours (workers' last signs of life do not: they live
on). The store's clock cannot be moved, so `gc` takes objects of any age, still in its two steps, a day apart. Prefect
keeps its runs 14 days here instead of 90, so that their end is seen, and a run that was taken and never began is given
up after one minute instead of five.

What is published is looked at ten times a second. The audit after a night that came to its end counts every photo of
the folder; after one that was cut off, or that says what waits, what it did not do is late, and due in the next that
comes to its end. One line a night, one JSON line at the end; exit 1 where anything was lost, missing, doubled,
half-published or unpublished.

With `--alone` there is no Prefect: each night is a process of its own that calls `flows.run.run_folder`, in a fraction
of the time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.nights_factory import (
    FINAL,
    OF_PREFECT,
    OUTAGES,
    Alone,
    Factory,
    nothing,
    objects_spoilt,
)  # fmt: skip
from tests.flows.audit import audit

ZEROS = ("lost", "missing", "doubled", "half_published", "unpublished")


def one_night(factory: Factory, number: int, outage: Callable[[Factory], None]) -> dict[str, Any]:
    """A day's photos, the night with what goes wrong in it, garbage, the audit."""
    due = factory.change()
    begun, lines = time.monotonic(), len(factory.log.read_text().splitlines())
    id_ = factory.send_night()
    if outage is not nothing:
        after = factory.dice.randint(1, max(1, 6 * due))
        factory.until(
            lambda: len(factory.log.read_text().splitlines()) >= lines + after or factory.state(id_) in FINAL, 25
        )
        outage(factory)
    assert factory.until(lambda: factory.state(id_) in FINAL, 900), f"night {number} does not end"
    state = factory.state(id_)
    assert factory.until(lambda: not factory.working(), 600), f"shards of night {number} do not end"
    if outage is objects_spoilt:
        factory.meshmill("fsck", "--repair")
    factory.meshmill("gc", "--delete", "--superseded", "--really", "--older-than", "0")
    assert factory.watch.looks(), "nobody watched"
    found = asdict(audit(factory.watch, factory.store, factory.photos.iterdir()))
    late = found["lost"] if state != "COMPLETED" or factory.waits() else 0
    entries = list(factory.store.list())
    home = [path.stat().st_size for path in (factory.plane.folder / "home").rglob("*") if path.is_file()]
    line = {"night": number, "outage": outage.__name__, "due": due, "state": state, "late": late}
    line |= found | {"lost": found["lost"] - late}
    line |= {"rows": factory.rows("meshmill"), "prefect_rows": factory.rows("prefect")}
    line |= {"objects": len(entries), "bytes": sum(entry.bytes for entry in entries)}
    return line | {"home_files": len(home), "home_bytes": sum(home), "seconds": round(time.monotonic() - begun)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=48)
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--alone", action="store_true", help="without Prefect")
    parser.add_argument("--transcript", type=Path, default=Path("nights.jsonl"))
    options = parser.parse_args()
    dice = random.Random(options.seed)
    kinds = {kind: share for kind, share in OUTAGES.items() if not options.alone or kind not in OF_PREFECT}
    each = dice.sample(list(kinds), len(kinds))  # every kind once, then by lot
    outages = [nothing, *each, *dice.choices(list(kinds), list(kinds.values()), k=options.nights)][: options.nights]
    outages[-1] = nothing  # the last one is what comes of all of them
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="meshmill-nights-") as folder, options.transcript.open("w") as transcript:
        factory = (Alone if options.alone else Factory)(Path(folder), dice)
        try:
            factory.start()
            for number, outage in enumerate(outages, 1):
                lines.append(one_night(factory, number, outage))
                print(json.dumps(lines[-1]), flush=True)
                print(json.dumps(lines[-1]), file=transcript, flush=True)
                factory.day_passes()
        except BaseException:
            for path in sorted(Path(folder).glob("*.log")):
                print(f"== {path.name}", path.read_text("utf-8", "replace")[-3000:], sep="\n", file=sys.stderr)
            raise
        finally:
            factory.close()
    print(json.dumps(told := outcome(lines)))
    if any(told[name] for name in (*ZEROS, "late_at_the_end")):
        raise SystemExit(1)


def outcome(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """All nights in one line."""
    zeros = {name: sum(line[name] for line in lines) for name in ZEROS}
    quiet = [b["rows"] - a["rows"] for a, b in itertools.pairwise(lines) if not b["due"] and a["state"] == "COMPLETED"]
    states = Counter(line["state"] for line in lines)
    half = len(lines) // 2
    return zeros | {
        "nights": len(lines),
        "states": dict(states),
        "outages": dict(Counter(line["outage"] for line in lines)),
        "built": sum(line["due"] for line in lines),
        "late_at_the_end": lines[-1]["late"],
        "most_rows_of_a_quiet_night": max(quiet, default=0),
        "most_objects": [max(line["objects"] for line in part) for part in (lines[:half], lines[half:]) if part],
        "most_prefect_rows": [
            max(line["prefect_rows"] for line in part) for part in (lines[:half], lines[half:]) if part
        ],
    }


if __name__ == "__main__":
    main()
