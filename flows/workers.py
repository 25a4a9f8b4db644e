"""Who builds: pools and queues that the deployments name, workers that are online, and which version they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime, FlowRunFilterTags
from prefect.client.schemas.objects import WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.pages import our_version
from flows.watching import kit

VERSION, HOST = "version:", "host:"
LATELY = timedelta(days=3)
RUNS = 200


@dataclass(frozen=True)
class Finding:
    """What stands, and a sentence for each thing that must be done."""

    found: str
    objections: Sequence[str] = ()


def wanted_queues() -> dict[str, set[str]]:
    """By pool, the queues that prefect.yaml's deployments go to."""
    wanted: dict[str, set[str]] = {}
    for deployment in yaml.safe_load(kit("prefect.yaml").read_text("utf-8"))["deployments"]:
        place = deployment["work_pool"]
        wanted.setdefault(place["name"], set()).add(place.get("work_queue_name", "default"))
    return wanted


def pools_found() -> Finding:
    """Every pool and queue is there."""
    found, wrong = [], []
    with get_client(sync_client=True) as client:
        for name, queues in wanted_queues().items():
            try:
                pool = client.read_work_pool(name)
            except ObjectNotFound:
                wrong.append(
                    f"There is no work pool {name}: run deploy/setup.sh, or `prefect work-pool create {name}`."
                )
                continue
            found.append(f"{name} ({pool.type}: {', '.join(sorted(queues))})")
            for queue in sorted(queues):
                try:
                    client.read_work_queue_by_name(queue, work_pool_name=name)
                except ObjectNotFound:
                    wrong.append(f"The work pool {name} has no queue {queue}: run deploy/setup.sh.")
    return Finding(", ".join(found) or "none", wrong)


def workers_found() -> Finding:
    """No pool or queue is paused, every pool has a worker that said something lately, and all ran this very version
    when they last ran."""
    found, wrong = [], []
    with get_client(sync_client=True) as client:
        for name, queues in wanted_queues().items():
            try:
                paused = client.read_work_pool(name).is_paused
                workers = client.read_workers_for_work_pool(name)
                waiting = [
                    q for q in sorted(queues) if client.read_work_queue_by_name(q, work_pool_name=name).is_paused
                ]
            except ObjectNotFound:
                continue  # which `pools` says
            if paused:
                wrong.append(f"The work pool {name} is paused: `prefect work-pool resume {name}`.")
            for queue in () if paused else waiting:
                wrong.append(f"The queue {queue} is paused: `prefect work-queue resume {queue} --pool {name}`.")
            online = [worker.name for worker in workers if worker.status == WorkerStatus.ONLINE]
            found.append(f"{name}: {', '.join(online) or 'none'}")
            if not online:
                wrong.append(f"No worker of the pool {name} is online: start one, and look into its journal.")
        ran = versions_of_late(client)
    ours = our_version()
    if ran:
        found.append("last ran " + ", ".join(f"{version} on {host}" for host, version in sorted(ran.items())))
    others = sorted(host for host, version in ran.items() if version != ours)
    if others:
        wrong.append(f"{', '.join(others)} ran another version than {ours}, which is here: install one everywhere.")
    return Finding("; ".join(found) or "none", wrong)


def versions_of_late(client: SyncPrefectClient) -> dict[str, str]:
    """By host, the version of the last of its runs of late that says one; at most :data:`RUNS` runs are looked at."""
    lately = FlowRunFilter(
        start_time=FlowRunFilterStartTime(after_=datetime.now(UTC) - LATELY), tags=FlowRunFilterTags(all_=["meshmill"])
    )
    found: dict[str, str] = {}
    for run in client.read_flow_runs(flow_run_filter=lately, sort=FlowRunSort.START_TIME_DESC, limit=RUNS):
        said = [tag.removeprefix(VERSION) for tag in run.tags if tag.startswith(VERSION)]
        hosts = [tag.removeprefix(HOST) for tag in run.tags if tag.startswith(HOST)]
        if said and hosts:
            found.setdefault(hosts[0], said[0])
    return found
