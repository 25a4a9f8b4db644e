"""View models by hub id, against a hub of our own on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.hub import is_hub_id

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "model_index.json": b'{"_class_name": "Zero123"}',
    "unet/diffusion_pytorch_model.safetensors": b"weights",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.bin": b"a pickle that nobody needs",
    "README.md": b"card",
}


class Hub(http.server.BaseHTTPRequestHandler):
    """The few answers of a hub that a download needs: the files of a commit, their headers, their bytes."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(False)

    def do_GET(self) -> None:
        self.answer(True)

    def answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/api/models/org/tiny"):
            names = [{"rfilename": name} for name in FILES]
            if "/tree/" in path:
                names = [{"type": "file", "path": n, "size": len(d), "oid": digest(d)} for n, d in FILES.items()]
                return self.send(json.dumps(names).encode(), "application/json", with_body)
            body = json.dumps({"id": "org/tiny", "modelId": "org/tiny", "sha": COMMIT, "siblings": names})
            return self.send(body.encode(), "application/json", with_body)
        name = path.partition(f"/org/tiny/resolve/{COMMIT}/")[2]
        if name in FILES:
            return self.send(FILES[name], "application/octet-stream", with_body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def send(self, body: bytes, media_type: str, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{digest(body)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    Hub.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", Hub.asked
    server.shutdown()


def meshmill(folder: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "MESHMILL_HOME": str(folder / "home"),
        "HF_HOME": str(folder / "hub"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


RESOLVE = """
import json, sys
from core.recipes import load_recipe
from tasks.factory import open_factory
from tasks.models import registered_in, remember, resolve_views
factory = open_factory()
weights = resolve_views(factory.settings, "org/tiny", registered_in(factory.engine))
remember(factory.engine, [weights])
print(json.dumps([weights.sha256, weights.revision, weights.path]))
"""


def resolve(folder: Path, endpoint: str) -> list[str | None]:
    environment = os.environ | {
        "MESHMILL_HOME": str(folder / "home"),
        "HF_HOME": str(folder / "hub"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run([sys.executable, "-c", RESOLVE], env=environment, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_a_hub_id_is_fetched_once_and_pinned_to_its_commit(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, asked = hub
    done = meshmill(tmp_path, endpoint, "models", "add", "tiny", "org/tiny", "--licence", "MIT", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    folder = Path(row["path"])
    assert (row["name"], row["revision"], row["licence"], len(row["sha256"])) == ("tiny", COMMIT, "MIT", 64)
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == b"weights"
    assert not (folder / "unet" / "diffusion_pytorch_model.bin").exists(), "no pickle where there are safetensors"
    before = len(asked)
    sha256, revision, _ = resolve(tmp_path, endpoint)
    assert (sha256, revision) == (row["sha256"], COMMIT), "a recipe may name the id itself"
    assert len(asked) > before
    before = len(asked)
    assert resolve(tmp_path, endpoint) == [row["sha256"], None, str(folder)], "now registered"
    assert len(asked) == before, "and nobody is asked again"


def test_without_a_network_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    done = meshmill(tmp_path, "http://127.0.0.1:9", "models", "add", "org/tiny")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the hub cannot be reached" in done.stderr
    assert "meshmill models add org/tiny PATH" in done.stderr


def test_a_model_that_the_hub_does_not_have_is_said_to_be_nowhere(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    done = meshmill(tmp_path, hub[0], "models", "add", "org/none")
    assert done.returncode == 1
    assert "There is no model 'org/none'" in done.stderr


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("stabilityai/stable-zero123", True),
        ("org/tiny@v1.0", True),
        ("starter", False),
        ("./models/x", False),
        ("/models/x", False),
        ("a/b/c", False),
        ("org/..", False),
    ],
)
def test_what_is_a_hub_id(name: str, is_one: bool) -> None:
    assert is_hub_id(name) is is_one
