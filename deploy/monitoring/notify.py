"""Tell people when a night ends badly: a notification block and an automation on the Prefect server of PREFECT_API_URL.

    python notify.py 'https://hooks.slack.com/services/T000/B000/XXXX'                        a Slack channel
    python notify.py 'mailtos://user:password@smtp.example.com?from=shop@example.com&to=ops@example.com'   a mailbox

The address is any that Apprise knows (Teams, Matrix, …); it is kept encrypted in the block `meshmill-people`. Running
it again changes the address. The Prefect server itself sends, so it must reach the address.
"""

from __future__ import annotations

import sys

NAME = "Tell people that a run ended badly"


def main() -> None:
    from prefect.automations import Automation
    from prefect.blocks.notifications import SlackWebhook
    from prefect.events import EventTrigger
    from prefect.events.actions import SendNotification

    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    # The block for Slack hands what is no address of Slack's to Apprise as it is.
    block = SlackWebhook(url=sys.argv[1], notify_type="failure").save("meshmill-people", overwrite=True)
    automation = Automation(
        name=NAME,
        description="A night, a shard or a retry failed or crashed. What was finished is kept; the next night goes on.",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            posture="Reactive",
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="Meshmill: {{ flow.name }} {{ flow_run.state.name }}",
                body="{{ flow.name }} / {{ flow_run.name }}: {{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
            )
        ],
    )
    try:
        standing = Automation.read(name=NAME)
    except ValueError:
        automation.create()
    else:
        automation.id = standing.id
        automation.update()
    sys.stdout.write(f"{NAME}: {sys.argv[1].partition('://')[0]}\n")


if __name__ == "__main__":
    main()
