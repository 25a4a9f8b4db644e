"""Switches the nightly schedule on: MESHMILL_CATALOGUE, MESHMILL_RECIPE, MESHMILL_NIGHT (cron), in the zone TZ;
where no catalogue is named it stays off."""

from __future__ import annotations

import os

from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule


def main() -> None:
    catalogue = os.environ.get("MESHMILL_CATALOGUE")
    if not catalogue:
        return
    night = CronSchedule(
        cron=os.environ.get("MESHMILL_NIGHT") or "0 1 * * *", timezone=os.environ.get("TZ") or "Europe/Berlin"
    )
    parameters = {"folder": catalogue, "recipe": os.environ.get("MESHMILL_RECIPE") or "starter"}
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("ingest/nightly")
        for schedule in client.read_deployment_schedules(nightly.id):
            client.update_deployment_schedule(
                nightly.id, schedule.id, active=True, schedule=night, parameters=parameters
            )


if __name__ == "__main__":
    main()
