"""Where a store lies: every path is its own place, every URL is read letter for letter or refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import open_store, read_bytes
from storage.folder import FolderStore
from storage.places import Bucket, bucket_of, file_uri, place_of, uri_path

NAMES = st.binary(min_size=1, max_size=30).filter(
    lambda name: not set(name) & {0, ord("/")} and name not in (b".", b"..")
)


@given(name=NAMES)
def test_every_path_comes_back_from_its_uri(name: bytes) -> None:
    path = Path("/data") / os.fsdecode(name)
    assert place_of(file_uri(path)) == uri_path(file_uri(path)) == path
    assert file_uri(path).isascii()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file:///data/a%20b", Path("/data/a b")),
        ("file:///data/a%2520b", Path("/data/a%20b")),
        ("file:///data/a b", Path("/data/a b")),
        ("file:///data/shop#1", Path("/data/shop#1")),
        ("file:///data/shop?x=1;y", Path("/data/shop?x=1;y")),
        ("file:///data/100%", Path("/data/100%")),
        ("file:///data/a+b", Path("/data/a+b")),
        ("file:///data/%ff", Path("/data/\udcff")),
        ("file://localhost/data", Path("/data")),
        ("file:/data", Path("/data")),
        ("FILE:///data", Path("/data")),
        ("/data/a%20b#c?d", Path("/data/a%20b#c?d")),
        ("store folder", Path("store folder")),
        ("s3://shop/night/a%20b#c?d", Bucket("shop", "night/a%20b#c?d")),
        ("s3://shop", Bucket("shop", "")),
        ("S3://shop/x", Bucket("shop", "x")),
    ],
)
def test_a_url_is_read_letter_for_letter(url: str, place: Path | Bucket) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url", ["file://data/store", "file://host/data", "file:store", "http://host/x", "s3:shop", "s3:///x", "gs://shop"]
)
def test_what_names_no_place_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"looks like|neither"):
        place_of(url)


def test_a_key_of_an_s3_uri_is_never_unescaped() -> None:
    assert bucket_of("s3://shop/night//a%2Fb?c#d") == Bucket("shop", "night//a%2Fb?c#d")
    assert bucket_of("s3://[shop/x") == Bucket("[shop", "x"), "no parser of URLs stumbles over it"
    assert bucket_of("/data") is None


ODD = [
    "a b",
    "a%20b",
    "a#b",
    "a",
    "a?b",
    "a;b",
    "a%b",
    "ä☕",
    "a\\b",
    "a\nb",
    "a&b=c",
    "\udcff",
    "a:b",
    "~a",
    " a ",
    "a'\"b",
]


def test_stores_of_odd_names_stay_apart_and_in_their_folder(tmp_path: Path) -> None:
    for name in ODD:
        data = os.fsencode(name)
        sha256 = hashlib.sha256(data).hexdigest()
        store = open_store(file_uri(tmp_path / name / "store"))
        store.put(data, "objects/x", sha256, "text/plain")
        assert isinstance(store, FolderStore)
        assert uri_path(store.uri("objects/x")).read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(ODD)
    for name in ODD:
        data = os.fsencode(name)
        store = open_store(file_uri(tmp_path / name / "store"))
        assert [entry.key for entry in store.list()] == ["objects/x"]
        assert read_bytes(store, "objects/x", hashlib.sha256(data).hexdigest()) == data


@pytest.mark.parametrize("name", ["a", "[shop", "127.0.0.1", "a..b", "shop name", "-shop"])
def test_a_bucket_that_cannot_be_is_refused_before_anybody_is_asked(name: str) -> None:
    with pytest.raises(ValueError, match="bucket"):
        open_store(f"s3://{name}/x", endpoint="http://127.0.0.1:1")
