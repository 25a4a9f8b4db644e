"""What a flow run is called on Prefect's pages, its tags and its own log lines."""

from __future__ import annotations

import logging
import platform
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from flows.artifacts import UNSEEN


def named_after(parameter: str) -> str:
    """``photos 2026-11-28``: the last part of a folder, prefix or file that a run is about, and its day."""
    place = str(runtime.flow_run.parameters.get(parameter) or runtime.flow_run.flow_name)
    return f"{place.rstrip('/').rpartition('/')[2] or place} {datetime.now():%Y-%m-%d}"


def night_name() -> str:
    """Of `ingest`, `evaluate`: by their folder."""
    return named_after("folder")


def training_name() -> str:
    """Of `train_views`: by the folder that it writes."""
    return named_after("out")


def shard_name() -> str:
    """Of `build_assets`: how many assets, and of which night."""
    asset_ids = runtime.flow_run.parameters.get("asset_ids") or []
    run_id = str(runtime.flow_run.parameters.get("run_id") or "")
    return f"{len(asset_ids)} assets" + (f" of {run_id}" if run_id else "")


def retry_name() -> str:
    """Of `retry_failed`: which assets, and the day."""
    given = runtime.flow_run.parameters
    which = ", ".join(given.get("skus") or []) or str(given.get("status") or "failed")
    return f"{which[:80]} again {datetime.now():%Y-%m-%d}"


def log(text: str, *values: object) -> None:
    """A line on the run's page, or in the process's own log where no run is."""
    try:
        get_run_logger().info(text, *values)
    except MissingContextError:
        logging.getLogger(__name__).info(text, *values)


def our_version() -> str:
    """Of the installed package; a checkout that was never installed has none."""
    try:
        return version("meshmill")
    except PackageNotFoundError:
        return "unknown"


def tag(**about: str) -> None:
    """Tags of this flow run, such as ``catalogue:photos``, and where and with which version it ran; runs can be
    filtered by them."""
    if runtime.flow_run.id is None:
        return
    about |= {"host": platform.node(), "version": our_version()}
    tags = {*runtime.flow_run.tags, *(f"{name}:{value}" for name, value in about.items())}
    with suppress(*UNSEEN), get_client(sync_client=True) as client:
        client.update_flow_run(UUID(str(runtime.flow_run.id)), tags=sorted(tags))
