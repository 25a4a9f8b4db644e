"""What a run shows on Prefect's pages must not cost the run its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from flows import artifacts

CALLS: dict[str, Callable[[], None]] = {
    "create_progress_artifact": lambda: artifacts.ProgressArtifact("assets-done", "assets")(1, 2),
    "create_table_artifact": lambda: artifacts.show_assets([], "nothing", str),
    "create_markdown_artifact": lambda: artifacts.show_text("| a |", "nightly-summary"),
    "create_link_artifact": lambda: artifacts.show_link("file:///tmp/sheet.png", "contact-sheet", "contact sheet"),
}


def unreachable(*_: Any, **__: Any) -> None:
    raise httpx.ConnectError("connection refused")


def refused(*_: Any, **__: Any) -> None:
    answer = httpx.Response(503, request=httpx.Request("POST", "http://127.0.0.1:4200/api/artifacts/"))
    raise PrefectHTTPStatusError("503", request=answer.request, response=answer)


@pytest.mark.parametrize("broken", [unreachable, refused])
@pytest.mark.parametrize("name", CALLS)
def test_a_run_outlives_a_page_that_nobody_takes(name: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def create(*args: Any, **kwargs: Any) -> None:
        asked.append(name)
        broken()

    monkeypatch.setattr(artifacts, name, create)
    CALLS[name]()
    assert asked == [name]
