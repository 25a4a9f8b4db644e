"""Build settled assets again: finished stages are reused, the others get another chance, or another version."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from core.errors import RunStopped
from db.assets import Retryable, of_status, requeue
from db.skus import find_product
from flows.build_assets import build_assets, show_shard
from flows.pages import retry_name
from flows.stopped import end_of
from tasks.house import HOUSE, House, open_house
from tasks.plan import plan_otherwise
from tasks.webhooks import opened_or_told, told


@flow(name="retry_failed", flow_run_name=retry_name, log_prints=False)
def retry_failed(
    status: Annotated[Retryable, Field(description="Which assets to take up again")] = "failed",
    skus: Annotated[list[str] | None, Field(description="Only these products: SKU or catalogue/SKU")] = None,
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
            chosen = _chosen(house, status, skus or [], recipe, overrides or [])
            statuses = build_assets(chosen)
        show_shard(house, chosen)
    except RunStopped as error:
        return end_of(str(error))  # type: ignore[no-any-return]  # one of Prefect's states
    finally:
        HOUSE.reset(token)
        house.close()
    return statuses


def _chosen(house: House, status: str, skus: list[str], recipe: str | None, overrides: list[str]) -> list[str]:
    products = [house.ask(find_product, sku) for sku in skus]
    if recipe is None and not overrides:
        return house.ask(requeue, [status], products)
    return list(plan_otherwise(house, house.ask(of_status, [status], products), recipe, overrides).build)
