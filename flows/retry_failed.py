"""Build settled assets again: finished stages are reused, the others get another chance, or another version."""

from __future__ import annotations

from prefect import flow, runtime, tags

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
    status: Retryable = "failed",
    skus: list[str] | None = None,
    catalogue: str | None = None,
    recipe: str | None = None,
    overrides: list[str] | None = None,
) -> dict[str, str]:
    """Asset id to its new status.

    Args:
        status: Which assets to take up again.
        skus: Only these products: SKU or catalogue/SKU.
        catalogue: Only of this catalogue: its name, folder or s3://…
        recipe: Make another version, by this recipe.
        overrides: Make another version, with settings such as finish.faces=10000.
    """
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
