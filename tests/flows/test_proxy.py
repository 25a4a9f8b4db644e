"""A shop's proxy in the environment: what stands on loopback is reached without it. The real command."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_bad_days import Shop, sentence

from tasks.loopback import spare_loopback

pytestmark = [pytest.mark.timeout(1200), pytest.mark.server]


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers nobody, and what it was asked."""
    asked: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                asked.append(client.recv(200))
                client.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    server.close()


@pytest.mark.parametrize("no_proxy", [None, "shop.example"])
def test_a_whole_run_asks_the_proxy_for_nothing(
    tmp_path: Path, proxy: tuple[str, list[bytes]], no_proxy: str | None
) -> None:
    url, asked = proxy
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    environment = dict.fromkeys(names, url) | ({"NO_PROXY": no_proxy} if no_proxy else {})
    # Stages that take a while: Prefect's server comes up meanwhile and takes the second product over.
    done = Shop(tmp_path).run(MESHMILL_TEST_SECONDS="2.5", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["finished"] == 2
    assert (tmp_path / "home" / "prefect" / "prefect.db").is_file()
    assert asked == []


@pytest.mark.parametrize(
    ("given", "lower", "upper"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "http://p"}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
        (
            {"all_proxy": "http://p", "NO_PROXY": "a, localhost"},
            "a,localhost,127.0.0.1,::1",
            "a,localhost,127.0.0.1,::1",
        ),
        ({"https_proxy": "http://p", "no_proxy": "*"}, "*", None),
        ({"NO_PROXY": "a"}, None, "a"),
    ],
)
def test_loopback_is_added_to_what_is_set(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], lower: str | None, upper: str | None
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ | given)
    spare_loopback()
    spare_loopback()
    assert (os.environ.get("no_proxy"), os.environ.get("NO_PROXY")) == (lower, upper)


def test_a_socks_proxy_without_its_package_is_a_sentence(tmp_path: Path) -> None:
    if find_spec("socksio") is not None:
        pytest.skip("socksio is installed: the proxy could be used")
    done = Shop(tmp_path).run(ALL_PROXY="socks5://127.0.0.1:1")
    assert done.returncode == 2
    assert "ALL_PROXY names a SOCKS proxy" in sentence(done)


def test_a_prefect_server_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    done = Shop(tmp_path).run(PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1, done.stderr
    assert "Prefect's server http://127.0.0.1:9/api does not answer" in sentence(done)
