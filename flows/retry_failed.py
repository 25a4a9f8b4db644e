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
from tasks.house import HOUSE, House, open_house
from tasks.names import find_scope
from tasks.plan import plan_otherwise
from tasks.webhooks import opened_or_told, told


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
    house = HOUSE.get(None) or opened_or_told(lambda: open_house(patient=True))
    token = HOUSE.set(house)
    try:
        with told(house):
            chosen = _chosen(house, status, find_scope(house, skus or [], catalogue), recipe, overrides or [])
            with tags(*runtime.flow_run.tags):
                statuses = build_assets(chosen)
        show_shard(house, chosen)
    except RunStopped as error:
        return end_of(str(error))  # type: ignore[no-any-return]  # one of Prefect's states
    finally:
        HOUSE.reset(token)
        house.close()
    return statuses


def _chosen(
    house: House, status: str, scope: tuple[list[int], list[int]], recipe: str | None, overrides: list[str]
) -> list[str]:
    if recipe is None and not overrides:
        return house.ask(requeue, [status], *scope)
    return list(plan_otherwise(house, house.ask(of_status, [status], *scope), recipe, overrides).build)
