"""What a flow run shows on Prefect's pages: how far it is, what came out, the contact sheet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from flows.links import gallery_page
from flows.sheet import Shown, write_sheet
from tasks.factory import Factory

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


def show_link(url: str, key: str, text: str) -> None:
    """A link."""
    with suppress(*UNSEEN):
        create_link_artifact(url, text, key=key)


def show_assets(rows: Sequence[AssetRow], description: str, page: Callable[[str], str | None]) -> None:
    """A table with a row an asset, where its GLB is, and its page in the gallery where there is one."""
    columns = ("sku", "status", "score", "reason", "faces", "bytes", "glb")
    table = [{name: getattr(row, name) for name in columns} | {"page": page(row.asset_id)} for row in rows]
    with suppress(*UNSEEN):
        create_table_artifact(table, "assets", description)


def show_sheet(factory: Factory, rows: Sequence[Shown], path: Path) -> None:
    """The contact sheet as a file in the home, and a link: into the gallery, worst first, or else to that file, which
    opens on the host that ran the flow."""
    sheet = write_sheet(factory, rows, path)
    if sheet is not None:
        link = gallery_page(factory.settings, order="worst") or Path(sheet).as_uri()
        show_link(link, "contact-sheet", "what was built, worst first")
