"""Summaries and webhooks."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.report import markdown_summary, signature, tell
from tasks.settings import Settings


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any], list[int]]]:
    """A webhook's other end: what it got, and the answers it will give (then 200)."""
    got: list[Any] = []
    answers: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, answers
    server.shutdown()


def test_a_webhook_is_signed_and_tried_again(receiver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, got, answers = receiver
    answers += [503]
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    settings = Settings(home=tmp_path, webhook_url=url, webhook_secret="s3cret")
    assert tell(settings, "run.ended", {"finished": 3})
    assert len(got) == 2
    headers, body = got[-1]
    assert json.loads(body) == {"event": "run.ended", "data": {"finished": 3}}
    assert headers["X-Meshmill-Signature"] == signature("s3cret", headers["X-Meshmill-Time"], body)
    assert signature("other", headers["X-Meshmill-Time"], body) != headers["X-Meshmill-Signature"]


def test_a_receiver_that_is_down_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert not tell(Settings(home=tmp_path, webhook_url="http://127.0.0.1:9/x"), "run.ended", {})
    assert not tell(Settings(home=tmp_path, webhook_url="file:///etc/passwd"), "run.ended", {})
    assert not tell(Settings(home=tmp_path), "run.ended", {})


def test_the_summary_counts_reasons_and_cannot_be_broken_by_a_name() -> None:
    rows = [
        {"sku": "a|b\n<script>", "status": "finished", "reason": None, "seconds": 12.0},
        {"sku": "c", "status": "failed", "reason": "Too dark.", "seconds": None},
        {"sku": "d", "status": "failed", "reason": "Too dark.", "seconds": None},
    ]
    text = markdown_summary({"run_id": "r", "seconds": 3, "counts": {"finished": 1, "failed": 2}, "assets": rows})
    assert "| Too dark. | 2 |" in text
    assert "| a\\|b &lt;script> | 12 |" in text
