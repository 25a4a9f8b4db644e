"""Keys of an S3 source as other programs write them: each is read, or is one quarantined line. Nothing else stops."""

from __future__ import annotations

import hashlib
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import fake_stages
import pytest

from core.errors import StoreDown
from core.recipes import load_recipe
from db.assets import list_assets
from storage.s3 import open_s3
from tasks.build import build_ahead
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.models import models_of
from tasks.plan import plan_catalogue
from tasks.settings import Settings

READ = [
    "night//cap.jpg", "night/a\\b.jpg", "night//deep//mug.jpg", "night/a b+c%20d?e#f&g.jpg", "night/%2e%2e/z.jpg",
    "night/ü☕.jpg", "night/x\u202ey.jpg", "night/a\nb.jpg", "night/a\x01b.jpg", "night/a'b\"c.jpg", "night/x..d/c.jpg",
    "night/~t.jpg", "night/ blank .jpg",
]  # fmt: skip
REFUSED = {"night/up/../x.jpg": "'.' or '..'", "night/./here.jpg": "'.' or '..'", "night/nul\0l.jpg": "NUL"}

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """An S3 server that holds these keys, whatever they are made of: its endpoint."""
    servers: list[ThreadingHTTPServer] = []

    def start(keys: list[str], *, quoted: bool = True) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler({key: f"photo {key}".encode() for key in keys}, quoted))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()


def _handler(objects: dict[str, bytes], quoted: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            asked = urllib.parse.parse_qs(url.query)
            _, _, key = urllib.parse.unquote(url.path)[1:].partition("/")
            if not key and "location" in asked:
                self._send(200, b"<LocationConstraint/>")
            elif not key:
                self._send(200, self._listing(asked.get("prefix", [""])[0]).encode())
            elif key in objects:
                self._send(200, objects[key])
            else:
                self._send(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")

        def _listing(self, prefix: str) -> str:
            said = urllib.parse.quote if quoted else escape
            body = "".join(
                f"<Contents><Key>{said(key)}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>"
                f"<ETag>{hashlib.md5(data).hexdigest()}</ETag><Size>{len(data)}</Size></Contents>"
                for key, data in objects.items()
                if key.startswith(prefix)
            )
            kind = "<EncodingType>url</EncodingType>" if quoted else ""
            return (
                f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>shop</Name>{kind}'
                f"<IsTruncated>false</IsTruncated>{body}</ListBucketResult>"
            )

        def _send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def built(factory: Factory, folder: Path, source: str) -> dict[str, tuple[str, str]]:
    """Photo URI to the status and reason of its asset, with stages that cost nothing."""
    (folder / "views").mkdir()
    (folder / "views" / "config.json").write_text("{}")
    (folder / "segmenter.onnx").write_text("x")
    recipe = load_recipe("starter", [f"views.checkpoint={folder}/views", f"segment.model={folder}/segmenter.onnx"])
    catalogue, _ = ingest_source(factory, source)
    models = models_of(factory, recipe)
    plan = plan_catalogue(factory, catalogue, recipe, models)
    build_ahead(factory, plan.build, models, lambda: False)
    return {row.photo: (row.status, row.reason or "") for row in list_assets(factory.engine)}


def test_each_odd_key_is_built_or_is_one_quarantined_line(serve: Serve, tmp_path: Path, database_url: str) -> None:
    endpoint = serve([*READ, *REFUSED])
    settings = Settings(home=tmp_path / "home", database_url=database_url, s3_endpoint=endpoint)
    factory = open_factory(settings, compute=fake_stages.compute)
    rows = built(factory, tmp_path, "s3://shop/night")
    for key in READ:
        assert rows[f"s3://shop/{key}"][0] == "finished", (key, rows[f"s3://shop/{key}"])
    for key, sentence in REFUSED.items():
        status, reason = rows["s3://shop/" + key.replace("\0", "\u2400")]
        assert status == "quarantined"
        assert sentence in reason
    assert len(rows) == len(READ) + len(REFUSED)
    factory.close()


def test_a_key_at_the_top_of_the_bucket_may_begin_with_a_slash(serve: Serve, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", s3_endpoint=serve(["/lead.jpg", "plain.jpg"]))
    factory = open_factory(settings, compute=fake_stages.compute)
    rows = built(factory, tmp_path, "S3://shop")
    assert {uri: status for uri, (status, _) in rows.items()} == dict.fromkeys(
        ["s3://shop//lead.jpg", "s3://shop/plain.jpg"], "finished"
    )
    factory.close()


def test_a_listing_that_is_no_xml_is_a_store_that_is_not_understood(serve: Serve) -> None:
    """A server that does not quote a control character, which no XML may hold."""
    store = open_s3("shop", "", serve(["a\x01b.jpg"], quoted=False), None, None)
    with pytest.raises(StoreDown, match="no S3 store"):
        list(store.list())


@pytest.mark.parametrize("prefix", ["a/../b", "./a", "a//b", "a\\b", "a\0b", "a\nb"])
def test_a_store_is_never_put_under_an_odd_prefix(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        open_s3("shop", prefix, "http://127.0.0.1:1", None, None)
