"""The command line's contract: quick help, one JSON document, exit codes, sentences."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import COMMANDS

HEAVY = ("torch", "prefect", "sqlalchemy", "diffusers", "transformers", "onnxruntime", "numpy")


def meshmill(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    values = os.environ | {"MESHMILL_HOME": str(home), "COLUMNS": "200"} | environment
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, env=values, capture_output=True, text=True, timeout=300, check=False)


def test_the_overview_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['meshmill', '--help']\nfrom cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def test_importing_core_imports_nothing_heavy_but_numpy() -> None:
    code = f"import core, sys; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_says_what_it_does(name: str) -> None:
    import importlib

    import typer.main

    module = importlib.import_module(COMMANDS[name][0])
    command: Any = typer.main.get_command(module.app)
    assert command.help
    for sub in getattr(command, "commands", {}).values():
        assert sub.help
        for parameter in sub.params:
            assert parameter.param_type_name == "argument" or parameter.help or parameter.name in ("revision",)


def test_database_commands_print_one_document(tmp_path: Path) -> None:
    empty = json.loads(meshmill("db", "current", "--json", home=tmp_path).stdout)
    assert empty["current"] is None
    done = json.loads(meshmill("db", "upgrade", "--json", home=tmp_path).stdout)
    assert done["current"] == done["head"]
    assert json.loads(meshmill("assets", "--json", home=tmp_path).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("run", "/nowhere"), 2, "There is no folder or manifest /nowhere."),
        (("run", ".", "--set", "finish.faces=-1"), 2, "finish.faces"),
        (("run", ".", "--set", "finish.facets=1"), 2, "finish.facets"),
        (("run", ".", "--recipe", "nonsense"), 2, "There is no recipe 'nonsense'"),
        (("show", "nothing"), 1, "There is no asset or SKU 'nothing'"),
        (("assets", "--status", "lost"), 2, "There is no status 'lost'"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_wrong_usage_is_one_sentence_and_an_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = meshmill(*arguments, home=tmp_path)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    done = meshmill("review", "--calibrate", str(tmp_path / "a folder"), home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("a folder: Is a directory.")
    assert "Traceback" not in done.stderr


def test_secrets_never_show(tmp_path: Path) -> None:
    done = meshmill(
        "db",
        "current",
        "--json",
        home=tmp_path,
        MESHMILL_DATABASE_URL="postgresql://user:hunter2@127.0.0.1:1/db",
    )
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert "database" in done.stderr.lower()


@pytest.mark.parametrize(
    ("status", "reason", "others", "shown"),
    [
        ("review", "The surface has holes.", 2, "The surface has holes. (and 2 more)"),
        ("review", "The views are blurred.", 0, "The views are blurred."),
        ("failed", "No space is left. Free some.", 0, "No space is left. Free some."),
        ("finished", None, 1, ""),
    ],
)
def test_the_table_tells_the_first_reason_of_several(status: str, reason: str | None, others: int, shown: str) -> None:
    from cli.tables import first_reason

    assert first_reason({"status": status, "reason": reason, "reasons": [{}] * (others + 1)}) == shown


def test_the_doctor_says_that_a_large_segmenter_is_one_setting_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.doctor import LARGE_SEGMENTER, _segmenter
    from core.recipes import load_recipe

    for variable in ("U2NET_HOME", "REMBG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    absent, fix = _segmenter()
    assert fix is None
    assert absent.startswith("starter")
    code = absent.split('python -c "')[1].split('"')[0]
    assert code == f"import rembg; rembg.new_session('{LARGE_SEGMENTER}')"
    (tmp_path / f"{LARGE_SEGMENTER}.onnx").write_bytes(b"")
    present, fix = _segmenter()
    assert fix is None
    assert "python -c" not in present
    name, value = present.split("--set ")[1].split("=")
    assert name == "segment.model"
    assert load_recipe(overrides=[f"{name}={value}"]).segment.model == LARGE_SEGMENTER


@pytest.mark.server
def test_a_server_of_another_version_is_a_sentence_and_an_exit_code(tmp_path: Path, empty_postgres_url: str) -> None:
    def refused(*arguments: str, sentence: str) -> None:
        done = meshmill(*arguments, home=tmp_path, MESHMILL_DATABASE_URL=empty_postgres_url)
        assert done.returncode == 2
        said = json.loads(done.stdout)["error"]["message"] if "--json" in arguments else ""
        assert sentence in (said or done.stderr)
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr

    (tmp_path / "photos").mkdir()
    refused("assets", "--json", sentence="run `meshmill db upgrade` once")
    refused("run", str(tmp_path / "photos"), sentence="run `meshmill db upgrade` once")
    done = meshmill("db", "upgrade", "--json", home=tmp_path, MESHMILL_DATABASE_URL=empty_postgres_url)
    state = json.loads(done.stdout)
    assert state["current"] == state["head"]
    done = meshmill("assets", "--json", home=tmp_path, MESHMILL_DATABASE_URL=empty_postgres_url)
    assert json.loads(done.stdout) == []
    from sqlalchemy import text

    from db.engine import open_engine

    engine = open_engine(empty_postgres_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    refused("assets", "--json", sentence="a newer Meshmill made: update")
    refused("db", "upgrade", sentence="a newer Meshmill made: update")


def test_doctor_looks_at_settings_and_at_temporary_files(tmp_path: Path) -> None:
    done = meshmill("doctor", "--json", home=tmp_path, TMPDIR=str(tmp_path / "nowhere"), MESHMILL_SERVICE_HOST="x")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert f"TMPDIR names {tmp_path}/nowhere" in checks["temporary"]["fix"]
    assert "not known here: MESHMILL_SERVICE_HOST" in checks["settings"]["found"]
    assert checks["settings"]["ok"]
    assert done.returncode == 1


def test_a_misspelled_command_or_option_is_answered_with_what_was_meant(tmp_path: Path) -> None:
    done = meshmill("asets", home=tmp_path)
    assert done.returncode == 2
    assert re.search(r"Did you mean.*'assets'", done.stderr)
    done = meshmill("assets", "--staus", "x", home=tmp_path)
    assert (done.returncode, "--status" in done.stderr) == (2, True)
    assert meshmill("--version", home=tmp_path).stdout.startswith("meshmill 0.")
