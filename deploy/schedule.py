"""Switches the nightly schedule on: MESHMILL_CATALOGUE (several with | between them: a schedule each), MESHMILL_RECIPE,
MESHMILL_NIGHT (cron), in the zone TZ; where no catalogue is named it stays off."""

from __future__ import annotations

import os

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule


def main() -> None:
    catalogues = [name.strip() for name in os.environ.get("MESHMILL_CATALOGUE", "").split("|") if name.strip()]
    if not catalogues:
        return
    night = CronSchedule(
        cron=os.environ.get("MESHMILL_NIGHT") or "0 1 * * *", timezone=os.environ.get("TZ") or "Europe/Berlin"
    )
    recipe = os.environ.get("MESHMILL_RECIPE") or "starter"
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("ingest/nightly").id
        standing = client.read_deployment_schedules(nightly)
        for number, catalogue in enumerate(catalogues):
            parameters = {"folder": catalogue, "recipe": recipe}
            if number < len(standing):
                client.update_deployment_schedule(
                    nightly, standing[number].id, active=True, schedule=night, parameters=parameters
                )
            else:
                new = DeploymentScheduleCreate(schedule=night, active=True, parameters=parameters)
                client.create_deployment_schedules(nightly, [new])
        for schedule in standing[len(catalogues) :]:
            client.delete_deployment_schedule(nightly, schedule.id)


if __name__ == "__main__":
    main()
