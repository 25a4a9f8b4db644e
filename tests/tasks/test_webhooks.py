"""Webhooks: what is told, to whom, and what an odd receiver does to them."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from test_run_stage import Shop, small_shop  # noqa: F401 - the fixture

from core.errors import NotReviewable
from db.assets import AssetReport
from db.reviews import record_decision
from tasks.decide import decide
from tasks.settings import Settings
from tasks.webhooks import notifying, post, signature

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Receiver:
    """A webhook's other end: what it got, and the answers it will give (then 200)."""

    url: str = ""
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        told = [json.loads(body) for _, _, _, body in self.got]
        return [(document["event"], document["data"]) for document in told]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    here = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            here.got.append((self.command, self.path, dict(self.headers), body))
            code, headers = here.answers.pop(0) if here.answers else (200, {})
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield here
    server.shutdown()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.webhooks.random.uniform", lambda *_: 0.0)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, tmp_path: Path, code: int) -> None:
    """With 302 the message became a GET to whoever was named, and counted as told."""
    receiver.answers.append((code, {"Location": receiver.url + "/elsewhere"}))
    assert not post(Settings(home=tmp_path, webhook_url=receiver.url), "run.ended", {})
    assert [(method, path) for method, path, _, _ in receiver.got] == [("POST", "/hook")]


@pytest.mark.parametrize(("code", "asked"), [(503, 2), (429, 2), (404, 1), (401, 1)])
def test_what_may_pass_is_tried_again_and_a_refusal_is_not(
    receiver: Receiver, tmp_path: Path, code: int, asked: int
) -> None:
    receiver.answers.append((code, {}))
    settings = Settings(home=tmp_path, webhook_url=receiver.url, webhook_secret="s3cret")
    assert post(settings, "run.ended", {}) == (asked == 2)
    assert len(receiver.got) == asked
    _, _, headers, body = receiver.got[-1]
    assert headers["X-Meshmill-Signature"] == signature("s3cret", headers["X-Meshmill-Time"], body)


@pytest.mark.parametrize(
    "answer", [b"", b"what?\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n", b"HTTP/1.1 200 OK\r\nA" * 30_000]
)
def test_an_answer_that_is_no_http_fails_nothing(tmp_path: Path, answer: bytes) -> None:
    """The thread that sends died of it, and nothing was told any more."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(65536)
                    client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    assert not post(Settings(home=tmp_path, webhook_url=url), "run.ended", {}, tries=2)
    server.close()


def test_every_end_of_an_asset_is_told_by_its_name(
    receiver: Receiver,
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small_shop, "settings", small_shop.settings.model_copy(update={"webhook_url": receiver.url}))
    factory = small_shop.factory()
    photos = {"good": b"photo", "doubtful": b"review", "none": b"bad", "bug": b"ours"}
    for name, data in photos.items():
        (small_shop.photos / f"{name}.png").write_bytes(data)
    with notifying(factory):
        small_shop.build(factory)
    said = {data["sku"]: (event, data["status"]) for event, data in receiver.events()}
    assert said == {
        "good": ("asset.finished", "finished"),
        "doubtful": ("asset.review", "review"),
        "none": ("asset.failed", "quarantined"),
        "bug": ("asset.failed", "failed"),
    }
    assert all(list(data) == [field.name for field in fields(AssetReport)] for _, data in receiver.events())


def test_a_decision_is_told_once_it_stands(small_shop: Shop) -> None:  # noqa: F811
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"review")
    (asset_id,) = small_shop.build(factory).build
    heard: list[tuple[str, dict[str, Any]]] = []

    def tell(event: str, payload: dict[str, Any]) -> None:
        heard.append((event, payload))
        assert small_shop.statuses(factory) == {"a": payload["status"]}

    assert decide(factory.engine, asset_id, "approve", "fine", "Ann", tell).before == "review"
    assert decide(factory.engine, asset_id, "reject", None, "Bob", tell).before == "finished"
    assert [(event, data["status"], data["reason"]) for event, data in heard] == [
        ("asset.approved", "finished", "fine"),
        ("asset.rejected", "failed", "A person rejected it."),
    ]
    assert [(data["review"]["decision"], data["review"]["reviewer"]) for _, data in heard] == [
        ("approve", "Ann"),
        ("reject", "Bob"),
    ]


def test_what_cannot_be_decided_is_a_sentence_and_leaves_nothing_behind(small_shop: Shop) -> None:  # noqa: F811
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"ours")
    (asset_id,) = small_shop.build(factory).build
    with pytest.raises(NotReviewable, match="no GLB"):
        record_decision(factory.engine, asset_id, "approve", None, "Ann")
    with pytest.raises(NotReviewable, match="The decision is approve, reject, better-photo"):
        record_decision(factory.engine, asset_id, "maybe", None, "Ann")
    small_shop.plan(factory, force=True)
    with pytest.raises(NotReviewable, match="this one is queued"):
        record_decision(factory.engine, asset_id, "reject", None, "Ann")
    from db.lineage import lineage

    assert lineage(factory.engine, asset_id).reviews == []


def test_the_command_decides_and_tells(receiver: Receiver, small_shop: Shop) -> None:  # noqa: F811
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"review")
    small_shop.build(factory)
    settings = {
        "MESHMILL_HOME": str(small_shop.folder / "home"),
        "MESHMILL_DATABASE_URL": small_shop.database_url,
        "MESHMILL_WEBHOOK_URL": receiver.url,
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", "review", *words, "--by", "Ann", "--json"]
        return subprocess.run(command, env=os.environ | settings, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("a", "--approve")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    ((event, data),) = receiver.events()
    assert (event, data["sku"], data["status"]) == ("asset.approved", "a", "finished")
    assert data["review"]["reviewer"] == "Ann"
    assert run("nosuch", "--reject").returncode != 0
    assert len(receiver.got) == 1
