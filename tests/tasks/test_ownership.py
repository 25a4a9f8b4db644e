"""Whose store it is: no database collects what another one, or a copy of it, has stored. On both databases."""

# ruff: noqa: F811 - the fixture of another module

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from s3_server import ACCESS, SECRET, ready
from sqlalchemy import text
from test_collect import age_marks, collect_twice, keys, orphan
from test_run_stage import Shop, shop  # noqa: F401 - the fixture

from core.errors import InputError
from core.recipes import recipe_hash
from db import housekeeping
from db.engine import open_engine, writing
from storage.s3 import open_s3
from tasks.collect import collect, grace
from tasks.factory import Factory, open_factory
from tasks.ownership import owners, why_not_ours
from tasks.plan import begin_run, plan_catalogue
from tasks.settings import Settings


def run(shop: Shop, factory: Factory) -> Any:
    """What `meshmill run` does, up to its end."""
    from db.catalogue import ensure_catalogue, sync_products
    from storage.places import file_uri
    from tasks.build import build_ahead
    from tasks.models import registered_in, resolve_models
    from tasks.sources import hash_file, scan_folder

    recipe = shop.recipe()
    assert recipe_hash(recipe)
    models = resolve_models(factory.settings, recipe, registered_in(factory.engine))
    catalogue = ensure_catalogue(factory.engine, "photos", file_uri(shop.photos))
    sync_products(factory.engine, catalogue, scan_folder(shop.photos).products, hash_file)
    run_id = begin_run(factory, catalogue, recipe)
    plan = plan_catalogue(factory, catalogue, recipe, models, run_id=run_id)
    build_ahead(factory, plan.build, models, lambda: False)
    return plan


def elsewhere(shop: Shop, name: str, **settings: Any) -> Factory:
    """A factory with a database of its own and the same store."""
    given = {"database_url": f"sqlite:///{shop.folder / name}.db"} | settings
    made = Settings(home=shop.folder / "home", lease_seconds=5, **given)
    factory = open_factory(made, compute=fake_stages.compute)
    shop.factories.append(factory)
    return factory


def stock(shop: Shop, products: int = 3) -> Factory:
    factory = shop.factory()
    for n in range(products):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    run(shop, factory)
    return factory


@pytest.mark.parametrize("really", [False, True])
@pytest.mark.parametrize("delete", [False, True])
def test_a_database_without_an_asset_touches_no_store(shop: Shop, delete: bool, really: bool) -> None:
    before = keys(stock(shop))
    empty = elsewhere(shop, "empty")
    for superseded in (False, True):
        with pytest.raises(InputError, match="MESHMILL_DATABASE_URL"):
            collect(empty, delete=delete, older_than=-60, really=really, superseded=superseded)
    assert keys(empty) == before


def test_an_empty_store_of_an_empty_database_is_no_error(shop: Shop) -> None:
    assert collect(shop.factory(), delete=True).orphans == ()


def test_a_store_of_two_databases_is_collected_by_neither(shop: Shop) -> None:
    factory = stock(shop)
    (shop.photos / "p0.png").write_bytes(b"another photo")
    other = elsewhere(shop, "other")
    run(shop, other)
    before = keys(factory)
    for mine in (factory, other):
        with pytest.raises(InputError, match="another database"):
            collect(mine, delete=True, older_than=-60, really=True)
    assert keys(factory) == before
    assert why_not_ours(other)
    (shop.photos / "p0.png").write_bytes(b"photo 0")
    collect(other, delete=True, older_than=-60, really=True, take_over=True)
    assert owners(other).others == ()
    assert owners(factory).ours is None, "the other one is told so, too"
    with pytest.raises(InputError, match="another database"):
        collect(factory, delete=True, older_than=-60)
    run(shop, factory)
    with pytest.raises(InputError, match="another database"):
        collect(other, delete=True, older_than=-60, really=True)


def copy_database(shop: Shop, factory: Factory) -> str:
    """A copy of the database, whole; its URL."""
    factory.engine.dispose()
    if factory.engine.dialect.name == "sqlite":
        with factory.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        shutil.copy(str(factory.engine.url.database), shop.folder / "copy.db")
        return f"sqlite:///{shop.folder / 'copy.db'}"
    name = str(factory.engine.url.database)
    admin = open_engine(shop.database_url.replace(name, "postgres"))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}copy TEMPLATE {name}"))
    admin.dispose()
    return shop.database_url.replace(name, name + "copy")


def test_a_copy_or_an_older_state_of_the_database_collects_nothing(shop: Shop) -> None:
    factory = stock(shop)
    url = copy_database(shop, factory)
    for n in range(3):
        (shop.photos / f"q{n}.png").write_bytes(b"newer %d" % n)
    run(shop, factory)
    before = keys(factory)
    copy = elsewhere(shop, "copy", database_url=url)
    for _ in range(2):
        with pytest.raises(InputError, match="copy or by a newer state"):
            collect(copy, delete=True, older_than=-60, really=True)
        run(shop, copy)  # it may work, and from then on neither collects what the other made
    with pytest.raises(InputError, match="copy or by a newer state"):
        collect(factory, delete=True, older_than=-60, really=True)
    assert before <= keys(factory)
    collect(factory, delete=True, older_than=-60, really=True, take_over=True)
    assert why_not_ours(factory) is None
    assert why_not_ours(copy)


def test_a_crash_while_the_store_is_told_disputes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from db import installation

    factory = stock(shop)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installation, "announced", dies)
    with pytest.raises(KeyboardInterrupt):
        begin_run(factory, 1, shop.recipe())
    monkeypatch.undo()
    monkeypatch.setenv("MESHMILL_TEST_LOG", str(shop.log))
    assert why_not_ours(factory) is None
    begin_run(factory, 1, shop.recipe())
    assert why_not_ours(factory) is None


def test_a_store_from_before_is_adopted_by_the_database_that_knows_its_objects(shop: Shop) -> None:
    factory = stock(shop)
    for entry in list(factory.store.list("databases/")):
        factory.store.delete(entry.key)
    with writing(factory.engine) as session:
        session.execute(text("DELETE FROM installation"))
    factory.registered = False
    stranger = elsewhere(shop, "stranger", store_url=f"file://{shop.folder / 'its-own'}")
    run(shop, stranger)
    before = keys(factory)
    stranger = elsewhere(shop, "stranger")
    for key in before:  # it made the same photos' objects elsewhere: let it know none of these
        with writing(stranger.engine) as session:
            session.execute(text("UPDATE artifact SET key = 'objects/other' WHERE key = :key"), {"key": key})
    with pytest.raises(InputError, match="knows none"):
        collect(stranger, delete=True, older_than=-60, really=True)
    assert collect_twice(factory, older_than=-60).orphans == ()
    assert owners(factory).ours is not None
    assert keys(factory) == before


@pytest.mark.parametrize("superseded", [False, True])
def test_more_than_a_fifth_goes_only_when_somebody_means_it(shop: Shop, superseded: bool) -> None:
    factory = stock(shop, 1)
    lost = orphan(factory)
    for n in range(8):
        data = b"orphan %d" % n
        sha256 = hashlib.sha256(data).hexdigest()
        factory.store.put(data, f"objects/{sha256[:2]}/{sha256}", sha256, "text/plain")
    before = keys(factory)
    with pytest.raises(InputError, match="9 of 18 objects"):
        collect(factory, delete=True, older_than=-60, superseded=superseded)
    assert keys(factory) == before
    assert len(collect(factory, older_than=-60).orphans) == 9, "to look is allowed"
    gone = collect_twice(factory, older_than=-60, superseded=superseded, really=True).deleted
    assert lost in {entry.key for entry in gone}
    assert len(keys(factory)) == 9


def test_what_others_put_below_the_prefix_stays(shop: Shop) -> None:
    factory = stock(shop, 1)
    sha256 = hashlib.sha256(b"x").hexdigest()
    for key in (f"objects/objects/{sha256[:2]}/{sha256}", "objects/readme.txt", f"objects/zz/{sha256}"):
        factory.store.put(b"x", key, sha256, "text/plain")
    before = keys(factory)
    assert collect_twice(factory, older_than=-60, really=True).orphans == ()
    assert keys(factory) == before


@pytest.mark.server
def test_two_installations_share_a_bucket_by_prefix(shop: Shop, seaweed: str) -> None:
    for n in range(2):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    s3 = {"s3_endpoint": seaweed, "s3_access_key": ACCESS, "s3_secret_key": SECRET}
    bucket = "contract"
    ready(open_s3(bucket, "", seaweed, ACCESS, SECRET))
    # The nastiest of prefixes: one inside the other, under the very name that objects have.
    outer = f"{shop.folder.name}-{(shop.factories and 1) or 0}"
    outer += "-pg" if shop.database_url.startswith("postgresql") else ""
    factories = [
        elsewhere(shop, f"h{n}", store_url=f"s3://{bucket}/{outer}{inner}", **s3)
        for n, inner in enumerate(("", "/objects", "/b"))
    ]
    for factory in factories:
        run(shop, factory)
    before = [keys(factory) for factory in factories]
    for factory in factories:
        lost = orphan(factory)
        assert [entry.key for entry in collect_twice(factory, older_than=-60).deleted] == [lost]
    assert [keys(factory) for factory in factories] == before


def test_whoever_stores_or_records_an_object_takes_its_mark_away(shop: Shop) -> None:
    from tasks.artifacts import put

    factory = stock(shop, 1)
    lost = orphan(factory)
    sha256 = lost.rsplit("/", 1)[1].removesuffix(".glb")
    collect(factory, delete=True, older_than=-60)
    age_marks(factory)
    data = b"stored by a worker that died before it recorded"
    put(factory, data, lost, sha256, "model/gltf-binary")
    assert collect(factory, delete=True, older_than=-60).deleted == (), "marked anew: its worker is still busy"
    assert lost in keys(factory)


def test_an_object_that_is_being_deleted_is_stored_again_after_it(shop: Shop) -> None:
    import threading
    import time

    from tasks.artifacts import put

    factory = stock(shop, 1)
    lost = orphan(factory)
    sha256 = lost.rsplit("/", 1)[1].removesuffix(".glb")
    collect(factory, delete=True, older_than=-60)
    age_marks(factory)
    assert housekeeping.may_delete(factory.engine, lost, grace(factory.settings))
    assert not housekeeping.may_delete(factory.engine, lost, 0), "by one process only"
    data = b"stored by a worker that died before it recorded"
    storing = threading.Thread(target=put, args=(factory, data, lost, sha256, "model/gltf-binary"))
    storing.start()
    time.sleep(0.5)
    assert storing.is_alive(), "it waits"
    factory.store.delete(lost)
    housekeeping.deleted(factory.engine, lost)
    storing.join(10)
    assert lost in keys(factory)


def test_a_host_that_slept_between_storing_and_recording_stores_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP, or a laptop's lid, for longer than a collection waits."""
    from db import stage_runs

    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    really, slept = stage_runs.finish, []

    def sleeps(engine: Any, *arguments: Any, **more: Any) -> Any:
        if not slept:
            slept.append([artifact.key for artifact in more["artifacts"]])
            with writing(engine) as session:  # an asset must be there before anything is collected
                assert session.execute(text("SELECT count(*) FROM asset")).scalar() == 1
            assert collect_twice(factory, older_than=-60, really=True).deleted
        return really(engine, *arguments, **more)

    monkeypatch.setattr(stage_runs, "finish", sleeps)
    run(shop, factory)
    assert set(slept[0]) <= keys(factory)
    assert shop.statuses(factory) == {"p": "finished"}


def test_a_photo_that_is_collected_while_it_is_recorded_is_stored_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.artifacts

    factory = stock(shop, 1)
    (shop.photos / "new.png").write_bytes(b"new photo")
    really, slept = tasks.artifacts.photo_artifact, []

    def sleeps(engine: Any, new: Any) -> Any:
        if not slept and factory.store.size(new.key) is not None and _bytes(factory, new.key) == b"new photo":
            slept.append(new.key)
            assert collect_twice(factory, older_than=-60, really=True).deleted
        return really(engine, new)

    monkeypatch.setattr(tasks.artifacts, "photo_artifact", sleeps)
    run(shop, factory)
    assert slept
    assert slept[0] in keys(factory)
    assert shop.statuses(factory) == {"new": "finished", "p0": "finished"}


def _bytes(factory: Factory, key: str) -> bytes:
    with factory.store.open(key) as stream:
        return stream.read()


def test_a_run_warns_of_a_store_that_is_shared(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    stock(shop)
    other = elsewhere(shop, "other")
    run(shop, other)
    assert "another database" in caplog.text


def test_a_marker_shows_no_password(shop: Shop) -> None:
    factory = stock(shop)
    (entry,) = factory.store.list("databases/")
    said = _bytes(factory, entry.key).decode()
    assert "@" not in said
    assert Path(entry.key).name in said
