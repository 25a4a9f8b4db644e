"""A process that computes stages: models stay loaded in it, a hung or crashed stage dies with it, nothing else does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.errors import MeshmillError, OutOfMemory, StageError, StageTimeout
from core.progress import Progress
from tasks.confine import confine, without_secrets

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@dataclass(frozen=True)
class StageCall:
    """One stage to compute: plain values only, they cross a process border."""

    stage: str
    inputs: Mapping[str, bytes]
    """Role to the artifact's bytes."""
    params: Mapping[str, Any]
    seed: int = 0
    models: Mapping[str, str] = field(default_factory=dict)
    """Role (``segmenter``, ``views``) to a path or name."""
    about: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    checkpoint_path: str | None = None
    """Where a long stage leaves its own checkpoints and finds them again after a crash."""
    ladder: int = 0
    """Steps that ``params`` stand below the recipe's own, because memory ran out."""


@dataclass(frozen=True)
class StageOutput:
    """What a stage made: file name to bytes, and figures for the record."""

    files: Mapping[str, bytes]
    figures: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    peak_memory: int | None = None
    seconds: float = 0.0
    """Spent computing, filled in by the worker: neither its start nor the wait for it."""


START_SECONDS = 300
"""How long a worker process may take to import what it needs."""

GRACE_SECONDS = 5
"""Past its limit a stage that nobody stops, because its parent is gone too, is ended by the kernel."""

WAITING = "waiting for the GPU"
"""The progress step of a stage that has not begun: its time does not run yet."""

Compute = Callable[[StageCall, Progress], StageOutput]


class RemoteTraceback(Exception):
    """The traceback of the other process, as the cause of the error it ended with."""


class StageWorker:
    """One child process, one stage at a time; started on first use, replaced after a crash or a timeout.

    ``compute`` must be importable by name: it runs in the child.
    """

    def __init__(self, compute: Compute, name: str, threads: int | None = None) -> None:
        self._compute, self._name, self._threads = compute, name, threads
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._started = self._closed = False

    def start(self) -> None:
        """Start the process if it does not run; returns at once."""
        if self._closed or (self._process is not None and self._process.poll() is None):
            return
        self._drop()
        self._connection, child = multiprocessing.Pipe()
        # Not multiprocessing's own start, which imports the main program anew: a user's script would run again in it.
        program = f"import sys; sys.path[:] = {sys.path!r}; from tasks.worker import serve; serve({child.fileno()}, "
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-c", f"{program}{os.getpid()})", self._name],
            pass_fds=[child.fileno()],
            env=_environment(self._threads),
            stdin=subprocess.DEVNULL,
        )
        child.close()
        with suppress(OSError):  # a process that dies at once is noticed when it is asked
            self._connection.send(self._compute)

    def call(
        self, call: StageCall, progress: Progress, timeout: float, alive: Callable[[], None] = lambda: None
    ) -> StageOutput:
        """Compute a stage; ``alive`` is called about every second. Raises what the stage raised, :class:`StageTimeout`
        when it outlived ``timeout`` seconds (the process is killed), :class:`OutOfMemory` when the system killed it,
        :class:`StageError` when it was closed."""
        while not self._lock.acquire(timeout=1.0):
            alive()  # another stage computes, or models still load: our lease must not run out over that
        try:
            return self._call(call, progress, timeout, alive)
        except MeshmillError:
            raise
        except BaseException as error:
            if self._closed:  # by another thread, under our hands: the pipe then fails in any of several ways
                raise StageError(f"The process of the {call.stage} stage was closed.") from error
            if isinstance(error, (EOFError, BrokenPipeError, ConnectionResetError)):
                raise self._post_mortem(call.stage) from error
            self._kill()  # interrupted or told to stop: a child that goes on computing would answer the next call
            raise
        finally:
            self._lock.release()

    def _call(self, call: StageCall, progress: Progress, timeout: float, alive: Callable[[], None]) -> StageOutput:
        self.start()
        connection = self._connection
        if connection is None or self._closed:
            raise StageError(f"The process of the {call.stage} stage was closed.")
        self._await_start(call.stage, alive)
        deadline = time.monotonic() + timeout
        connection.send((call, timeout))
        while True:
            if connection.poll(min(1.0, max(0.0, deadline - time.monotonic()))):
                kind, value = connection.recv()
                if kind == "done":
                    return value  # type: ignore[no-any-return]
                if kind == "error":
                    _raise(*value)
                step, done, total, figures = value
                if step == WAITING:
                    deadline = time.monotonic() + timeout
                progress(step, done, total, **figures)
            alive()
            if time.monotonic() >= deadline:
                self._kill()
                raise StageTimeout(f"The {call.stage} stage took longer than {timeout:.0f} s and was stopped.")

    def _await_start(self, stage: str, alive: Callable[[], None]) -> None:
        """Imports take seconds, on a busy machine many: they are not the stage's time."""
        deadline = time.monotonic() + START_SECONDS
        while not self._started and self._connection is not None:
            if self._connection.poll(1.0):
                self._connection.recv()
                self._started = True
            alive()
            if time.monotonic() > deadline:
                self._kill()
                raise StageTimeout(f"The process of the {stage} stage did not start within {START_SECONDS} s.")

    def close(self) -> None:
        """For good, at any moment and from any thread: a stage in progress comes back with an error."""
        self._closed = True
        self._kill()

    def _post_mortem(self, stage: str) -> MeshmillError:
        code = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(5)
        self._drop()
        if code == -signal.SIGKILL:
            return OutOfMemory(f"The system stopped the {stage} stage, probably for want of memory.")
        if code == -signal.SIGALRM:
            return StageTimeout(f"The {stage} stage took too long and was stopped.")
        return StageError(f"The process of the {stage} stage crashed (exit code {code}).")

    def _kill(self) -> None:
        """The process and what it started: a tool that hangs below it must not outlive it."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()  # where it had not made its group yet
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._started = False


def _environment(threads: int | None) -> dict[str, str]:
    """What a child must find in its environment before numpy and torch are imported, and no secret of ours."""
    wanted = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin while they wait starve everybody else on a busy machine
    if threads is not None:
        wanted |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return wanted | without_secrets(os.environ)


def _raise(class_name: str, sentence: str, trace: str) -> None:
    from tasks.failures import rebuild

    raise rebuild(class_name, sentence) from RemoteTraceback("\n" + trace)


def serve(pipe: int, parent: int) -> None:
    """The child's life: compute what comes through the file descriptor ``pipe`` until it closes."""
    from multiprocessing.connection import Connection

    connection = Connection(pipe)
    os.dup2(2, 1)  # libraries that print must not spoil the one JSON document on the parent's stdout
    os.setpgid(0, 0)  # a group of its own, to be killed with all that it starts
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks the group to stop: the parent decides
    confine()
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    progress = _Sender(connection)
    compute: Compute = connection.recv()
    connection.send(("started", None))
    while True:
        try:
            call, limit = connection.recv()
        except EOFError:
            return
        progress.begin(limit)
        try:
            output = replace(compute(call, progress), seconds=progress.seconds())
        except Exception as error:  # noqa: BLE001 - every failure crosses the border as data
            connection.send(("error", _in_words(error)))
        else:
            connection.send(("done", output))
        finally:
            progress.end()


def _in_words(error: Exception) -> tuple[str, str, str]:
    """Class, sentence, traceback. No name keeps the error itself: its frames hold all that the stage had in memory, and
    after :class:`OutOfMemory` the next attempt needs it."""
    from tasks.failures import as_meshmill_error

    known = as_meshmill_error(error)
    return type(known).__name__, str(known), traceback.format_exc()


class _Sender:
    """Progress over the pipe, at most ten times a second: steps can be far shorter than a message is worth."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._last, self._limit, self._started = connection, 0.0, 0, 0.0

    def begin(self, limit: float) -> None:
        """A stage's clock starts, and the kernel's alarm with it, which ends this process even where a hung C call
        holds the interpreter."""
        self._limit = int(limit) + GRACE_SECONDS
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        signal.alarm(self._limit)

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def end(self) -> None:
        signal.alarm(0)

    def __call__(self, step: str, done: int, total: int, **figures: Any) -> None:
        moment = time.monotonic()
        if done < total and moment - self._last < 0.1:
            return
        self._last = moment
        if step == WAITING:
            self._start()
        plain = {name: float(value) for name, value in figures.items() if isinstance(value, (int, float))}
        self._connection.send(("progress", (step, done, total, plain)))


def _die_with(parent: int) -> None:
    """Leave when the parent is gone, however it went: an orphan would hold memory and a GPU for hours."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)
