"""The embedded mode's Prefect server: started beside the work, reachable by this process only, gone with it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from core.errors import TransientError
from tasks.loopback import check_proxies

START_SECONDS = 180
"""A fresh server writes its whole schema first: 7 to 20 s, more on a busy machine."""


DRAIN_SECONDS = 30
"""How long the last events may take on their way to the server; they are its log, nothing depends on them."""

LEAST_BYTES = 4 << 20
"""Free space below which the server's own database cannot be made: it would try for minutes."""


class EmbeddedServer:
    """A server process, or nothing where `PREFECT_API_URL` already names one."""

    def __init__(self, home: Path) -> None:
        self._home = home / "prefect"
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._added: dict[str, str] = {}

    def start(self) -> None:
        """Start it and return at once; models load while it comes up. Raises :class:`InputError` for a proxy that
        Prefect's client cannot use."""
        check_proxies()
        if os.environ.get("PREFECT_API_URL"):
            return
        self._home.mkdir(parents=True, exist_ok=True)
        wanted = _ENVIRONMENT | {"PREFECT_HOME": str(self._home)}
        self._added = {name: value for name, value in wanted.items() if name not in os.environ}
        os.environ.update(self._added)
        port = _free_port()
        self._url = f"http://127.0.0.1:{port}/api"
        log = (self._home / "server.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-m", "flows.server", str(port), str(os.getpid())],
            env=_database(Path(os.environ["PREFECT_HOME"])) | os.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C must not take the record away before the run has ended it
        )
        log.close()
        os.environ["PREFECT_API_URL"] = self._url

    def ready(self) -> bool:
        """Whether it answers now."""
        if self._process is None:
            return True
        try:
            with urllib.request.urlopen(f"{self._url}/health", timeout=2) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait(self) -> None:
        """Until it answers. Raises :class:`TransientError` with the place of its log."""
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if shutil.disk_usage(self._home).free < LEAST_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._home))
            if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                raise TransientError(f"The embedded Prefect server did not start; see {self._home / 'server.log'}.")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and leave the environment as it was found."""
        if self._process is None:
            return
        _send_events()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        for name, value in (self._added | {"PREFECT_API_URL": self._url}).items():
            if os.environ.get(name) == value:
                del os.environ[name]


def _send_events() -> None:
    """What Prefect still has to tell the server, as long as there is one: afterwards each event would be tried for
    seconds, and the next server of this process would get them."""
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker

        EventsWorker.drain_all(timeout=DRAIN_SECONDS)


_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # a quarantined photo is no error of the program's; our own lines say it
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    # Without batches the next flow waits seconds for the last one's task events.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    # Nothing is scheduled, automated or marked late in a server that lives for one run.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
}


def _database(home: Path) -> dict[str, str]:
    """Prefect puts its home into a URL as it is, where `?` would begin options: as a URI of SQLite's it is escaped."""
    if "PREFECT_API_DATABASE_CONNECTION_URL" in os.environ:
        return {}
    url = f"sqlite+aiosqlite:///file:{quote(os.fsencode(home))}/prefect.db?uri=true"
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
