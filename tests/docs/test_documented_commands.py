"""What the documentation tells people to type exists, and the tutorial and operations pages really run."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer.main
from sqlalchemy import text

from cli.main import COMMANDS
from core.quality.checks import EVIDENCE, NOTES, SEVERAL, VETOES, VISIBLE
from db.engine import open_engine
from db.migrate import upgrade
from storage import open_store
from tests.docs.commands import PAGES, REPOSITORY, blocks, commands
from tests.gallery.conftest import fill
from tests.ports import free_port

TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
OPERATIONS = REPOSITORY / "docs" / "operations.md"

SMALLEST = ("reconstruct.steps=20", "reconstruct.grid=32", "reconstruct.rays=1024", "reconstruct.score_weight=0",
            "finish.faces=1000", "finish.lods=[]", "finish.texture=128", "finish.small=false", "finish.usdz=false",
            "finish.turntable=0", "views.elevation=20", "quality.review=0")  # fmt: skip
"""One product in seconds: the same stages, nothing of their quality."""

DOCUMENTED = [(page.name, words) for page in PAGES for words in commands(page) if words[0] == "meshmill"]


@pytest.mark.parametrize(("page", "words"), DOCUMENTED, ids=[f"{p}: {' '.join(w)}"[:80] for p, w in DOCUMENTED])
def test_every_documented_command_and_option_exists(page: str, words: list[str]) -> None:
    assert words[1] in COMMANDS
    command: Any = typer.main.get_command(importlib.import_module(COMMANDS[words[1]][0]).app)
    rest = words[2:]
    if children := getattr(command, "commands", None):
        names = rest[0].split("|")
        assert set(names) <= set(children)
        command, rest = children[names[0]], rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    assert {word.strip("[]").split("=")[0] for word in rest if word.strip("[]").startswith("-")} <= known


def run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    programs = {"meshmill": [sys.executable, "-m", "cli.main"], "prefect": [sys.executable, "-m", "prefect"]}
    return subprocess.run(
        [*programs[words[0]], *words[1:]],
        cwd=folder,
        env=surroundings(folder) | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def surroundings(folder: Path) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_"))}
    return keep | {"PYTHONPATH": str(REPOSITORY), "PREFECT_HOME": str(folder / ".prefect"), "NO_COLOR": "1"}


@pytest.mark.slow
@pytest.mark.server
def test_the_tutorial_runs(tmp_path: Path) -> None:
    photo = min((REPOSITORY / "examples" / "photos").glob("*.png"), key=lambda path: path.stat().st_size)
    (tmp_path / "examples" / "photos").mkdir(parents=True)
    shutil.copy(photo, tmp_path / "examples" / "photos")
    ran = []
    for words in commands(TUTORIAL):
        words = [photo.stem if word == "SKU" else word for word in words]
        if words[1] == "run":
            words += [part for setting in SMALLEST for part in ("--set", setting)]
        if "--serve" in words:
            assert look_at_the_gallery(words, tmp_path, photo.stem)
        else:
            done = run(words, tmp_path)
            assert done.returncode == 0, (words, done.stderr)
        ran.append(words[1])
    assert ran == ["run", "assets", "show", "gallery", "review", "review", "gallery"]
    assert json.loads(run(["meshmill", "assets", "--json"], tmp_path).stdout)
    assert json.loads((tmp_path / "mine.json").read_text())["quality"]["weights"]
    assert photo.stem in (tmp_path / "pages" / "index.html").read_text("utf-8")
    assert list((tmp_path / "demo").glob("**/*.glb"))


@pytest.mark.slow
@pytest.mark.server
def test_one_asset_is_made_again_rejected_retried_and_its_leavings_collected(tmp_path: Path) -> None:
    """The commands by which operators deal with a single asset, on a really built one."""
    photo = min((REPOSITORY / "examples" / "photos").glob("*.png"), key=lambda path: path.stat().st_size)
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos")

    def meshmill(*words: str) -> Any:
        done = run(["meshmill", *words, "--json"], tmp_path)
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    meshmill("run", "photos", *(part for setting in SMALLEST for part in ("--set", setting)))
    again = meshmill("reproduce", photo.stem)
    assert again["same"]
    assert {"views", "field", "glb"} <= {artifact["kind"] for artifact in again["artifacts"]}
    meshmill("review", photo.stem, "--reject", "--note", "too coarse")
    retried = meshmill("retry", photo.stem, "--set", "finish.faces=500", "--set", "quality.review=0")
    assert [row["status"] in ("finished", "review") for row in retried["assets"]] == [True]
    assert retried["assets"][0]["faces"] <= 500
    rejected = meshmill("gc", "--older-than", "0", "--superseded")
    assert rejected["orphans"]
    assert not rejected["deleted"], "only counted"
    again = meshmill("gc", "--older-than", "0", "--superseded", "--delete", "--really")
    assert (again["orphans"], again["deleted"]) == (rejected["orphans"], []), "a later night removes them"
    assert again["marked"]
    assert meshmill("reproduce", photo.stem)["same"], "what an asset refers to was left alone"


def look_at_the_gallery(words: list[str], folder: Path, sku: str) -> bool:
    """Start it on a free port, read its first page, stop it."""
    port = free_port()
    words = [str(port) if word == "8080" else word for word in words]
    command = [sys.executable, "-m", "cli.main", *words[1:]]
    server = subprocess.Popen(command, cwd=folder, env=surroundings(folder), stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                    return sku in answer.read().decode()
            except OSError:
                time.sleep(0.2)
        return False
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.server
def test_the_commands_of_a_worker_host_run(tmp_path: Path, start_server: Any) -> None:
    """Those that end by themselves, against a real Prefect server; `prefect worker start` would not end."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    server = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"]
    # A home of its own: the person's may know the work pool already.
    start_server(["env", f"PREFECT_HOME={tmp_path / '.prefect'}", *server], f"{url}/health")
    ran = 0
    for words in commands(OPERATIONS):
        if (
            words[:2] in (["meshmill", "db"], ["prefect", "work-pool"])
            or words[:3] == ["meshmill", "doctor", "prefect"]
            or "deploy" in words
        ):
            done = run(words, tmp_path if words[0] == "meshmill" else REPOSITORY, PREFECT_API_URL=url,
                       PREFECT_HOME=str(tmp_path / ".prefect"), MESHMILL_DIRECTORY=str(REPOSITORY),
                       MESHMILL_HOME=str(tmp_path / "home"))  # fmt: skip
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            ran += 1
    assert ran >= 5


def test_the_queries_for_other_teams_answer(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    upgrade(engine)
    fill(engine, open_store(f"file://{tmp_path / 'store'}"))
    queries = [query for block in blocks(OPERATIONS) if "SELECT" in block for query in block.split(";")]
    queries = [query for query in queries if query.strip()]
    assert len(queries) >= 5
    with engine.connect() as connection:
        for query in queries:
            connection.execute(text(query)).all()
    engine.dispose()


def test_the_page_about_scores_names_every_check() -> None:
    page = (REPOSITORY / "docs" / "how-to-read-a-score.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(\w+)`", page.partition("## What the reasons say")[0], re.MULTILINE))
    assert named == {check.metric for check in EVIDENCE + SEVERAL + VETOES + VISIBLE + NOTES}
