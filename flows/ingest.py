"""The nightly flow: which photos are new or changed, build them, and say what came out."""

from __future__ import annotations

import time
from typing import Annotated

from prefect import flow, runtime, tags
from pydantic import Field

from core.recipes import Recipe, RecipeName, load_recipe
from core.records import to_json
from db import gallery, runs
from flows.artifacts import show_sheet, show_text
from flows.build_catalogue import build_catalogue
from flows.links import gallery_page
from flows.pages import log, night_name, tag
from flows.report import NightSummary, ended_in_words, in_words, markdown_summary, nightly_summary, write_summary
from flows.sheet import MOST
from flows.stopped import end_of
from tasks.factory import FACTORY, open_factory
from tasks.fsck import checked_tonight
from tasks.ingest import ingest_source
from tasks.plan import begin_run
from tasks.webhooks import notifying, open_or_notify


@flow(name="ingest", flow_run_name=night_name, log_prints=False)
def ingest(
    folder: Annotated[str, Field(min_length=1)],
    recipe: Recipe | RecipeName = ("starter"),
    limit: Annotated[int | None, Field(ge=1)] = None,
    force: bool = False,
    allow_removal: bool = False,
    settle_seconds: Annotated[float, Field(ge=0)] = 60.0,
    shard_size: Annotated[int, Field(ge=1, le=1000)] = 50,
    group: bool = True,
    deployment: str | None = None,
) -> NightSummary:
    """Take in a catalogue and build what is new or changed; the summary is an artifact and a JSON file in the home.

    Args:
        folder: Folder, s3:// prefix, or CSV/XLSX/JSON manifest.
        recipe: Name, or a form.
        limit: Build at most so many products.
        force: Build everything again.
        allow_removal: Even when more than a fifth of the products is gone.
        settle_seconds: Younger files wait for the next night.
        shard_size: Assets a build_assets run.
        group: Photos of one stem in a folder are one product.
        deployment: Deployment that shards go to; None builds here.
    """
    started = time.monotonic()
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    factory = open_or_notify(lambda: open_factory(patient=True))
    token = FACTORY.set(factory)
    try:
        with notifying(factory) as tell:
            catalogue_id, changes = ingest_source(
                factory, folder, settle_seconds, group=group, allow_removal=allow_removal
            )
            catalogue = factory.retry_database(runs.catalogue_name, catalogue_id)
            tag(catalogue=catalogue, recipe=chosen.name)
            log("Catalogue %s: %s.", catalogue, in_words(changes))
            run_id = begin_run(factory, catalogue_id, chosen, runtime.flow_run.id)
            with tags(*runtime.flow_run.tags):  # what watches the night watches its part too
                built = build_catalogue(catalogue_id, chosen, run_id, limit, force, shard_size, deployment)
            store = None if built.stopped else checked_tonight(factory)
            seconds, outcome = time.monotonic() - started, factory.retry_database(runs.outcome, run_id)
            summary = nightly_summary(run_id, outcome, built, changes, seconds, store)
            document = to_json(summary)
            factory.retry_database(runs.end_run, run_id, document)
            path = write_summary(factory.settings, summary)
            text = markdown_summary(
                summary, lambda status: gallery_page(factory.settings, catalogue=catalogue, status=status)
            )
            show_text(text, "nightly-summary", f"Run {run_id}")
            for line in ended_in_words(summary):
                log("%s", line)
            show_sheet(factory, factory.retry_database(gallery.of_run, run_id, MOST), path.with_suffix(".png"))
            tell("run.stopped" if summary.stopped else "run.ended", document)
    finally:
        FACTORY.reset(token)
        factory.close()
    return end_of(summary.stopped) or summary
