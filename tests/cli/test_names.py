"""Commands on a SKU that stands in two catalogues, or in none: the real command."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from test_main import meshmill

from db.catalogue import ensure_catalogue
from db.engine import writing
from db.tables import Artifact, Asset, AssetStage, Photo, Product, RecipeRow, StageRun
from storage.places import file_uri
from tasks.factory import open_factory
from tasks.settings import Settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders called `photos` with a `mug` each, finished."""
    folder = tmp_path_factory.mktemp("names")
    factory = open_factory(Settings(home=folder / "home"))
    with writing(factory.engine) as session:
        session.add(RecipeRow(hash="r", name="starter", parameters={}))
    for number, season in enumerate(("spring", "autumn"), 1):
        data = season.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        factory.store.put(data, f"objects/{season}", sha256, "model/gltf-binary")
        catalogue = ensure_catalogue(factory.engine, "photos", file_uri(folder / season / "photos"))
        with writing(factory.engine) as session:
            session.add(Product(id=number, catalogue_id=catalogue, sku="mug", name="Mug"))
            session.flush()
            session.add(Photo(id=number, product_id=number, sha256="s", bytes=1, source_uri="u", file_stamp="1"))
            run = StageRun(key=season, stage="finish", version=1, state="finished", parameters={}, owner="o")
            session.add(run)
            session.flush()
            made = Artifact(made_by=run.id, kind="glb", key=f"objects/{season}", uri="u", sha256=sha256,
                            bytes=len(data), media_type="model/gltf-binary")  # fmt: skip
            session.add(made)
            session.flush()
            session.add(Asset(id=f"a{number}", product_id=number, photo_id=number, recipe_hash="r", plan_key="k",
                              model="m", status="finished", glb_id=made.id))  # fmt: skip
            session.flush()
            session.add(AssetStage(asset_id=f"a{number}", stage="finish", stage_run_id=run.id, reused=False))
    factory.close()
    return folder / "home"


@pytest.mark.parametrize(
    "command",
    [("show",), ("fetch", "-o", "x.glb"), ("review", "--approve"), ("retry", "--status", "review"), ("reproduce",)],
    ids=lambda command: command[0],
)
def test_a_sku_of_two_catalogues_is_refused_and_they_are_listed(home: Path, command: tuple[str, ...]) -> None:
    done = meshmill(command[0], "mug", *command[1:], home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "stands in 2 catalogues: photos (file:///" in done.stderr
    assert "photos-2 (file:///" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "asset"),
    [
        (("photos/mug",), "a1"),
        (("photos-2/mug",), "a2"),
        (("mug", "--catalogue", "photos-2"), "a2"),
        (("mug", "--catalogue", "autumn/photos"), "a2"),
        (("a2",), "a2"),
    ],
)
def test_the_catalogue_says_which(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], asset: str
) -> None:
    monkeypatch.chdir(home.parent)  # a catalogue may be named by its folder
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    done = meshmill("show", *arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["asset_id"] == asset


def test_fetch_takes_the_one_that_was_meant(home: Path, tmp_path: Path) -> None:
    assert meshmill("fetch", "photos-2/mug", "-o", str(tmp_path / "m.glb"), home=home).returncode == 0
    assert (tmp_path / "m.glb").read_bytes() == b"autumn"


def test_names_that_nobody_knows(home: Path) -> None:
    for command in ("show", "reproduce"):
        done = meshmill(command, "nosuch", home=home)
        assert done.returncode == 1
        assert "There is no asset or SKU 'nosuch'" in done.stderr
    done = meshmill("retry", "photos/mug", "nosuch", "--json", home=home)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "input_error")
    assert "There is no asset or SKU 'nosuch'" in done.stderr


def test_retry_may_be_of_one_catalogue_alone(home: Path) -> None:
    from db.assets import of_status
    from tasks.factory import open_factory
    from tasks.names import find_scope
    from tasks.settings import Settings

    factory = open_factory(Settings(home=home))
    named = {
        said: of_status(factory.engine, ["finished"], *find_scope(factory, [], said)) for said in ("photos-2", None)
    }
    assert named == {"photos-2": ["a2"], None: ["a1", "a2"]}
    factory.close()
    done = meshmill("retry", "--catalogue", "nosuch", home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no catalogue 'nosuch'" in done.stderr


def test_a_misspelled_sku_setting_or_status_is_answered_with_what_was_meant(home: Path) -> None:
    assert "Did you mean 'mug'?" in meshmill("show", "mugg", home=home).stderr
    assert "Did you mean" not in meshmill("show", "nothing-like-it", home=home).stderr
    assert (
        "There is no such parameter. Did you mean 'faces'?"
        in meshmill("run", ".", "--set", "finish.facets=1", home=home).stderr
    )
    assert "Did you mean 'starter'?" in meshmill("run", ".", "--recipe", "startr", home=home).stderr
    assert "Did you mean 'finished'?" in meshmill("assets", "--status", "finshed", home=home).stderr


def test_assets_are_a_line_each_at_80_columns_a_table_for_programs_and_in_any_order(home: Path) -> None:
    lines = meshmill("assets", home=home, COLUMNS="80").stdout.splitlines()
    rows = json.loads(meshmill("assets", "--json", home=home).stdout)
    assert len(lines) == len(rows) + 1
    assert all(len(line) <= 80 for line in lines)
    assert "faces" in meshmill("assets", "--long", home=home).stdout
    table = list(csv.DictReader(io.StringIO(meshmill("assets", "--csv", "--sort", "newest", home=home).stdout)))
    assert [row["asset_id"] for row in table] == [row["asset_id"] for row in rows[::-1]]
    done = meshmill("assets", "--sort", "prettiest", home=home)
    assert (done.returncode, "oldest, newest" in done.stderr) == (2, True)


def test_a_file_is_fetched_into_a_folder_or_to_stdout(home: Path, tmp_path: Path) -> None:
    said = json.loads(meshmill("fetch", "a1", "-o", str(tmp_path), "--json", home=home).stdout)
    assert said["file"] == str(tmp_path / "mug.glb")
    assert (tmp_path / "mug.glb").read_bytes() == b"spring"
    assert meshmill("fetch", "a2", "-o", "-", home=home).stdout == "autumn"


def test_a_shell_completes_commands_and_options(home: Path) -> None:
    assert "complete -o default -F _meshmill_completion meshmill" in meshmill("completion", "bash", home=home).stdout
    asked = {"_MESHMILL_COMPLETE": "complete_bash", "COMP_CWORD": "2", "COMP_WORDS": "meshmill assets --so"}
    assert meshmill(home=home, **asked).stdout.split() == ["--sort"]


def test_errors_are_one_document_where_json_is_asked_for(home: Path) -> None:
    done = meshmill("show", "nosuch", "--json", home=home)
    said = json.loads(done.stdout)["error"]
    assert (done.returncode, said["code"], said["exit_code"]) == (1, "not_found", 1)
    assert said["message"].startswith("There is no asset or SKU 'nosuch'")
