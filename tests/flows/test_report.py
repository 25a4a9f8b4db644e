"""Summaries and webhooks."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.catalogue import Changes
from db.runs import Ended, Slow, ToReview
from flows.report import KEPT_DAYS, NightSummary, ended_in_words, in_words, markdown_summary, write_summary
from tasks.fsck import StoreReport
from tasks.settings import Settings
from tasks.webhooks import post, signature

NIGHT = NightSummary("r", 1.0, None, {}, [], [], [], 0.0, 0.0, 0, {}, {}, 0, [], None)


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
    assert post(settings, "run.ended", {"finished": 3})
    assert len(got) == 2
    headers, body = got[-1]
    assert json.loads(body) == {"event": "run.ended", "data": {"finished": 3}}
    assert headers["X-Meshmill-Signature"] == signature("s3cret", headers["X-Meshmill-Time"], body)
    assert signature("other", headers["X-Meshmill-Time"], body) != headers["X-Meshmill-Signature"]


def test_a_receiver_that_is_down_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert not post(Settings(home=tmp_path, webhook_url="http://127.0.0.1:9/x"), "run.ended", {})
    with pytest.raises(ValueError, match="http"):
        Settings(home=tmp_path, webhook_url="file:///etc/passwd")
    assert not post(Settings(home=tmp_path), "run.ended", {})


def test_what_a_source_showed_is_said_in_words() -> None:
    changes = Changes(new=["a", "b"], waiting=["c"], unchanged=5, notes=["2 files are no pictures."])
    assert in_words(changes) == "2 new, 1 waiting, 5 unchanged; waiting: c; 2 files are no pictures"
    assert in_words(Changes()) == "no products"


def test_the_summary_counts_reasons_and_cannot_be_broken_by_a_name() -> None:
    document = replace(
        NIGHT,
        seconds=3,
        stopped="Stopped: the | bucket <is> gone.",
        counts={"finished": 1, "failed": 2, "queued": 0},
        store=StoreReport(1200, 0, 2, 1, repaired=0, unrepairable=0, unpublished=0, objects=[]),
        changes={"new": 3, "changed": 0},
        slowest=[Slow("a|b\n<script>", "x", 12.0)],
        failures=[Ended("failed", "E", "Too dark.", 2, "c")],
        size_unknown=2,
        reviews=[ToReview("Its back | is invented.", 4, "<b>")],
    )
    text = markdown_summary(document, lambda status: f"http://gallery/?status={status}")
    assert "| [failed](http://gallery/?status=failed) | 2 |" in text
    assert "| Its back \\| is invented. | 4 | &lt;b> |" in text
    assert ended_in_words(document)[1:] == [
        "Stopped: the | bucket <is> gone.",
        "2 products have no known size: add height_cm, width_cm or depth_cm to the catalogue.",
        "2 failed, such as c: Too dark.",
        "4 to review, such as <b>: Its back | is invented.",
    ]
    assert "| Too dark. | failed | 2 | c |" in text
    assert "| a\\|b &lt;script> | 12 |" in text
    assert "3 new" in text
    assert "Of 1,200 stored objects looked at: 2 damaged, 1 unknown." in text
    assert "queued" not in text
    assert "2 products have no known size" in text
    assert "**Stopped: the \\| bucket &lt;is> gone.**" in text


def test_summaries_of_long_ago_leave_the_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name, days in (("old", KEPT_DAYS + 1), ("recent", KEPT_DAYS - 1)):
        path = write_summary(settings, replace(NIGHT, run_id=name))
        os.utime(path, (time.time() - days * 86_400,) * 2)
    write_summary(settings, replace(NIGHT, run_id="tonight"))
    assert {path.name for path in (tmp_path / "summaries").iterdir()} == {"recent.json", "tonight.json"}
