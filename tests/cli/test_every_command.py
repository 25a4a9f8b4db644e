"""Every command is run by a test: the commands by introspection, the test that runs each by name."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import typer.main
from test_main import meshmill
from typer.testing import CliRunner

from cli.main import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
HERE = "cli/test_every_command.py"
NAMES = "cli/test_names.py"
DOCUMENTED = (
    "docs/test_documented_commands.py::test_one_asset_is_made_again_rejected_retried_and_its_leavings_collected"
)

RUN_BY = {
    "run": f"{NAMES}::test_a_misspelled_sku_setting_or_status_is_answered_with_what_was_meant",
    "plan": f"{HERE}::test_a_plan_of_photos_says_what_a_run_would_do",
    "assets": "cli/test_main.py::test_database_commands_print_one_document",
    "show": f"{NAMES}::test_the_catalogue_says_which",
    "fetch": f"{NAMES}::test_a_file_is_fetched_into_a_folder_or_to_stdout",
    "deliver": f"{HERE}::test_nothing_published_cannot_be_delivered",
    "retry": f"{NAMES}::test_retry_may_be_of_one_catalogue_alone",
    "review": DOCUMENTED,
    "gallery": "flows/test_bad_days.py::test_no_secret_is_found_in_anything_a_run_leaves",
    "users list": f"{HERE}::test_a_user_comes_and_goes",
    "users add": f"{HERE}::test_a_user_comes_and_goes",
    "users remove": f"{HERE}::test_a_user_comes_and_goes",
    "verify": "flows/test_real_line.py::"
    "test_a_photo_becomes_a_published_file_that_verifies_and_is_made_again_bit_for_bit",
    "reproduce": DOCUMENTED,
    "gc": DOCUMENTED,
    "fsck": "flows/test_fsck_command.py::test_damage_is_said_with_exit_1_and_mended_with_exit_0",
    "models list": f"{HERE}::test_the_shipped_models_are_listed_verified_and_had_no_part_yet",
    "models add": "tasks/test_hub.py::test_a_hub_id_is_fetched_once_and_pinned_to_its_commit",
    "models assets": f"{HERE}::test_the_shipped_models_are_listed_verified_and_had_no_part_yet",
    "models verify": f"{HERE}::test_the_shipped_models_are_listed_verified_and_had_no_part_yet",
    "recipes show": "cli/test_recipes_command.py::test_a_recipe_is_shown_with_every_parameter",
    "train views": f"{HERE}::test_training_gets_what_was_said_and_its_checkpoint_is_told",
    "train segmenter": f"{HERE}::test_training_gets_what_was_said_and_its_checkpoint_is_told",
    "evaluate": "cli/test_evaluate_command.py::test_compare_reads_result_files",
    "db upgrade": "cli/test_main.py::test_database_commands_print_one_document",
    "db current": "cli/test_main.py::test_database_commands_print_one_document",
    "store create": f"{HERE}::test_the_place_for_objects_is_named",
    "completion": f"{NAMES}::test_a_shell_completes_commands_and_options",
    "doctor": "cli/test_main.py::test_doctor_looks_at_settings_and_at_temporary_files",
}


def commands() -> set[str]:
    """``run``, ``models add``, ...: whatever Typer would run."""
    found: set[str] = set()
    for name, (module, _) in COMMANDS.items():
        command: Any = typer.main.get_command(importlib.import_module(module).app)
        below = getattr(command, "commands", None)
        found |= {f"{name} {sub}" for sub in below} if below else {name}
    return found


def test_every_command_has_a_test_that_runs_it() -> None:
    assert commands() == set(RUN_BY)


@pytest.mark.parametrize("command", RUN_BY)
def test_the_test_is_there_and_names_the_command(command: str) -> None:
    file, name = RUN_BY[command].split("::")
    source = (TESTS / file).read_text("utf-8")
    body = next(
        ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    assert command.split()[-1] in body.partition(":\n")[2]


def test_a_plan_of_photos_says_what_a_run_would_do(tmp_path: Path) -> None:
    done = meshmill("plan", str(REPOSITORY / "examples" / "photos"), "--limit", "1", "--json", home=tmp_path)
    document = json.loads(done.stdout)
    assert document["counts"] == {"build": 1, "reuse": 0, "wait": 0, "refuse": 0}
    assert document["products"][0]["reason"] == "It is new."
    assert document["estimate"]["seconds"] is None


def test_nothing_published_cannot_be_delivered(tmp_path: Path) -> None:
    done = meshmill("deliver", "--for", "plain", "-o", str(tmp_path / "out"), "--json", home=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "not_found")
    assert not (tmp_path / "out").exists()


def test_a_user_comes_and_goes(tmp_path: Path) -> None:
    def users(*words: str) -> str:
        answer = CliRunner().invoke(importlib.import_module("cli.users").app, [*words, "--file", str(tmp_path / "u")])
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    users("add", "ann", "--role", "reader")
    assert [(row["name"], row["role"]) for row in json.loads(users("list", "--json"))] == [("ann", "reader")]
    users("remove", "ann")
    assert json.loads(users("list", "--json")) == []


def test_the_shipped_models_are_listed_verified_and_had_no_part_yet(tmp_path: Path) -> None:
    listed = json.loads(meshmill("models", "list", "--json", home=tmp_path).stdout)
    assert {(row["name"], row["kind"], row["commercial"]) for row in listed} == {
        ("starter", "views", True),
        ("starter", "segmenter", True),
    }
    assert json.loads(meshmill("models", "assets", "starter", "--json", home=tmp_path).stdout) == []
    verified = meshmill("models", "verify", "nosuch", "--json", home=tmp_path)
    assert verified.returncode != 0
    assert "nosuch" in json.loads(verified.stdout)["error"]["message"]


def test_training_gets_what_was_said_and_its_checkpoint_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What training makes of it is tested beside it: here, that the words reach it."""
    got: list[Any] = []

    def train_views(config: Any, data: str, out: Path, *, minutes: float, progress: Any) -> Path:
        got.append((data, out, minutes))
        return out / "checkpoint"

    def train_segmenter(out: Path, minutes: float, seed: int, progress: Any, *, start: Path | None) -> Path:
        got.append((out, minutes, seed, start))
        return out / "segmenter.onnx"

    monkeypatch.setattr("training.starter.train_views", train_views)
    monkeypatch.setattr("training.segmenter.train.train_segmenter", train_segmenter)
    app = importlib.import_module("cli.train").app
    views = CliRunner().invoke(app, ["views", "--out", str(tmp_path), "--data", "glbs", "--minutes", "2", "--json"])
    segmenter = CliRunner().invoke(
        app, ["segmenter", "--out", str(tmp_path), "--minutes", "3", "--seed", "4", "--json"]
    )
    assert got == [("glbs", tmp_path, 2.0), (tmp_path, 3.0, 4, None)]
    assert json.loads(views.stdout) == {"checkpoint": str(tmp_path / "checkpoint")}
    assert json.loads(segmenter.stdout) == {"checkpoint": str(tmp_path / "segmenter.onnx")}


def test_the_place_for_objects_is_named(tmp_path: Path) -> None:
    done = meshmill("store", "create", "--json", home=tmp_path)
    assert json.loads(done.stdout) == {"store": (tmp_path / "store").as_uri()}
    assert done.returncode == 0
