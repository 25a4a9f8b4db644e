"""What cannot be read now waits, and keeps nobody else: mounts, permissions, disks, sizes. On both databases."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from s3_server import ACCESS, SECRET, ready
from sqlalchemy import select
from test_ingest import brief, picture, put
from test_run_stage import Shop, shop  # noqa: F401 - the fixture

import core.photos.files
import tasks.sources
from core.errors import InputError, PhotoUnavailable, TransientError, UnreadablePhoto
from core.photos.files import open_regular
from db import assets
from db.engine import reading
from db.planning import candidates
from db.tables import Photo, Product
from storage.s3 import open_s3
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.photo_bytes import fetch_source, read_source
from tasks.settings import Settings

SURROUNDINGS = ("EACCES", "EPERM", "EIO", "ESTALE", "ENOENT", "EMFILE", "ENFILE", "ENOTCONN", "ETIMEDOUT", "ENOMEM")


@pytest.fixture
def factory(tmp_path: Path, database_url: str) -> Any:
    opened = open_factory(Settings(home=tmp_path / "home", database_url=database_url, patience_seconds=0))
    yield opened
    opened.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six products."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(6):
        (folder / f"p{n}.png").write_bytes(picture(200 + n, 200))
    return folder


def present(factory: Factory) -> list[str]:
    with reading(factory.engine) as session:
        return list(session.scalars(select(Product.sku).where(~Product.removed).order_by(Product.sku)))


def hashes(factory: Factory) -> set[str]:
    with reading(factory.engine) as session:
        return set(session.scalars(select(Photo.sha256)))


class Breaks:
    """A photo that the system refuses to open, or to read, for as long as it is broken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.name, self.opening, self.reading = name, None, None
        self.opening: BaseException | None
        self.reading: BaseException | None
        self._open, self._fdopen, self._broken = os.open, os.fdopen, -1
        monkeypatch.setattr(core.photos.files.os, "open", self.open)
        monkeypatch.setattr(core.photos.files.os, "fdopen", self.fdopen)

    def open(self, path: Any, *more: Any, **options: Any) -> int:
        mine = str(path).endswith(self.name)
        if mine and self.opening is not None:
            raise self.opening
        descriptor = self._open(path, *more, **options)
        self._broken = descriptor if mine and self.reading is not None else -1
        return descriptor

    def fdopen(self, descriptor: int, *more: Any, **options: Any) -> Any:
        stream = self._fdopen(descriptor, *more, **options)
        return Unreadable(stream, self.reading) if descriptor == self._broken and self.reading else stream


class Unreadable(io.RawIOBase):
    def __init__(self, stream: Any, error: BaseException) -> None:
        self.stream, self.error = stream, error

    def read(self, size: int = -1) -> bytes:
        raise self.error

    def close(self) -> None:
        self.stream.close()


@pytest.mark.parametrize("code", SURROUNDINGS)
@pytest.mark.parametrize("when", ["opening", "reading"])
def test_a_photo_that_cannot_be_read_now_waits_and_the_others_do_not(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch, code: str, when: str
) -> None:
    broken = Breaks(monkeypatch, "p1.png")
    number = getattr(errno, code)
    setattr(broken, when, OSError(number, os.strerror(number)))
    _, changes = ingest_source(factory, str(photos))
    assert brief(changes) == {"new": ["p0", "p2", "p3", "p4", "p5"], "waiting": ["p1"]}
    assert "cannot be read now" in changes.reasons["p1"]
    broken.opening = broken.reading = None
    _, changes = ingest_source(factory, str(photos))
    assert brief(changes) == {"new": ["p1"], "unchanged": 5}, "the next night takes it up, without anybody's help"
    assert hashlib.sha256((photos / "p1.png").read_bytes()).hexdigest() in hashes(factory)
    assert len(hashes(factory)) == 6, "no sentence was taken for a photo's content"


def test_want_of_memory_keeps_one_photo_waiting(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Breaks(monkeypatch, "p1.png")
    broken.reading = MemoryError()
    _, changes = ingest_source(factory, str(photos))
    assert changes.waiting == ["p1"]
    assert len(changes.new) == 5


def test_a_known_product_stands_as_it_did_while_its_new_photo_cannot_be_read(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, _ = ingest_source(factory, str(photos))
    before = candidates(factory.engine, catalogue)
    (photos / "p1.png").write_bytes(picture(300, 300))
    broken = Breaks(monkeypatch, "p1.png")
    broken.opening = PermissionError(errno.EACCES, "Permission denied")
    _, changes = ingest_source(factory, str(photos))
    assert brief(changes) == {"unchanged": 5, "waiting": ["p1"]}
    assert candidates(factory.engine, catalogue) == before


@pytest.mark.parametrize(
    ("error", "fault"),
    [(OSError(errno.ELOOP, "loop"), UnreadablePhoto), (OSError(errno.ENAMETOOLONG, "long"), UnreadablePhoto)]
    + [(OSError(getattr(errno, code), "x"), PhotoUnavailable) for code in SURROUNDINGS],
)
def test_whose_fault_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, fault: type[Exception]
) -> None:
    (tmp_path / "p.png").write_bytes(b"x")
    Breaks(monkeypatch, "p.png").opening = error
    with pytest.raises(fault):
        open_regular(tmp_path / "p.png")


def test_a_file_of_gigabytes_is_refused_before_a_byte_of_it_is_read(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (photos / "p1.png").open("wb") as huge:
        huge.truncate(3 << 30)
    opened: list[str] = []
    really = tasks.sources.open_regular

    def watched(path: Path) -> Any:
        opened.append(path.name)
        return really(path)

    monkeypatch.setattr(tasks.sources, "open_regular", watched)
    catalogue, changes = ingest_source(factory, str(photos))
    assert brief(changes) == {"new": [f"p{n}" for n in range(6)]}
    assert "p1.png" not in opened
    (photo,) = [c for c in candidates(factory.engine, catalogue) if c.sku == "p1"]
    with pytest.raises(UnreadablePhoto, match="3,072 MiB; at most 256"):
        read_source(factory, photo.photo_uri, photo.photo_sha256)
    (photos / "p1.png").write_bytes(picture(250, 250))
    _, changes = ingest_source(factory, str(photos))
    assert brief(changes) == {"changed": ["p1"], "unchanged": 5}, "and taken when it is small enough"


def test_a_file_that_grows_while_it_is_read_waits(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Grows(Unreadable):
        def read(self, size: int = -1) -> bytes:
            with (photos / "p1.png").open("ab") as file:
                file.write(b"x")
            return b"x" * (size if size > 1 << 20 else 1 << 16)

        def fileno(self) -> int:
            return int(self.stream.fileno())

    broken = Breaks(monkeypatch, "p1.png")
    broken.reading = OSError()
    monkeypatch.setattr(sys.modules[__name__], "Unreadable", Grows)
    _, changes = ingest_source(factory, str(photos))
    assert changes.waiting == ["p1"]
    with pytest.raises(UnreadablePhoto, match="at most 256"):
        fetch_source(factory, (photos / "p1.png").as_uri())


@pytest.mark.parametrize(("gone", "allowed"), [(1, True), (2, False), (5, False)])
def test_a_folder_that_lost_more_than_a_fifth_removes_nothing(
    factory: Factory, photos: Path, gone: int, allowed: bool
) -> None:
    shutil.rmtree(photos)
    photos.mkdir()
    for n in range(5):
        (photos / f"p{n}.png").write_bytes(picture(200 + n, 200))
    ingest_source(factory, str(photos))
    for n in range(gone):
        (photos / f"p{n}.png").unlink()
    (photos / "new.png").write_bytes(picture(400, 400))
    if allowed:
        assert ingest_source(factory, str(photos))[1].removed == ["p0"]
        return
    with pytest.raises(InputError, match=f"lost {gone} of 5 products.*--allow-removal"):
        ingest_source(factory, str(photos))
    assert {f"p{n}" for n in range(5)} <= set(present(factory))
    _, changes = ingest_source(factory, str(photos), allow_removal=True)
    assert changes.removed == [f"p{n}" for n in range(gone)]


def test_an_empty_folder_removes_nothing_unless_somebody_means_it(factory: Factory, photos: Path) -> None:
    ingest_source(factory, str(photos))
    for path in photos.iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no photos"):
        ingest_source(factory, str(photos))
    assert len(present(factory)) == 6
    assert len(ingest_source(factory, str(photos), allow_removal=True)[1].removed) == 6
    with pytest.raises(InputError, match="no photos"):
        ingest_source(factory, str(photos.parent / "home"), allow_removal=True)


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The system lists this folder for nobody."""
    really = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_products_of_a_folder_that_cannot_be_listed_wait(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "shoe").mkdir()
    (photos / "shoe" / "front.png").write_bytes(picture(300, 300))
    ingest_source(factory, str(photos))
    (photos / "p0.png").unlink()
    forbid(monkeypatch, photos / "shoe")
    with pytest.raises(InputError, match="lost 2 of 7"):
        ingest_source(factory, str(photos))
    (photos / "p0.png").write_bytes(picture(200, 200))
    _, changes = ingest_source(factory, str(photos), allow_removal=True)
    assert (changes.waiting, changes.removed) == (["shoe"], []), "nobody knows whether it is gone"
    assert "Permission denied" in changes.reasons["shoe"]
    assert "shoe" in present(factory)


def test_a_folder_that_cannot_be_listed_at_all_is_said(
    factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_source(factory, str(photos))
    forbid(monkeypatch, photos)
    for allow in (False, True):
        with pytest.raises(InputError, match="Permission denied"):
            ingest_source(factory, str(photos), allow_removal=allow)
    assert len(present(factory)) == 6


@pytest.mark.parametrize("code", ["EACCES", "EIO", "ESTALE", "ENOTCONN"])
def test_a_dead_mount_is_said(factory: Factory, photos: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    ingest_source(factory, str(photos))
    number, really = getattr(errno, code), Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path == photos:
            raise OSError(number, os.strerror(number), str(path))
        return really(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(InputError, match="cannot be read now"):
        ingest_source(factory, str(photos))
    assert len(present(factory)) == 6


def test_a_manifest_whose_photos_vanished_keeps_its_products(factory: Factory, photos: Path) -> None:
    table = photos.parent / "shop.csv"
    table.write_text("sku,photo\n" + "".join(f"S{n},photos/p{n}.png\n" for n in range(6)))
    catalogue, _ = ingest_source(factory, str(table))
    before = candidates(factory.engine, catalogue)
    photos.rename(photos.with_name("unmounted"))
    _, changes = ingest_source(factory, str(table))
    assert changes.waiting == [f"S{n}" for n in range(6)]
    assert all(changes.reasons.values())
    assert candidates(factory.engine, catalogue) == before
    photos.with_name("unmounted").rename(photos)
    assert brief(ingest_source(factory, str(table))[1]) == {"unchanged": 6}
    table.write_text("sku,photo\nS0,photos/p0.png\n")
    with pytest.raises(InputError, match="lost 5 of 6"):
        ingest_source(factory, str(table))
    assert len(present(factory)) == 6


@pytest.mark.server
def test_a_prefix_that_lost_its_objects_removes_nothing(seaweed: str, tmp_path: Path, database_url: str) -> None:
    settings = Settings(
        home=tmp_path / "home",
        database_url=database_url,
        s3_endpoint=seaweed,
        s3_access_key=ACCESS,
        s3_secret_key=SECRET,
        patience_seconds=0,
    )
    factory = open_factory(settings)
    name = f"shop-{time.time_ns()}"
    store = ready(open_s3("contract", name, seaweed, ACCESS, SECRET))
    for n in range(5):
        put(store, f"p{n}.png", picture(200 + n, 200))
    source = f"s3://contract/{name}"
    catalogue, _ = ingest_source(factory, source)
    page = candidates(factory.engine, catalogue)
    for n in range(2):
        store.delete(f"p{n}.png")
    with pytest.raises(InputError, match="lost 2 of 5"):
        ingest_source(factory, source)
    with pytest.raises(PhotoUnavailable, match="not in its bucket"):
        read_source(factory, page[0].photo_uri, page[0].photo_sha256)
    for n in range(2, 5):
        store.delete(f"p{n}.png")
    with pytest.raises(InputError, match="no photos"):
        ingest_source(factory, source)
    with pytest.raises(InputError, match="nothing was taken in or removed"):
        ingest_source(factory, "s3://no-such-bucket-here/prefix")
    assert len(present(factory)) == 5
    factory.close()


def test_an_object_that_its_store_refuses_waits_and_a_store_that_is_down_ends_the_night(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import ObjectMissing, StoreDown
    from db.found import FoundPhoto, NotNow
    from tasks.readings import Readings

    answers: list[Exception | None] = [
        StoreDown("refused"),
        None,
        ObjectMissing("gone"),
        StoreDown("a"),
        StoreDown("b"),
    ]

    class Store:
        def open(self, key: str) -> Any:
            from contextlib import nullcontext

            if (answer := answers.pop(0)) is not None:
                raise answer
            return nullcontext(io.BytesIO(b"photo"))

    monkeypatch.setattr("tasks.remote.open_source", lambda *_: (Store(), "key"))
    readings = Readings(factory)
    photo = FoundPhoto("s3://b/p.png", "1", 5)
    assert isinstance(readings.sha256(photo), NotNow)
    assert readings.sha256(photo) == hashlib.sha256(b"photo").hexdigest()
    assert isinstance(readings.sha256(photo), NotNow)
    assert isinstance(readings.sha256(photo), NotNow)
    with pytest.raises(TransientError):
        readings.sha256(photo)


def test_a_photo_that_vanishes_between_plan_and_build_waits_for_the_next_night(shop: Shop) -> None:  # noqa: F811
    from tasks.build import build_ahead

    factory = shop.factory()
    for n in range(3):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    plan, models = shop.plan(factory)
    (shop.photos / "p1.png").rename(shop.folder / "away.png")
    settled = build_ahead(factory, plan.build, models, lambda: False)
    assert settled == set(plan.build)
    assert shop.statuses(factory) == {"p0": "finished", "p1": "queued", "p2": "finished"}
    (waiting,) = assets.list_assets(factory.engine, status="queued")
    assert "not there any more" in str(waiting["reason"] if isinstance(waiting, dict) else waiting.reason)
    (shop.folder / "away.png").rename(shop.photos / "p1.png")
    os.utime(shop.photos / "p1.png")
    assert len(shop.build(factory).build) == 1
    assert shop.statuses(factory) == {"p0": "finished", "p1": "finished", "p2": "finished"}
