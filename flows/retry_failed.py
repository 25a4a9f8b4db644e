"""Build settled assets again: finished stages are reused, the others get another chance."""

from __future__ import annotations

from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from db.assets import requeue
from flows.build_assets import build_assets
from flows.webhooks import told
from tasks.house import HOUSE, open_house


@flow(name="retry_failed", log_prints=False)
def retry_failed(
    status: Annotated[
        Literal["failed", "quarantined", "queued", "running"], Field(description="Which assets to take up again")
    ] = "failed",
    skus: Annotated[list[str] | None, Field(description="Only these products")] = None,
) -> dict[str, str]:
    """Asset id to its new status."""
    house = HOUSE.get(None) or open_house(patient=True)
    token = HOUSE.set(house)
    try:
        with told(house):
            return build_assets(house.ask(requeue, [status], skus or []))
    finally:
        HOUSE.reset(token)
        house.close()
