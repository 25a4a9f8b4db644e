"""Where a store lies: paths and URLs, never one taken for the other."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

_FILE = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/(?!/)))", re.IGNORECASE)
_S3 = re.compile(r"s3://", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket and the prefix below which objects stand; "" for the whole bucket."""

    name: str
    prefix: str


def file_uri(path: Path) -> str:
    """``file://`` with every awkward byte escaped: it survives newlines, quotes, ``#``, ``?``, ``%`` and bytes that are
    not UTF-8."""
    return "file://" + quote(os.fsencode(path.absolute()))


def uri_path(uri: str) -> Path:
    """The path of a ``file://`` URI. ``%41`` is one escaped byte; all else, ``?`` and ``#`` too, stands for itself."""
    return Path(os.fsdecode(unquote_to_bytes(_FILE.sub("", uri, count=1))))


def bucket_of(uri: str) -> Bucket | None:
    """Bucket and key of ``s3://bucket/key``, letter for letter: nothing is unescaped; None for another URI."""
    found = _S3.match(uri)
    if found is None:
        return None
    name, _, key = uri[found.end() :].partition("/")
    return Bucket(name, key)


def place_of(url: str) -> Path | Bucket:
    """The folder of a plain path or ``file:///folder``, or the bucket of ``s3://bucket/prefix``. Raises
    ``ValueError``."""
    bucket = bucket_of(url)
    if bucket is not None:
        if not bucket.name:
            raise ValueError(f"{url!r} names no bucket: it looks like s3://bucket/prefix.")
        return bucket
    if _FILE.match(url):
        return uri_path(url)
    if url.lower().startswith("file:"):
        raise ValueError(f"{url!r} names no absolute folder: it looks like file:///folder, with three slashes.")
    if _SCHEME.match(url):
        raise ValueError(f"{url!r} is neither file:///folder nor s3://bucket/prefix.")
    return Path(url)
