"""`meshmill run`: ingest a folder, plan, build what is new, and say what came out."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InvalidRecipe, ObjectDamaged, RunStopped, TransientError
from core.photos.names import distinct_file_names, file_name
from core.recipes import Recipe, of_record
from core.records import OPTIONAL, to_json
from db import assets, runs
from db.assets import AssetReport, AssetRow
from db.catalogue import Changes
from db.stage_runs import Stored
from flows.embedded import EmbeddedServer
from flows.sheet import write_sheet
from storage import copy_to_file
from tasks.build import build_ahead
from tasks.estimate import budget_of
from tasks.factory import FACTORY, Factory
from tasks.ingest import ingest_source
from tasks.keys import new_run_id
from tasks.models import Weights, models_of
from tasks.night import Night
from tasks.plan import begin_run, plan_catalogue
from tasks.remake import read_whole
from tasks.webhooks import notifying
from tasks.worker import StageCall


@dataclass(frozen=True)
class RunReport:
    """The document of `run --json` and `retry --json`."""

    run_id: str
    counts: dict[str, int]
    """``queued`` only where the run ended before its assets."""
    seconds: float
    stopped: str | None
    night: str | None
    size_unknown: int
    changes: Changes | None
    assets: list[AssetReport]
    sheet: str | None = field(default=None, metadata=OPTIONAL)
    """The contact sheet, where files were handed out."""


def run_folder(
    factory: Factory,
    photos: str,
    recipe: Recipe,
    *,
    out: Path | None = None,
    limit: int | None = None,
    force: bool = False,
    group: bool = True,
    allow_removal: bool = False,
    night: Night = Night(),  # noqa: B008 - frozen
) -> RunReport:
    """Ingest and build to the end, or as far as the night reaches.

    Raises InputError for a folder that is missing or has lost most of its products, CheckpointError and PolicyViolation
    before anything is computed.
    """
    started = time.monotonic()
    with notifying(factory) as tell:
        catalogue_id, changes = ingest_source(factory, photos, group=group, allow_removal=allow_removal)
        models = models_of(factory, recipe)
        run_id = begin_run(factory, catalogue_id, recipe)
        plan = plan_catalogue(
            factory, catalogue_id, recipe, models, run_id=run_id, limit=limit, force=force, first=night.first
        )
        factory.budget = budget_of(factory, night, recipe, models)
        stopped = _build(factory, plan.build, models, force, run_id) if plan.build else None
        if factory.budget.stop_reason:
            factory.retry_database(runs.put_back, plan.build)
        rows = factory.retry_database(assets.list_assets, ids=[*plan.build, *plan.reused])
        seconds, night_end = time.monotonic() - started, factory.budget.stop_reason
        report = summary(run_id, rows, plan.reused, seconds, changes, stopped, night_end)
        factory.retry_database(runs.end_run, run_id, _short(report))
        tell("run.stopped" if stopped else "run.ended", _short(report))
    if out is not None:
        deliver(factory, rows, out)
        report = replace(report, sheet=write_sheet(factory, rows, out / "contact-sheet.png"))
    return report


def build_again(factory: Factory, asset_ids: Sequence[str], reused: Sequence[str] = ()) -> RunReport:
    """Build queued assets whatever run they came from; the report of `retry --json`, which lists ``reused`` too."""
    started = time.monotonic()
    run_id = new_run_id()
    stopped = None
    with notifying(factory) as tell:
        # Recipe by recipe: each change of weights would load a model anew.
        queued = sorted(factory.retry_database(assets.list_assets, ids=asset_ids), key=lambda row: row.recipe_hash)
        if queued:
            first = factory.retry_database(assets.job, queued[0].asset_id).parameters
            preloaded: Mapping[str, Weights] = {}
            with contextlib.suppress(InvalidRecipe):  # of another version: that asset alone ends with this sentence
                preloaded = models_of(factory, of_record(first))
            stopped = _build(factory, [row.asset_id for row in queued], preloaded)
        rows = factory.retry_database(assets.list_assets, ids=[*asset_ids, *reused])
        report = summary(run_id, rows, tuple(reused), time.monotonic() - started, None, stopped)
        tell("run.stopped" if stopped else "run.ended", _short(report))
    return report


def _short(report: RunReport) -> Any:
    """The report as JSON, without its assets: of a size that does not grow with the catalogue."""
    return {name: value for name, value in to_json(report).items() if name != "assets"}


def _announce(factory: Factory, asset_ids: Sequence[str]) -> None:
    rows = factory.retry_database(assets.list_assets, ids=asset_ids)
    factory.listener.planned({row.asset_id: row.sku for row in rows})


def _build(
    factory: Factory,
    asset_ids: Sequence[str],
    preloaded: Mapping[str, Weights],
    force: bool = False,
    run_id: str | None = None,
) -> str | None:
    """Why the run was stopped before its end, else None. Prefect's server and the models come up side by side.

    While the server is still coming up, the first assets' stages are computed already: the flow then finds them
    finished under their keys, as it would after a crash. So the first result does not wait for the orchestrator.
    """
    _announce(factory, asset_ids)
    server = EmbeddedServer(factory.settings.home_path)
    server.start()
    token = FACTORY.set(factory)
    try:
        _preload(factory, preloaded)
        settled = build_ahead(factory, asset_ids, preloaded if run_id else None, server.ready, force, run_id)
        left = [asset_id for asset_id in asset_ids if asset_id not in settled]
        if left:
            server.wait()
            flow_of_a_run(left, force, run_id)
    except RunStopped as error:
        return str(error)
    finally:
        FACTORY.reset(token)
        server.stop()
    return None


def flow_of_a_run(asset_ids: list[str], force: bool, run_id: str | None = None) -> None:
    """The flow in this process; a server must be up and the factory in its context. Raises :class:`TransientError`
    where ``PREFECT_API_URL`` names a server that does not answer."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_RETRY_EXTRA_CODES,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    from flows.build_assets import build_assets

    # A flow waits a second for its heartbeat thread to end; nobody watches for zombies in this process. Prefect reads
    # its settings when it is imported, and a second server of this process listens elsewhere.
    settings = {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_CLIENT_RETRY_EXTRA_CODES: "500,504",
        PREFECT_API_URL: os.environ["PREFECT_API_URL"],
    }
    try:
        with temporary_settings(settings):
            build_assets(asset_ids, force, run_id)
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):  # Prefect has no class for it
            raise
        url = os.environ["PREFECT_API_URL"]
        raise TransientError(
            f"Prefect's server {url} does not answer: start it, or unset PREFECT_API_URL and a server is started for "
            "each run. What was finished is kept."
        ) from error


def _preload(factory: Factory, models: Mapping[str, Weights]) -> None:
    """Have the model's process load what it will need, without waiting for it."""
    import threading

    call = StageCall("preload", {}, {}, models={r: w.path for r, w in models.items()}, device=factory.settings.device)

    def load() -> None:
        from core.errors import MeshmillError

        with contextlib.suppress(MeshmillError):  # the stage that needs the model will say it again, and be recorded
            factory.worker("segment").call(call, lambda *_, **__: None, factory.settings.stage_timeout)

    threading.Thread(target=load, name="preload", daemon=True).start()
    factory.worker("mesh").start()


def summary(
    run_id: str,
    rows: list[AssetRow],
    reused: tuple[str, ...],
    seconds: float,
    changes: Changes | None,
    stopped: str | None = None,
    night: str | None = None,
) -> RunReport:
    """``night``: why what is queued was left for another night."""
    counts = Counter(row.status for row in rows)
    waiting = len(changes.waiting if changes else ()) + (0 if stopped or night else counts["queued"])
    return RunReport(
        run_id=run_id,
        counts={name: counts[name] for name in ("finished", "review", "failed", "quarantined")}
        | {"waiting": waiting, "reused": len(reused)}
        | ({"queued": counts["queued"]} if stopped or night else {}),
        seconds=round(seconds, 2),
        stopped=stopped,
        night=night,
        size_unknown=sum(row.status in ("finished", "review") and not row.size_known for row in rows),
        changes=changes,
        assets=[row.reported() for row in sorted(rows, key=lambda row: (row.catalogue, row.sku))],
    )


def deliver(factory: Factory, rows: list[AssetRow], out: Path) -> list[Path]:
    """Finished GLBs as ``out/<sku>.glb``, those that wait for a person as ``out/review/<sku>.glb``; what a file's
    name cannot hold is escaped. Raises ``ObjectDamaged``, in the end, where one is lost and cannot be made again."""
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    lost: ObjectDamaged | None = None
    names = delivered_names([row.sku for row in rows])
    for row in rows:
        if row.status not in ("finished", "review"):
            continue
        stored = factory.retry_database(assets.artifact, row.asset_id, "glb")
        if stored is None:
            continue
        path = delivered_path(out, names[row.sku], row.status)
        if not path.is_file() or path.stat().st_size != stored.bytes or _differs(path, stored.sha256):
            try:
                _hand_out(factory, stored, path)
            except ObjectDamaged as error:  # the others are handed out all the same
                lost = lost or error
                continue
        written.append(path)
    if lost is not None:
        raise lost
    return written


def _hand_out(factory: Factory, stored: Stored, path: Path) -> None:
    """Copy an object out of the store, made again first where it is not there, whole. Raises ``ObjectDamaged``."""
    read_whole(factory, stored, partial(copy_to_file, factory.store, stored.key, stored.sha256, path))


def delivered_path(out: Path, name: str, status: str) -> Path:
    """Where the GLB of an asset that is finished or waits for a person is handed out."""
    return (out if status == "finished" else out / "review") / f"{name}.glb"


def delivered_names(skus: Sequence[str]) -> dict[str, str]:
    """File names of SKUs, unlike also where a disk does not tell capitals from small letters."""
    return distinct_file_names({sku: file_name(sku) for sku in skus}, {sku: sku for sku in skus})


def _differs(path: Path, sha256: str) -> bool:
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() != sha256
