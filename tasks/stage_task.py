"""A stage as a Prefect task: its name, its retries, its run's id in our record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff
from prefect.utilities.annotations import quote

from tasks.factory import FACTORY
from tasks.failures import is_transient
from tasks.run_stage import StageRequest, StageResult, run_stage


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    error = getattr(state, "data", None)
    error = getattr(error, "result", error)
    return isinstance(error, BaseException) and is_transient(error)


@task(
    name="stage",
    task_run_name="{sku} {stage}",
    retries=4,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
    log_prints=False,
)
def stage_task(sku: str, stage: str, call: quote) -> StageResult:
    """Run or reuse one stage of one asset. ``call`` is quoted: Prefect must not look through its contents."""
    context = TaskRunContext.get()
    run_id = str(context.task_run.id) if context and context.task_run else None
    request = call.unquote() if isinstance(call, quote) else call
    return run_stage(FACTORY.get(), replace(request, prefect_run_id=run_id))


def run_as_task(request: StageRequest) -> StageResult:
    """The runner that flows hand to :func:`tasks.build.build_asset`."""
    return stage_task(request.sku or request.asset_id, request.stage, quote(request))
