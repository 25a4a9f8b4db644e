"""A night that ends badly is told to people: a webhook and a mailbox, by a real Prefect server."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from tests.deploy.plane import ROOT, Plane

pytestmark = pytest.mark.server


@pytest.fixture
def webhook() -> Iterator[tuple[str, Queue[str]]]:
    """An address that takes JSON, and what it took."""
    taken: Queue[str] = Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/", taken
    server.shutdown()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, Queue[str]]]:
    """The few words of SMTP that a letter needs."""
    taken: Queue[str] = Queue()

    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    letter = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        letter += part
                    taken.put(letter.decode())
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 yes\r\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"mailto://127.0.0.1:{server.server_address[1]}?from=shop@example.com&to=ops@example.com", taken
    server.shutdown()


def test_people_are_told_of_a_failed_run(
    plane: Plane, webhook: tuple[str, Queue[str]], mailbox: tuple[str, Queue[str]]
) -> None:
    for address, taken in (webhook, mailbox):  # the second address takes the place of the first
        plane.run([sys.executable, str(ROOT / "deploy" / "monitoring" / "notify.py"), address], plane.owner)
        fail_a_run(plane, "photos 2026-11-28")
        said = taken.get(timeout=300)
        assert "ingest" in said
        assert "photos 2026-11-28" in said
        assert "the disk is full" in said
        assert "Failed" in said
    assert webhook[1].empty(), "told twice, or under the old address"
    names = [row["name"] for row in plane.ask("automations/filter", {})]
    assert names.count("Tell people that a run ended badly") == 1


def fail_a_run(plane: Plane, name: str) -> None:
    """As a worker would say it."""
    code = (
        "import sys; from prefect.client.orchestration import get_client\n"
        "from prefect.states import Failed\n"
        "client = get_client(sync_client=True)\n"
        "with client:\n"
        "    deployment, place = client.read_deployment_by_name('ingest/nightly'), {'folder': '/photos'}\n"
        "    run = client.create_flow_run_from_deployment(deployment.id, name=sys.argv[1], parameters=place)\n"
        "    client.set_flow_run_state(run.id, Failed(message='the disk is full'), force=True)\n"
    )
    plane.run([sys.executable, "-c", code, name], plane.worker)


def test_it_says_how_it_is_used(plane: Plane) -> None:
    script = str(ROOT / "deploy" / "monitoring" / "notify.py")
    done = subprocess.run([sys.executable, script], env=plane.owner, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "notify.py" in done.stderr, "how it is called"
    assert "Traceback" not in done.stderr
