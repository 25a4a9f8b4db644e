"""Build settled assets again: finished stages are reused, the others get another chance, or another version."""

from __future__ import annotations

from typing import Annotated

from prefect import flow, runtime, tags
from pydantic import Field

from core.errors import RunStopped
from db.assets import Retryable, of_status, requeue
from flows.build_assets import build_assets, show_shard
from flows.pages import retry_name
from flows.stopped import end_of
from tasks.factory import FACTORY, Factory, open_factory
from tasks.names import find_scope
from tasks.plan import plan_with_changes
from tasks.webhooks import notifying, open_or_notify


@flow(name="retry_failed", flow_run_name=retry_name, log_prints=False)
def retry_failed(
    status: Annotated[Retryable, Field(description="Which assets to take up again")] = "failed",
    skus: Annotated[list[str] | None, Field(description="Only these products: SKU or catalogue/SKU")] = None,
    catalogue: Annotated[str | None, Field(description="Only of this catalogue: its name, folder or s3://…")] = None,
    recipe: Annotated[str | None, Field(description="Make another version, by this recipe")] = None,
    overrides: Annotated[
        list[str] | None, Field(description="Make another version, with settings such as views.steps=30")
    ] = None,
) -> dict[str, str]:
    """Asset id to its new status."""
    factory = FACTORY.get(None) or open_or_notify(lambda: open_factory(patient=True))
    token = FACTORY.set(factory)
    try:
        with notifying(factory):
            chosen = _chosen(factory, status, find_scope(factory, skus or [], catalogue), recipe, overrides or [])
            with tags(*runtime.flow_run.tags):
                statuses = build_assets(chosen)
        show_shard(factory, chosen)
    except RunStopped as error:
        return end_of(str(error))  # type: ignore[no-any-return]  # one of Prefect's states
    finally:
        FACTORY.reset(token)
        factory.close()
    return statuses


def _chosen(
    factory: Factory, status: str, scope: tuple[list[int], list[int]], recipe: str | None, overrides: list[str]
) -> list[str]:
    if recipe is None and not overrides:
        return factory.retry_database(requeue, [status], *scope)
    return list(
        plan_with_changes(factory, factory.retry_database(of_status, [status], *scope), recipe, overrides).build
    )
