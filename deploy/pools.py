"""The work pools and queues that the deployments name, made where they are missing; what stands is left as it is."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

POOLS: dict[str, dict[str, int]] = {"cpu": {}, "gpu": {"rush": 1, "night": 10}}
"""Queues of each pool by their priority: the lower number goes first."""


def main() -> None:
    with get_client(sync_client=True) as client:
        for pool, queues in POOLS.items():
            try:
                client.read_work_pool(pool)
            except ObjectNotFound:
                template = ProcessWorker.get_default_base_job_template()
                client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
            for queue, priority in queues.items():
                try:
                    client.read_work_queue_by_name(queue, work_pool_name=pool)
                except ObjectNotFound:
                    client.create_work_queue(queue, priority=priority, work_pool_name=pool)


if __name__ == "__main__":
    main()
