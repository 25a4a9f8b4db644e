"""What every task needs, opened once: settings, database, store, worker processes, and who listens to progress."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Engine

from core.errors import InputError, TransientError
from db.catalogue import Changes
from db.engine import open_engine
from db.leases import owner_name
from db.migrate import prepare
from storage import Store, open_store
from tasks.compute import compute
from tasks.loopback import spare_loopback
from tasks.night import Budget, Night
from tasks.patience import patiently
from tasks.settings import Settings, read_settings
from tasks.stages import STAGE
from tasks.worker import Compute, StageWorker

P = ParamSpec("P")
T = TypeVar("T")


class Listener(Protocol):
    """Who is told how the work goes. Called from several threads."""

    def ingested(self, changes: Changes) -> None:
        """What a source showed, before anything is computed."""

    def planned(self, names: dict[str, str]) -> None:
        """Asset ids to SKUs that will be built."""

    def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None:
        """``state`` is ``started``, ``reused``, ``finished`` or ``failed``."""

    def progress(self, asset_id: str, stage: str, step: str, done: int, total: int, **figures: Any) -> None: ...

    def asset(self, asset_id: str, status: str, reason: str | None) -> None: ...


class NullListener:
    """Nobody listens."""

    def ingested(self, changes: Changes) -> None: ...

    def planned(self, names: dict[str, str]) -> None: ...

    def stage(self, asset_id: str, stage: str, state: str, **more: Any) -> None: ...

    def progress(self, asset_id: str, stage: str, step: str, done: int, total: int, **figures: Any) -> None: ...

    def asset(self, asset_id: str, status: str, reason: str | None) -> None: ...


@dataclass
class Factory:
    """The open factory."""

    settings: Settings
    engine: Engine
    store: Store
    compute: Compute
    listener: Listener = field(default_factory=NullListener)
    owner: str = field(default_factory=owner_name)
    _workers: dict[str, StageWorker] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the run was interrupted: nothing waits any longer, what is unfinished stays for the next run."""
    budget: Budget = field(default_factory=lambda: Budget(Night()))
    """What the run at hand may still take."""
    registered: bool = False
    """Whether the store knows that this database uses it."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def scratch(self) -> Path:
        """Where stages leave checkpoints of their own."""
        folder = self.settings.home_path / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def worker(self, stage: str, lane: int = 0) -> StageWorker:
        """The process that computes a stage."""
        beside = STAGE[stage].weights is None
        name = f"meshmill-finish-{lane}" if beside else "meshmill-model"
        with self._lock:
            if name not in self._workers:
                self._workers[name] = StageWorker(self.compute, name, threads=1 if beside else None)
            return self._workers[name]

    def retry_database(self, question: Callable[Concatenate[Engine, P], T], *args: P.args, **more: P.kwargs) -> T:
        """A query of ``db``, asked again while the database is being restarted; it must bear being asked twice."""
        return patiently(lambda: question(self.engine, *args, **more), self.settings.database_patience, self.stopping)

    def retry_store(self, work: Callable[[], T], alive: Callable[[], None] = lambda: None) -> T:
        """Something done with the store, done again while the store is down."""
        return patiently(work, self.settings.store_patience, self.stopping, alive)

    def retry_source(self, work: Callable[[], T]) -> T:
        """Something read from an S3 source, which may be another server than the store's."""
        return patiently(work, self.settings.patience_seconds, self.stopping)

    def stop(self) -> None:
        """Interrupted: end the workers at once; threads that wait for them come back with an error."""
        self.stopping.set()
        for worker in list(self._workers.values()):
            worker.close()

    def close(self) -> None:
        """Stop the workers and let the database go."""
        self.stop()
        self.engine.dispose()


FACTORY: ContextVar[Factory] = ContextVar("factory")
"""The factory that the running flow opened; tasks find it here, because Prefect inspects every parameter."""


def open_factory(
    settings: Settings | None = None,
    compute: Compute = compute,
    listener: Listener | None = None,
    *,
    patient: bool = False,
) -> Factory:
    """Open database and store. Raises :class:`TransientError`, :class:`InputError` for settings that do not fit and for
    a server whose schema is another version's.

    A night (``patient``) waits for a database that is being restarted; a person is told at once.
    """
    spare_loopback()
    settings = settings or read_settings()
    try:
        settings.home_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TransientError(
            f"The home {settings.home_path} cannot be made: {error.strerror}. Set MESHMILL_HOME to a writable folder."
        ) from error
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    engine = open_engine(settings.database)
    factory = Factory(settings, engine, open_store_of(settings), compute, listener or NullListener())
    if patient:
        factory.retry_database(prepare)
    else:
        prepare(engine)
    return factory


def open_store_of(settings: Settings) -> Store:
    """The store that the settings name. Raises :class:`InputError` where they are not complete."""
    return open_place(settings, settings.store)


def open_place(settings: Settings, url: str) -> Store:
    """A store or a source of photos with the settings' endpoint and keys. Raises :class:`InputError`."""
    secret = settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None
    token = settings.s3_session_token.get_secret_value() if settings.s3_session_token else None
    try:
        return open_store(
            url,
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=secret,
            region=settings.s3_region,
            session_token=token,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
