"""Shards on a work pool: sent, watched, sent again where their worker died, called off where the run is stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from core.errors import InputError, RunStopped
from db.runs import unsettled
from flows.artifacts import UNSEEN
from tasks.factory import Factory
from tasks.stopping import CANCELLED, Breaker

AT_ONCE = 500
"""Shards in flight at most: more workers than that work for several nights."""

AHEAD = 4
"""Shards of a night that wait for a worker at any moment. A queue is served in the order of coming, so that nights that
run at once get the same share of the workers, and one that comes later waits for so few shards."""

PAGE = 100
"""Flow runs whose states are asked for at once: the server answers with 200 at most."""

TRIES = 3
"""How often a shard goes out: its worker may be killed, and what it left unfinished goes to another one."""

POLL_SECONDS = 2.0

SILENT_SECONDS = 3600.0
"""How long Prefect's server may say nothing: workers go on without it, the database says what came out."""


@dataclass
class _Flying:
    """A shard on its way."""

    number: int
    size: int
    left: list[str]
    tries: int = 0
    begun: bool = False
    """A worker has it."""


class WorkPool:
    """The shards of one run, as flow runs of a deployment. The database says what came of them."""

    def __init__(self, factory: Factory, deployment: str, run_id: str, force: bool) -> None:
        self._factory, self._deployment, self._run_id, self._force = factory, deployment, run_id, force
        self._breaker = Breaker(factory, run_id)
        self._flying: dict[UUID, _Flying] = {}
        self._unsent: list[_Flying] = []
        self._last_answer = time.monotonic()
        self._ours = [
            UUID(str(id_)) for id_ in (runtime.flow_run.id, runtime.flow_run.parent_flow_run_id) if id_ is not None
        ]

    def build(self, shards: Iterable[list[str]]) -> Iterator[int]:
        """Sizes of the shards that came to an end, as they do. What is open after some tries stays queued: the next
        run takes it up. Raises :class:`RunStopped` when no shard works any more."""
        coming = (_Flying(number, len(shard), shard) for number, shard in enumerate(shards))
        try:
            while True:
                self._send_more(coming)
                if not self._flying and not self._unsent:
                    return
                time.sleep(POLL_SECONDS)
                self._breaker.check()
                yield from self._landed()
        except RunStopped:
            self._call_off()
            self._wait()
            raise
        except Exception:
            raise  # the shards go on, and what they finish counts
        except BaseException:  # our process is told to end
            self._breaker.stop(CANCELLED)
            self._call_off()
            raise

    def _may_send(self) -> bool:
        waiting = sum(not shard.begun for shard in self._flying.values())
        return waiting < AHEAD and len(self._flying) < AT_ONCE

    def _send_more(self, coming: Iterator[_Flying]) -> None:
        """First what Prefect did not take before; nothing more while it is away."""
        while self._may_send():
            shard = self._unsent.pop(0) if self._unsent else next(coming, None)
            if shard is None or not self._send(shard):
                return

    def _send(self, shard: _Flying) -> bool:
        """Whether Prefect took it; where its server is away the shard goes later. Raises its error where that lasts."""
        shard.tries += 1
        shard.begun = False
        parameters: dict[str, Any] = {"asset_ids": shard.left, "force": self._force, "run_id": self._run_id}
        # Asked twice, as after an answer that was lost, the server makes one run.
        key = f"{self._run_id}-{shard.number}-{shard.tries}"
        try:
            run = cast(FlowRun, run_deployment(self._deployment, parameters=parameters, timeout=0, idempotency_key=key))
        except ObjectNotFound as error:
            raise InputError(
                f"There is no deployment {self._deployment}: `prefect --no-prompt deploy --all` makes it."
            ) from error
        except httpx.HTTPError as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500
            if refused or time.monotonic() - self._last_answer > SILENT_SECONDS:
                raise
            shard.tries -= 1
            self._unsent.append(shard)
            return False
        self._last_answer = time.monotonic()
        self._flying[run.id] = shard
        return True

    def _landed(self) -> Iterator[int]:
        """Sizes of shards that have just come to an end; one whose worker died goes out again."""
        states = self._states([*self._flying, *self._ours])
        if any(states.get(own) in (StateType.CANCELLING, StateType.CANCELLED) for own in self._ours):
            self._breaker.stop(CANCELLED)
            self._breaker.check()
        for id_, shard in list(self._flying.items()):
            state = states.get(id_)
            if state is not None and state not in _FINAL:
                shard.begun = state not in _WAITING
                continue
            shard.left = self._factory.retry_database(unsettled, shard.left)
            if state is None and shard.left:
                continue  # Prefect says nothing: the worker may be at it
            del self._flying[id_]
            if shard.left and state is not StateType.CANCELLED and shard.tries < TRIES:
                self._send(shard)
            else:
                yield shard.size

    def _states(self, ids: Sequence[UUID]) -> dict[UUID, StateType]:
        """By flow run; empty while Prefect's server is away. Raises its error where that lasts."""
        try:
            with get_client(sync_client=True) as client:
                found = [run for start in range(0, len(ids), PAGE) for run in _read(client, ids[start : start + PAGE])]
        except UNSEEN:
            if time.monotonic() - self._last_answer > SILENT_SECONDS:
                raise
            return {}
        self._last_answer = time.monotonic()
        return {run.id: run.state_type for run in found if run.state_type is not None}

    def _call_off(self) -> None:
        """Shards that no worker has taken up begin no more; the others see that the run is stopped, and end after their
        stage. So does one that a worker begins at this very moment: Prefect lets a cancelled run begin."""
        states = self._states(list(self._flying))
        for id_ in [id_ for id_, state in states.items() if state in (StateType.SCHEDULED, StateType.PENDING)]:
            with suppress(*UNSEEN), get_client(sync_client=True) as client:
                client.set_flow_run_state(id_, Cancelled(message="Its run was stopped."))

    def _wait(self) -> None:
        """Until no shard works any more; at most a stage's time, or while Prefect says nothing."""
        deadline = time.monotonic() + self._factory.settings.stage_timeout
        while time.monotonic() < deadline:
            states = self._states(list(self._flying))
            if all(state in _FINAL for state in states.values()):
                return
            time.sleep(POLL_SECONDS)


def _read(client: SyncPrefectClient, ids: Sequence[UUID]) -> list[FlowRun]:
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(ids))))


_WAITING = {StateType.SCHEDULED, StateType.PENDING}
_FINAL = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}
