"""What must be true of a shop after each bad thing: lost 0, doubled 0, half-published 0, unpublished 0."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from storage.s3 import S3Store

PUBLISHED = "SELECT catalogue || '/' || sku FROM finished_assets"


@dataclass(frozen=True)
class Audit:
    """What must be zero."""

    lost: int
    """Products without a published asset of the photo that lies in the folder."""
    missing: int
    """Rows that are needed and whose object is gone."""
    doubled: int
    """Stage keys that finished twice, products that are published twice."""
    half_published: int
    """Published files that are not in the store byte by byte, and objects that are not what their name says."""
    unpublished: int
    """Products that were published at some moment of the day and, at a later one, were not."""


class Watch:
    """Looks at what is published, ten times a second, past pooler and balancer."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_pre_ping=True)
        self.seen: set[str] = set()
        self.missed: set[str] = set()
        self._looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            try:
                published = {row[0] for row in self.ask(PUBLISHED)}
            except DBAPIError:  # the database is away, which is another matter
                continue
            self.missed |= self.seen - published
            self.seen |= published
            self._looks += 1

    def looks(self) -> int:
        """How often it looked since it was asked last."""
        count, self._looks = self._looks, 0
        return count

    def forgotten(self) -> set[str]:
        """Products that were published and then were not, since it was asked last."""
        missed, self.missed = self.missed, set()
        return missed

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self.engine.dispose()


def audit(watch: Watch, store: S3Store, photos: Iterable[Path]) -> Audit:
    """``photos`` are the files that lie in the shop's folders, one a product."""
    ask = watch.ask
    broken = set()
    for entry in store.list("objects/"):
        with store.open(entry.key) as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() not in entry.key:  # type: ignore[arg-type]
                broken.add(entry.key)
    stands = {entry.key for entry in store.list("objects/")} - broken
    referred = {key for (key,) in ask("SELECT key FROM artifact WHERE collected_at IS NULL")}
    wanted = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in photos}
    current = dict(
        ask(
            "SELECT product.sku, photo.sha256 FROM asset JOIN product ON product.id = asset.product_id "
            "JOIN photo ON photo.id = asset.photo_id WHERE asset.status = 'finished'"
        )
    )
    built = {sku for sku, sha256 in wanted.items() if current.get(sku) == sha256}
    published = [name.rpartition("/")[2] for (name,) in ask(PUBLISHED)]
    files = {uri.removeprefix(store.uri("")) for (uri,) in ask("SELECT uri FROM finished_files")}
    twice = ask("SELECT key FROM stage_run WHERE state = 'finished' GROUP BY key HAVING count(*) > 1")
    return Audit(
        lost=len(set(wanted) - (built & set(published))),
        missing=len(referred - stands),
        doubled=len(twice) + len(published) - len(set(published)),
        half_published=len(files - stands) + len(broken),
        unpublished=len(watch.forgotten()),
    )
