"""`python kill_run.py FOLDER STAGES`: an embedded run on FOLDER/photos, started and killed by tests.

STAGES names the module that computes: `fake_stages` (they cost nothing) or `kill_stages` (the real ones). What
happens is appended to FOLDER/events, a line each: ``started``, ``reused``, ``finished`` or ``failed``, the stage, the
asset, seconds. The recipe's overrides are the lines of FOLDER/recipe; everything else comes from `MESHMILL_*`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "tasks")]


class Never:
    """A Prefect server that is never up: every stage is run as while one still starts, in order, at no cost."""

    def __init__(self, _home: Path) -> None: ...

    def start(self) -> None: ...

    def ready(self) -> bool:
        return False

    def wait(self) -> None: ...

    def stop(self) -> None: ...


def older(name: str) -> None:
    """This process is of the version before: it knows a stage as it was."""
    from tasks import plan, stages

    object.__setattr__(stages.STAGE[name], "version", stages.STAGE[name].version - 1)
    known = MappingProxyType({**stages.VERSIONS, name: stages.STAGE[name].version})
    patch.object(plan, "VERSIONS", known).start()  # for as long as the process lives


def main() -> None:
    if "MESHMILL_TEST_OLDER" in os.environ:
        older(os.environ["MESHMILL_TEST_OLDER"])
    import flows.run
    from core.recipes import load_recipe
    from tasks.factory import NullListener, open_factory
    from tasks.settings import Settings

    folder = Path(sys.argv[1])
    events = os.open(folder / "events", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Writes(NullListener):
        def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None:
            os.write(events, f"{state} {stage} {asset_id} {more.get('seconds', 0)}\n".encode())

    if "MESHMILL_TEST_ALONE" in os.environ:
        patch.object(flows.run, "EmbeddedServer", Never).start()
    recipe = load_recipe("starter", (folder / "recipe").read_text().split())
    force = "MESHMILL_TEST_FORCE" in os.environ
    factory = open_factory(Settings(), compute=importlib.import_module(sys.argv[2]).compute, listener=Writes())
    report = flows.run.run_folder(factory, str(folder / "photos"), recipe, out=folder / "out", force=force)
    factory.close()
    print(json.dumps(report.counts))  # noqa: T201


if __name__ == "__main__":
    main()
