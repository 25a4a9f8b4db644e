"""Log lines as JSON where they are asked for as such: every line on stderr is one document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MESHMILL_", "PREFECT_"))}
    return kept | {"MESHMILL_HOME": str(folder), "PYTHONPATH": str(ROOT), "MESHMILL_LOG_FORMAT": "json"} | more


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (["show", "nothing"], {}, "There is no asset or SKU"),
        (["assets"], {"MESHMILL_STORE_URI": "x"}, "is MESHMILL_STORE_URL meant?"),
        (["assets"], {"MESHMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "database"),
    ],
)
def test_what_a_command_says_is_json(tmp_path: Path, words: list[str], variables: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "cli.main", *words]
    done = subprocess.run(command, env=environment(tmp_path, **variables), capture_output=True, text=True)
    assert done.returncode in (1, 2)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert any(said in line["message"] for line in lines)


def test_the_gallery_logs_each_request_as_json(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "gallery", "--serve", str(port)]
    server = subprocess.Popen(command, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        for line in server.stderr:
            if "running on" in json.loads(line)["message"]:
                break
        urllib.request.urlopen(f'http://127.0.0.1:{port}/?q="odd', timeout=60).close()
        assert any('"GET /?q=' in json.loads(line)["message"] for line in iter(server.stderr.readline, ""))
    finally:
        server.terminate()
        server.wait(60)


def test_prefects_own_lines_are_json_too(tmp_path: Path) -> None:
    code = (
        "from cli.logs import configure_logs; configure_logs()\n"
        "from prefect.logging.configuration import setup_logging; setup_logging()\n"
        "from prefect.logging import get_logger; get_logger('x').info('night %s', 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["msg"], line["args"]) == ("night %s", [1])
