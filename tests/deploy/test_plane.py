"""The kit's scripts on real servers, with passwords of every character: who may do what, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from flows.pages import our_version
from tests.deploy.plane import ROOT, Plane
from tests.flows.shop import Shop

pytestmark = pytest.mark.server


def test_setting_up_again_changes_nothing(plane: Plane) -> None:
    before = standing(plane)
    plane.set_up()
    assert standing(plane) == before
    assert before["pools"] == ["cpu", "gpu"]
    assert len(before["automations"]) == len(set(before["automations"]))
    assert len(before["deployments"]) == 6


def test_no_night_begins_by_itself_until_a_catalogue_is_named(plane: Plane) -> None:
    def nightly() -> dict[str, Any]:
        (found,) = (d for d in plane.ask("deployments/filter", {}) if d["name"] == "nightly")
        return found

    (schedule,) = nightly()["schedules"]
    assert not schedule["active"]
    assert nightly()["parameters"] == {"recipe": "starter", "deployment": "build_assets/build"}, "built by GPU workers"

    named = {"MESHMILL_CATALOGUE": "/photos of summer", "MESHMILL_NIGHT": "30 2 * * *", "TZ": "Europe/Vienna"}
    plane.run(["sh", str(ROOT / "deploy" / "setup.sh")], plane.owner | named)
    (schedule,) = nightly()["schedules"]
    assert schedule["active"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("30 2 * * *", "Europe/Vienna")
    assert schedule["parameters"] == {"folder": "/photos of summer", "recipe": "starter"}
    assert nightly()["parameters"]["deployment"] == "build_assets/build"

    for several in ("/photos of summer | s3://winter", "s3://winter"):
        schedule = [sys.executable, str(ROOT / "deploy" / "schedule.py")]
        plane.run(schedule, plane.owner | named | {"MESHMILL_CATALOGUE": several})
        folders = {one["parameters"]["folder"] for one in nightly()["schedules"] if one["active"]}
        assert folders == {name.strip() for name in several.split("|")}
    assert len(nightly()["schedules"]) == 1


def test_what_is_urgent_goes_first(plane: Plane) -> None:
    queues = {queue["name"]: queue for queue in plane.ask("work_pools/gpu/queues/filter", {})}
    assert queues["rush"]["priority"] < queues["night"]["priority"]
    places = {d["name"]: d["work_queue_name"] for d in plane.ask("deployments/filter", {})}
    assert places["rush"] == "rush"
    assert places["build"] == places["retry"] == "night"


def found(plane: Plane, check: str, code: int | None = 0) -> dict[str, Any]:
    """What `meshmill doctor` says of it."""
    environment = plane.worker | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli.main", "doctor", check, "--json"]
    done = subprocess.run(command, env=environment, cwd=plane.folder, capture_output=True, text=True)
    (one,) = json.loads(done.stdout)["checks"]
    assert done.returncode == code, one
    return dict(one)


def test_pools_that_are_paused_and_workers_that_are_gone_or_old_are_said(plane: Plane) -> None:
    assert found(plane, "pools")["found"] == "cpu (process: default), gpu (process: night, rush)"
    plane.ask("work_pools/gpu", {"is_paused": True}, "PATCH")
    assert "prefect work-pool resume gpu" in found(plane, "workers", 1)["fix"]
    assert found(plane, "pools")["fix"] is None, "a worker may be restarted meanwhile"
    plane.ask("work_pools/gpu", {"is_paused": False}, "PATCH")
    plane.ask("work_pools/gpu/queues/rush", {"is_paused": True}, "PATCH")
    assert "prefect work-queue resume rush --pool gpu" in found(plane, "workers", 1)["fix"]
    plane.ask("work_pools/gpu/queues/rush", {"is_paused": False}, "PATCH")

    assert "No worker of the pool cpu is online" in found(plane, "workers", 1)["fix"]
    for pool in ("cpu", "gpu"):
        plane.ask(f"work_pools/{pool}/workers/heartbeat", {"name": f"{pool} of one"})
    said = found(plane, "workers")
    assert said["found"] == "cpu: cpu of one; gpu: gpu of one"
    build = plane.ask("deployments/name/build_assets/build")
    for host, version in (("one", our_version()), ("two", "0.0.1")):
        running = {"type": "RUNNING", "name": "Running"}
        tags = ["meshmill", f"host:{host}", f"version:{version}"]
        run = plane.ask(
            f"deployments/{build['id']}/create_flow_run", {"parameters": {"asset_ids": ["one"]}, "tags": tags}
        )
        for state in ({"type": "PENDING"}, running, {"type": "COMPLETED"}):
            plane.ask(f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})
    said = found(plane, "workers", 1)
    assert f"last ran {our_version()} on one, 0.0.1 on two" in said["found"]
    assert said["fix"] == f"two ran another version than {our_version()}, which is here: install one everywhere."


def test_prefect_keeps_its_runs_for_ninety_days(plane: Plane) -> None:
    """By its own clean-up, with the settings of the kit."""
    build = plane.ask("deployments/name/build_assets/build")
    runs = {}
    for days in (89, 91):
        run = plane.ask(f"deployments/{build['id']}/create_flow_run", {"parameters": {"asset_ids": ["one"]}})["id"]
        for state in ("PENDING", "RUNNING", "COMPLETED"):
            plane.ask(f"flow_runs/{run}/set_state", {"state": {"type": state}})
        older = f"UPDATE flow_run SET end_time = end_time - interval '{days} days' WHERE id = '{run}'"
        assert plane.psql(["--dbname=prefect", f"--command={older}"]).returncode == 0
        runs[days] = run
    code = (
        "import asyncio; from prefect.server.database.dependencies import provide_database_interface as database; "
        "from prefect.server.services.db_vacuum import vacuum_old_flow_runs; "
        "asyncio.run(vacuum_old_flow_runs(db=database()))"
    )
    plane.run([sys.executable, "-c", code], plane.of_prefect())
    kept = [row["id"] for row in plane.ask("flow_runs/filter", {"flow_runs": {"id": {"any_": list(runs.values())}}})]
    assert kept == [runs[89]]
    assert "flow_runs" in plane.of_prefect()["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"].split(",")


def standing(plane: Plane) -> dict[str, list[str]]:
    found = {}
    for name, path in (("pools", "work_pools"), ("deployments", "deployments"), ("automations", "automations")):
        found[name] = sorted(row["name"] for row in plane.ask(f"{path}/filter", {}))
    return found


def test_a_worker_with_its_own_role_and_key_builds_a_catalogue(plane: Plane, tmp_path: Path) -> None:
    environment = {n: v for n, v in plane.worker.items() if n.startswith(("MESHMILL_", "PG")) and "HOME" not in n}
    environment = {n: v for n, v in environment.items() if n != "MESHMILL_DIRECTORY"}
    shop = Shop(tmp_path, MESHMILL_TEST_ALONE="1", **environment)
    shop.stock(2)
    assert shop.finish(shop.start())["finished"] == 2
    assets = json.loads(plane.meshmill("assets", "--sku", "p?", "--json", role=plane.gallery))
    assert {asset["status"] for asset in assets} == {"finished"}
    plane.meshmill("review", "p0", "--approve", role=plane.gallery)
    rows = plane.psql(
        ["--dbname=meshmill", "--tuples-only", "--command=SELECT count(*) FROM finished_assets WHERE sku LIKE 'p_'"],
        "meshmill_reader",
        "MESHMILL_READER_PASSWORD",
    )
    assert rows.stdout.strip() == "2", rows.stderr


REFUSED = [
    ("meshmill", "MESHMILL_WORKER_PASSWORD", "CREATE TABLE mine (a int)"),
    ("meshmill", "MESHMILL_WORKER_PASSWORD", "DROP TABLE asset"),
    ("meshmill", "MESHMILL_WORKER_PASSWORD", "UPDATE alembic_version SET version_num = 'x'"),
    ("meshmill", "MESHMILL_WORKER_PASSWORD", "COPY asset TO PROGRAM 'id'"),
    ("meshmill_gallery", "MESHMILL_GALLERY_PASSWORD", "DELETE FROM asset"),
    ("meshmill_gallery", "MESHMILL_GALLERY_PASSWORD", "UPDATE artifact SET sha256 = ''"),
    ("meshmill_gallery", "MESHMILL_GALLERY_PASSWORD", "UPDATE asset SET glb_id = 1"),
    ("meshmill_reader", "MESHMILL_READER_PASSWORD", "SELECT * FROM asset"),
    ("meshmill_reader", "MESHMILL_READER_PASSWORD", "DELETE FROM product"),
]


DECIDES = (
    "INSERT INTO comment (asset_id, text, created_at) SELECT id, 'x', now() FROM asset LIMIT 1",
    "SELECT id FROM review FOR UPDATE",
    "UPDATE review SET decision = decision, undone_by = 'Ann', undone_at = now()",
    "DELETE FROM publication WHERE false",
    "UPDATE asset SET status = status, reason = reason, error_class = error_class, finished_at = finished_at",
)
"""What deciding, taking back and commenting on a page need."""


@pytest.mark.parametrize("statement", DECIDES)
def test_the_gallery_s_role_decides_and_takes_back(plane: Plane, statement: str) -> None:
    done = plane.psql(
        ["--dbname=meshmill", f"--command=BEGIN; {statement}; ROLLBACK"],
        "meshmill_gallery",
        "MESHMILL_GALLERY_PASSWORD",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("role", "password", "statement"), REFUSED, ids=[f"{r}: {s}" for r, _, s in REFUSED])
def test_a_role_may_do_no_more_than_its_work(plane: Plane, role: str, password: str, statement: str) -> None:
    done = plane.psql(["--dbname=meshmill", f"--command={statement}"], role, password)
    assert done.returncode != 0
    assert "permission denied" in done.stderr or "must be owner" in done.stderr, done.stderr


def test_no_role_enters_without_its_password_or_another_database(plane: Plane) -> None:
    wrong = plane.psql(["--dbname=meshmill", "--command=SELECT 1"], "meshmill", "MESHMILL_READER_PASSWORD")
    assert "password authentication failed" in wrong.stderr
    other = plane.psql(["--dbname=prefect", "--command=SELECT 1"], "meshmill", "MESHMILL_WORKER_PASSWORD")
    assert "permission denied for database" in other.stderr


def test_the_workers_key_opens_its_own_bucket_alone(plane: Plane) -> None:
    from minio.error import S3Error

    from storage.s3 import open_s3

    endpoint, secrets = f"http://127.0.0.1:{plane.ports['s3']}", plane.secrets
    admin = open_s3("another", "", endpoint, secrets["STORE_ADMIN_KEY"], secrets["STORE_ADMIN_SECRET"])
    admin.ensure_bucket()
    worker = open_s3("another", "", endpoint, secrets["STORE_KEY"], secrets["STORE_SECRET"]).client
    for attempt in (
        lambda: list(worker.list_objects("another")),
        lambda: worker.fput_object("another", "x", str(ROOT / "LICENSE")),
        lambda: worker.make_bucket("third"),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()
    assert worker.bucket_exists("meshmill")


def test_photos_in_a_bucket_are_read_with_a_key_of_their_own(plane: Plane, tmp_path: Path) -> None:
    """A stolen source key opens the photos and nothing else; the worker's key does not open the photos."""
    from minio.error import S3Error

    from storage.s3 import open_s3

    endpoint, secrets = f"http://127.0.0.1:{plane.ports['s3']}", plane.secrets
    photos = open_s3("photos", "", endpoint, secrets["STORE_ADMIN_KEY"], secrets["STORE_ADMIN_SECRET"])
    photos.ensure_bucket()
    data = b"no picture, which is found out later"
    photos.put(data, "mug.png", hashlib.sha256(data).hexdigest(), "image/png")

    stolen = open_s3("meshmill", "", endpoint, secrets["SOURCE_KEY"], secrets["SOURCE_SECRET"]).client
    for attempt in (
        lambda: list(stolen.list_objects("meshmill", recursive=True)),
        lambda: stolen.remove_object("meshmill", "databases/x"),
        lambda: stolen.fput_object("photos", "mug.png", str(ROOT / "LICENSE")),
        lambda: stolen.remove_object("photos", "mug.png"),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()

    own = {"MESHMILL_SOURCE_S3_ACCESS_KEY": secrets["SOURCE_KEY"]}
    own["MESHMILL_SOURCE_S3_SECRET_KEY"] = secrets["SOURCE_SECRET"]
    words = ("run", "s3://photos", "--json")
    (asset,) = json.loads(plane.meshmill(*words, role=plane.worker | own))["assets"]
    assert (asset["sku"], asset["status"]) == ("mug", "quarantined"), "it was read"
    at_once = {"MESHMILL_PATIENCE_SECONDS": "0"}
    done = json.loads(plane.meshmill(*words, role=plane.worker | at_once, code=None))
    assert "cannot be listed" in done["error"]["message"], "the worker's own key does not open the photos"


def test_a_link_is_handed_out_for_a_while(plane: Plane) -> None:
    with urllib.request.urlopen(plane.meshmill("fetch", "p0", "--link", "3600").strip(), timeout=60) as answer:
        assert answer.read()
    url = plane.meshmill("fetch", "p0", "--link", "1").strip()
    time.sleep(3)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=60)
    assert refused.value.code == 403


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic bWVzaG1pbGw6"}], ids=["no login", "a wrong one"])
@pytest.mark.parametrize("path", ["work_pools/cpu", "csrf-token?client=x", "deployments/filter", "flow_runs/"])
def test_prefects_api_is_closed_to_whoever_has_no_login(plane: Plane, path: str, header: dict[str, str]) -> None:
    body = b"{}" if path.endswith(("filter", "/")) else None
    request = urllib.request.Request(f"{plane.api}/{path}", body, header | {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == (403 if body else 401), "a POST already fails for want of a page's token"


def test_a_foreign_page_in_a_logged_in_browser_changes_nothing(plane: Plane) -> None:
    """The browser adds the login by itself; the token it has not."""
    login = base64.b64encode(plane.secrets["PREFECT_AUTH"].encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json", "Origin": "https://evil.example"}
    request = urllib.request.Request(f"{plane.api}/work_pools/", b'{"name": "mine", "type": "process"}', headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 403
    assert "mine" not in standing(plane)["pools"]
