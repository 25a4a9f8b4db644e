"""What a flow run shows on Prefect's pages: how far it is, what came out, the contact sheet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from db.assets import AssetRow
from flows.sheet import Shown, write_sheet
from tasks.house import House

EVERY = 10.0
"""Seconds between two updates of a run's progress."""

UNSEEN = (PrefectException, httpx.HTTPError)
"""A page that Prefect's server could not take: nobody's asset fails for that."""


class ProgressArtifact:
    """The share of a run's assets that came to an end."""

    def __init__(self, key: str, description: str) -> None:
        self._key, self._description = key, description
        self._artifact: UUID | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show it, now and then; the last one always."""
        moment = time.monotonic()
        if done < total and moment - self._shown < EVERY:
            return
        self._shown = moment
        percent = 100.0 * done / total if total else 100.0
        with suppress(*UNSEEN):
            if self._artifact is None:
                made = create_progress_artifact(percent, self._key, self._description)
                self._artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._artifact, percent)


def show_text(markdown: str, key: str, description: str | None = None) -> None:
    """A page of text."""
    with suppress(*UNSEEN):
        create_markdown_artifact(markdown, key=key, description=description)


def show_picture(path: Path, key: str, text: str) -> None:
    """A link to a picture."""
    with suppress(*UNSEEN):
        create_link_artifact(path.as_uri(), text, key=key)


def show_assets(rows: Sequence[AssetRow], description: str) -> None:
    """A table with a row an asset and where its GLB is."""
    columns = ("sku", "status", "score", "reason", "faces", "bytes", "glb")
    with suppress(*UNSEEN):
        create_table_artifact([{name: getattr(row, name) for name in columns} for row in rows], "assets", description)


def show_sheet(house: House, rows: Sequence[Shown], path: Path) -> None:
    """The contact sheet as a file in the home, and a link to it."""
    sheet = write_sheet(house, rows, path)
    if sheet is not None:
        show_picture(Path(sheet), "contact-sheet", "contact sheet, worst first")
