"""Garbage: orphans, what superseded assets leave behind, and what must never go. On both databases."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import pytest
from sqlalchemy import select, update
from test_run_stage import Shop, shop  # noqa: F401 - the fixture

from core.errors import InputError, MeshmillError, ObjectMissing
from core.records import to_json
from db import assets
from db.engine import writing
from db.lineage import lineage
from db.tables import Artifact, CollectionMark, StageRun
from storage import read_bytes
from tasks.collect import collect
from tasks.reproduce import reproduce
from tasks.stages import STAGE_NAMES


def orphan(factory: Any) -> str:
    data = b"stored by a worker that died before it recorded"
    sha256 = hashlib.sha256(data).hexdigest()
    factory.store.put(data, f"objects/{sha256[:2]}/{sha256}.glb", sha256, "model/gltf-binary")
    return f"objects/{sha256[:2]}/{sha256}.glb"


def age_marks(factory: Any, seconds: float = 100_000) -> None:
    """As if garbage had been marked that long ago."""
    with writing(factory.engine) as session:
        session.execute(update(CollectionMark).values(marked=CollectionMark.marked - seconds))


def collect_twice(factory: Any, **how: Any) -> Any:
    """A night that marks, and one that deletes."""
    collect(factory, delete=True, **how)
    age_marks(factory)
    return collect(factory, delete=True, **how)


def keys(factory: Any) -> set[str]:
    return {entry.key for entry in factory.store.list("objects/")}


def all_there(factory: Any, asset_id: str) -> bool:
    made = [a for stage in to_json(lineage(factory.engine, asset_id))["stages"] for a in stage["artifacts"]]
    return all(read_bytes(factory.store, a["key"], a["sha256"]) for a in made)


def test_orphans_go_and_nothing_else(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = shop.build(factory).build
    before = keys(factory)
    lost = orphan(factory)
    assert collect(factory).orphans == (), "too young to tell"
    found = collect(factory, older_than=-60)
    assert [entry.key for entry in found.orphans] == [lost]
    assert keys(factory) == before | {lost}, "a dry run removes nothing"
    first = collect(factory, delete=True, older_than=-60)
    assert (first.marked, first.deleted) == (1, ())
    assert collect(factory, delete=True, older_than=-60).deleted == (), "a stage may still be about to record it"
    assert keys(factory) == before | {lost}
    age_marks(factory)
    assert [entry.key for entry in collect(factory, delete=True, older_than=-60).deleted] == [lost]
    assert keys(factory) == before
    assert all_there(factory, asset_id)


def test_half_written_files_go_once_they_are_nobodys(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = shop.build(factory).build
    store = shop.folder / "home" / "store" / ".tmp"
    old = [store / "upload", factory.scratch / "k.checkpoint", factory.scratch / "k.checkpoint.17.partial"]
    young = [store / "uploading", factory.scratch / "working.checkpoint"]
    for path in (*old, *young):
        path.write_bytes(b"half")
    for path in old:
        os.utime(path, (0, time.time() - 2 * 3600))
    assert collect(factory).leftovers == (), "a day is waited unless told otherwise"
    assert len(collect(factory, older_than=0).leftovers) == 3
    assert all(path.exists() for path in old), "a dry run removes nothing"
    done = collect(factory, delete=True, older_than=0)
    assert [entry.key for entry in done.leftovers] == [
        ".tmp/upload",
        "scratch/k.checkpoint",
        "scratch/k.checkpoint.17.partial",
    ]
    assert [path.exists() for path in (*old, *young)] == [False] * 3 + [True] * 2
    assert all_there(factory, asset_id)


def test_what_superseded_assets_were_made_of_goes_only_when_asked(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    for name in ("p", "q"):
        (shop.photos / f"{name}.png").write_bytes(name.encode())
    old, other = shop.build(factory).build
    first = keys(factory)
    (new, _) = shop.build(factory, "finish.faces=5000").build
    assert assets.list_assets(factory.engine, ids=[old])[0].status == "superseded"
    second = keys(factory)
    assert collect(factory, delete=True, older_than=-60).orphans == ()
    assert collect(factory, delete=True, superseded=True).orphans == (), "too young"

    dry = collect(factory, superseded=True, older_than=-60)
    assert keys(factory) == second
    with pytest.raises(InputError, match="more than a fifth"):
        collect(factory, delete=True, superseded=True, older_than=-60)
    real = collect_twice(factory, superseded=True, older_than=-60, really=True)
    assert real.orphans == real.deleted == dry.orphans
    gone = {entry.key for entry in real.orphans}
    assert gone == second - keys(factory)
    assert gone < first, "only the old finish and assess results: the rest is shared with the new assets"
    assert len(gone) == 2 * 3
    assert all_there(factory, new)
    record = to_json(lineage(factory.engine, old))
    assert [stage["stage"] for stage in record["stages"]] == list(STAGE_NAMES), "how it was made stays on record"
    glb = assets.artifact(factory.engine, old)
    assert glb is not None
    with pytest.raises(ObjectMissing):
        read_bytes(factory.store, glb.key, glb.sha256)

    shop.computed()
    shop.build(factory)
    assert shop.computed() == {"finish": 2, "assess": 2}, "back to the old recipe: made again, not believed to be there"
    assert all_there(factory, old)
    assert all_there(factory, other)
    assert collect_twice(factory, superseded=True, older_than=3600, really=True).orphans == ()


def test_a_photo_goes_with_its_last_asset(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"first")
    shop.build(factory)
    (shop.photos / "p.png").write_bytes(b"second")
    (new,) = shop.build(factory).build
    collect_twice(factory, superseded=True, older_than=-60, really=True)
    photos = {key for key in keys(factory) if "." not in key}
    assert photos == {f"objects/{h[:2]}/{h}" for h in [hashlib.sha256(b"second").hexdigest()]}
    assert all_there(factory, new)

    (shop.photos / "p.png").write_bytes(b"first")  # and it comes back
    (old,) = shop.build(factory).build
    collect_twice(factory, older_than=-60, really=True)
    assert all_there(factory, old)
    assert len({key for key in keys(factory) if "." not in key}) == 2, "its photo is needed again"


def test_an_asset_is_rebuilt_bit_for_bit_or_the_difference_is_named(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = shop.build(factory).build
    same = reproduce(factory, asset_id)
    assert same.same
    assert {item.stage for item in same.artifacts} == set(STAGE_NAMES)
    with writing(factory.engine) as session:  # a file that the asset had, and that this code no longer makes
        (finish,) = session.scalars(select(StageRun.id).where(StageRun.stage == "finish"))
        gone = {
            "key": "objects/ab/ab.glb",
            "uri": "x",
            "sha256": "ab" * 32,
            "bytes": 1,
            "media_type": "model/gltf-binary",
        }
        session.add(Artifact(made_by=finish, kind="lod9", **gone))
    fewer = reproduce(factory, asset_id)
    assert not fewer.same
    assert [(a.kind, a.sha256) for a in fewer.artifacts if not a.same] == [("lod9", None)]
    (shop.folder / "views" / "config.json").write_text('{"other": 1}')
    with pytest.raises(MeshmillError, match="weights are no longer"):
        reproduce(factory, asset_id)
