"""Whether a run whose host died is found: the deployments' heartbeats and the automation that misses them agree."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeGuard

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.related import tags_as_related_resources
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings.models.flows import FlowsSettings

HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
BEAT = "prefect.flow-run.heartbeat"

BEATS = 3
"""Heartbeats that must fit in the automation's window: one or two may be late, or lost on the way."""


def kit(name: str) -> Path:
    """A file of what a server is set up with: beside the code, or below ``share/meshmill`` of an installed wheel."""
    beside = Path(__file__).parents[1] / name
    return beside if beside.is_file() else Path(sys.prefix) / "share" / "meshmill" / name


def problems() -> list[str]:
    """What does not agree on the server of ``PREFECT_API_URL``, a sentence each."""
    return asyncio.run(_problems())


def put_automations() -> None:
    """Put `automations.yaml` on the server: what stands there under the same names is replaced, however often."""
    asyncio.run(_put_automations())


def _wanted() -> list[AutomationCore]:
    described = yaml.safe_load(kit("automations.yaml").read_text("utf-8"))
    return [AutomationCore.model_validate(one) for one in described["automations"]]


async def _put_automations() -> None:
    async with get_client() as client:
        for wanted in _wanted():
            before = await client.read_automations_by_name(wanted.name)
            await client.create_automation(wanted)
            for old in before:
                await client.delete_automation(old.id)


async def _problems() -> list[str]:
    async with get_client() as client:
        automations = await client.read_automations()
        deployments = [one async for one in _all_deployments(client)]
    return list(disagreements(automations, deployments))


async def _all_deployments(client: PrefectClient) -> AsyncIterator[DeploymentResponse]:
    offset = 0
    while page := await client.read_deployments(limit=200, offset=offset):
        offset += len(page)
        for one in page:
            yield one


def disagreements(automations: Sequence[Automation], deployments: Sequence[DeploymentResponse]) -> Iterator[str]:
    """Runs that would be taken for dead while they work, or never."""
    again = "`prefect --no-prompt deploy --all`, then `meshmill doctor prefect --fix`."
    names = [one.name for one in automations]
    for name in (wanted.name for wanted in _wanted()):
        if names.count(name) != 1:
            how = "is missing" if name not in names else f"stands there {names.count(name)} times"
            yield f"The automation '{name}' {how}: {again}"
    triggers = [(one.name, one.trigger) for one in automations if one.enabled]
    watching = [(name, trigger) for name, trigger in triggers if _misses_heartbeats(trigger)]
    ours = {one["entrypoint"] for one in yaml.safe_load(kit("prefect.yaml").read_text("utf-8"))["deployments"]}
    for deployment in deployments:
        found = [(name, trigger) for name, trigger in watching if _watches(trigger, deployment.tags)]
        beat = heartbeat_of(deployment)
        for name, trigger in found:
            if beat is None or trigger.within < BEATS * beat:
                shown = "no heartbeat" if beat is None else f"one in {beat.total_seconds():.0f} s"
                yield (
                    f"Working runs of the deployment '{deployment.name}' would be taken for dead: they send {shown}, "
                    f"the automation '{name}' waits {trigger.within.total_seconds():.0f} s for it: {again}"
                )
        if deployment.entrypoint in ours and not found:
            yield (
                f"No automation watches the deployment '{deployment.name}': a run whose host died would keep its slot "
                f"for ever: {again}"
            )


def heartbeat_of(deployment: DeploymentResponse) -> timedelta | None:
    """How often its runs say that they live."""
    given = (deployment.job_variables.get("env") or {}).get(HEARTBEAT)
    seconds = given if given is not None else FlowsSettings.model_fields["heartbeat_frequency"].default
    return timedelta(seconds=int(seconds)) if seconds else None


def _misses_heartbeats(trigger: object) -> TypeGuard[EventTrigger]:
    return isinstance(trigger, EventTrigger) and trigger.posture == Posture.Proactive and BEAT in trigger.expect


def _watches(trigger: EventTrigger, tags: Sequence[str]) -> bool:
    """Whether a trigger looks at runs with these tags; one that names none looks at all."""
    given = trigger.match_related if isinstance(trigger.match_related, list) else [trigger.match_related]
    related = tags_as_related_resources(set(tags))
    return all(ResourceSpecification.model_validate(one).includes(related) for one in given)
