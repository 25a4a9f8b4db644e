"""The gallery's server: read-only pages over the database and the store; decisions only where they were allowed.

Loopback unless told otherwise. No cookies, no CORS, no listings; a strict content security policy without inline
script; hosts are checked, so that a foreign page cannot reach a loopback server through a name of its own.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from core.errors import DatabaseDown, MeshmillError, NotFound, ObjectDamaged, ObjectMissing, OddText, StoreDown
from core.records import to_json
from db import gallery as queries
from db import nights as db_nights
from db.lineage import lineage
from db.reviews import decisions_of, last_words, said_of
from db.stage_runs import Stored
from gallery import pages
from gallery.access import LOOPBACK, Access
from gallery.api.app import ApiPaths, create_api
from gallery.api.people import People
from gallery.asked import Asked, asked
from gallery.cameras import from_above, photo_camera
from gallery.language import language_of
from gallery.marks import MADE_FROM, loose_pieces, seen_model
from gallery.mending import Builder, add_mending, mend_form
from gallery.monitor import Monitor
from gallery.reviewing import add_reviewing, review_ids
from gallery.small import SmallPictures
from gallery.taking import archive, table
from storage import Store, read_bytes
from tasks.webhooks import Tell, tell_nobody

PAGE_SIZE = 60

__all__ = ["LOOPBACK", "Access", "create_app", "download_name"]

STATIC_FILES = {
    "gallery.css": "text/css; charset=utf-8",
    "gallery.js": "text/javascript; charset=utf-8",
    "mend.js": "text/javascript; charset=utf-8",
    "model-viewer.min.js": "text/javascript; charset=utf-8",
    "model-viewer.LICENSE.txt": "text/plain; charset=utf-8",
}

INLINE_TYPES = {"image/png", "image/jpeg", "image/webp", "image/gif", "model/gltf-binary"}
"""What a browser may show; everything else is a download."""

SMALL: dict[str, Callable[[bytes], bytes]] = {"photo": pages.shrunk, "glb": from_above}
"""How files become a small picture that are none."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self' blob:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(
    engine: Engine,
    store: Store,
    access: Access | None = None,
    tell: Tell = tell_nobody,
    builder: Builder | None = None,
    people: People = People(),  # noqa: B008 - frozen
    language: str | None = None,
) -> FastAPI:
    """The application: the pages, and the API beside them (:mod:`gallery.api`). Reads are by the given engine and
    store; of the pages only the routes of :mod:`gallery.reviewing` and :mod:`gallery.mending` write. ``tell`` hears
    what was decided; without a ``builder`` nothing can be mended. ``language`` of reasons: None follows the browser."""
    access = replace(access or Access(), people=people)
    app = FastAPI(title="Meshmill gallery", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(access.hosts))

    @app.middleware("http")
    async def _headers(request: Request, call_next: Any) -> Response:
        response: Response
        # The path of the request itself: the one of its URL follows the host that it names.
        if access.login is None or request.scope["path"] == "/healthz" or _knows(request, access.login):
            response = await call_next(request)
        else:
            page = pages.message_page("401", "Log in with the gallery's user and password.")
            response = HTMLResponse(page, 401, {"WWW-Authenticate": 'Basic realm="Meshmill", charset="UTF-8"'})
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(StarletteHTTPException)
    async def _sentence(request: Request, error: StarletteHTTPException) -> HTMLResponse:
        return HTMLResponse(pages.message_page(f"{error.status_code}", str(error.detail)), error.status_code)

    @app.exception_handler(DatabaseDown)
    async def _database_down(request: Request, error: DatabaseDown) -> HTMLResponse:
        return HTMLResponse(pages.message_page("503", "The database does not answer; try again."), 503)

    @app.exception_handler(OddText)
    async def _odd_text(request: Request, error: OddText) -> HTMLResponse:
        return HTMLResponse(pages.message_page("400", str(error)), 400)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> HTMLResponse:
        # Answered outside of the middleware, so the headers stand here; the error itself is only in the log.
        return HTMLResponse(pages.message_page("500", "Something went wrong here; the log says what."), 500, HEADERS)

    monitor = Monitor(engine, store)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        health = monitor.health()
        return JSONResponse(health, 200 if all(health.values()) else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(monitor.page(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse)
    def grid(
        request: Request, asked: Annotated[Asked, Depends(asked)], did: Annotated[str, Query(max_length=8000)] = ""
    ) -> str:
        filters = asked.filters()
        rows, total = queries.page(engine, filters, asked.page, PAGE_SIZE)
        last = max(1, -(-total // PAGE_SIZE))
        return pages.grid_page(
            [vars(row) for row in rows],
            language=language_of(request.headers.get("accept-language"), language),
            total=total,
            counts=queries.counts(engine),
            catalogues=queries.catalogues(engine),
            reasons=queries.reason_counts(engine, replace(filters, reason=None)),
            said=last_words(engine, [row.asset_id for row in rows]),
            did=decisions_of(engine, review_ids(did)) if did else [],
            asked=asked,
            orders=queries.ORDERS,
            pages=last,
            link=lambda number: "/" + asked.query(page=number),
            review=access.form(),
            static=False,
            root="/static/",
        )

    @app.get("/nights", response_class=HTMLResponse)
    def night() -> str:
        found = db_nights.nights(engine)
        return pages.nights_page(
            found,
            at_work=db_nights.at_work(engine),
            failing={night.run_id: db_nights.failing(engine, night.run_id) for night in found},
        )

    @app.get("/list.csv")
    def csv(request: Request, asked: Annotated[Asked, Depends(asked)]) -> StreamingResponse:
        """The list as a table."""
        lines = table(engine, asked.filters(), str(request.base_url))
        headers = {"Content-Disposition": 'attachment; filename="meshmill.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    @app.get("/models.zip")
    def models(asked: Annotated[Asked, Depends(asked)]) -> StreamingResponse:
        """The list's models in one archive."""
        headers = {"Content-Disposition": 'attachment; filename="meshmill-models.zip"'}
        parts = archive(engine, store, asked.filters(), download_name)
        return StreamingResponse(parts, media_type="application/zip", headers=headers)

    @app.get("/assets/{asset_id}", response_class=HTMLResponse)
    def asset(
        request: Request,
        asset_id: str,
        asked: Annotated[Asked, Depends(asked)],
        did: Annotated[str, Query(max_length=8000)] = "",
    ) -> str:
        listed = asked.list_or_waiting()
        row, files = _lineage(engine, asset_id), queries.files(engine, asset_id)
        return pages.asset_page(
            row,
            language=language_of(request.headers.get("accept-language"), language),
            files=linked(files, f"/assets/{asset_id}/files/"),
            versions=queries.versions(engine, asset_id),
            said=said_of(engine, asset_id),
            did=decisions_of(engine, review_ids(did)) if did else [],
            asked=asked,
            waiting=queries.next_of(engine, listed, asset_id),
            left=queries.total(engine, listed),
            camera=photo_camera(row, store, files.get("report")),
            mend=mend_form(engine, row) if builder is not None and access.review else None,
            review=access.form(),
            static=False,
            root="/static/",
        )

    @app.get("/assets/{asset_id}/files/{kind}")
    def file(asset_id: str, kind: str, download: bool = False) -> Response:
        sku = _lineage(engine, asset_id)["sku"]
        found = queries.files(engine, asset_id).get(kind)
        known = {name for name, _ in pages.PICTURES} | {name for name, _, _ in pages.DOWNLOADS}
        if found is None or kind not in known:
            raise HTTPException(404, "This asset has no such file.")
        try:
            data = read_bytes(store, found.key, found.sha256)
        except (ObjectMissing, ObjectDamaged) as error:
            raise HTTPException(404, "The file is gone from the store, or damaged.") from error
        except StoreDown as error:
            raise HTTPException(503, "The store does not answer; try again.") from error
        inline = found.media_type in INLINE_TYPES and not download
        media_type = found.media_type if inline else "application/octet-stream"
        headers = {"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "default-src 'none'; sandbox"}
        if not inline:
            headers["Content-Disposition"] = f'attachment; filename="{download_name(sku, kind)}"'
        return Response(data, media_type=media_type, headers=headers)

    @app.get("/assets/{asset_id}/thumbnail")
    def thumbnail(asset_id: str) -> Response:
        """What the list shows: the model; where there is none, the photo."""
        return drawn(asset_id, ("hero.png", "thumbnail.png", "photo"))

    @app.get("/assets/{asset_id}/top.png")
    def top(asset_id: str) -> Response:
        """The model from above, for the strip."""
        return drawn(asset_id, ("glb",))

    @app.get("/assets/{asset_id}/pieces.json")
    def pieces(asset_id: str) -> JSONResponse:
        """Points on the model's loose pieces."""
        glb = queries.files(engine, asset_id).get("glb")
        if glb is None:
            raise HTTPException(404, "This asset has no model.")
        try:
            marks = loose_pieces(read_bytes(store, glb.key, glb.sha256))
        except StoreDown as error:
            raise HTTPException(503, "The store does not answer; try again.") from error
        except MeshmillError as error:
            raise HTTPException(404, "The model is gone from the store, or cannot be read.") from error
        return JSONResponse([vars(mark) for mark in marks])

    @app.get("/assets/{asset_id}/seen.glb")
    def seen(asset_id: str) -> Response:
        """The model in the colours of who saw what: a photo, only a synthesized view, nobody."""
        files = queries.files(engine, asset_id)
        if not set(MADE_FROM) <= set(files):
            raise HTTPException(404, "This asset does not hold what it was made from.")
        try:
            data = seen_model(lambda kind: read_bytes(store, files[kind].key, files[kind].sha256), "photos" in files)
        except StoreDown as error:
            raise HTTPException(503, "The store does not answer; try again.") from error
        except MeshmillError as error:
            raise HTTPException(404, "What it was made from is gone from the store, or cannot be read.") from error
        return Response(data, media_type="model/gltf-binary", headers={"Cache-Control": "private, max-age=3600"})

    small = SmallPictures()

    def made_small(kind: str, file: Stored) -> bytes:
        data = read_bytes(store, file.key, file.sha256)
        return SMALL[kind](data) if kind in SMALL else data

    def drawn(asset_id: str, kinds: tuple[str, ...]) -> Response:
        """The first of these files that there is, as a small picture."""
        found = queries.files(engine, asset_id)
        kind = next((kind for kind in kinds if kind in found), None)
        if kind is None:
            raise HTTPException(404, "This asset has no picture.")
        try:
            data = small.get(kind, found[kind].sha256, lambda: made_small(kind, found[kind]))
        except (ObjectMissing, ObjectDamaged, MeshmillError) as error:
            raise HTTPException(404, "The picture is gone from the store, or cannot be shown.") from error
        except StoreDown as error:
            raise HTTPException(503, "The store does not answer; try again.") from error
        headers = {"Cache-Control": "private, max-age=60", "Content-Security-Policy": "default-src 'none'; sandbox"}
        return Response(data, media_type="image/png", headers=headers)

    @app.get("/compare", response_class=HTMLResponse)
    def compare(a: Annotated[str, Query(max_length=100)], b: Annotated[str, Query(max_length=100)]) -> str:
        sides = [
            {"asset": _lineage(engine, i), "files": linked(queries.files(engine, i), f"/assets/{i}/files/")}
            for i in (a, b)
        ]
        return pages.compare_page(sides, static=False, root="/static/")

    @app.get("/static/{name}")
    def static(name: str) -> FileResponse:
        if name not in STATIC_FILES:
            raise HTTPException(404, "There is no such page.")
        return FileResponse(pages.STATIC / name, media_type=STATIC_FILES[name])

    add_reviewing(app, engine, access, tell)
    if builder is not None:
        add_mending(app, access, builder)
    api = create_api(engine, store, people, tell, review=access.review, token=access.token, login=access.login)
    app.add_middleware(ApiPaths, api=api, hosts=access.hosts)
    return app


def _knows(request: Request, login: str) -> bool:
    """Whether a request carries the login."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, login.encode())


def linked(files: dict[str, Stored], base: str) -> dict[str, dict[str, Any]]:
    """The files with where the server shows them and where it hands them out."""
    return {
        kind: vars(file) | {"href": base + kind, "download": f"{base}{kind}?download=true"}
        for kind, file in files.items()
    }


def download_name(sku: str, kind: str) -> str:
    """A file name for any SKU: letters, digits, dot, dash and underscore of it, at most 80, never hidden."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", sku)[:80].strip("._") or "asset"
    end = next((end for name, _, end in pages.DOWNLOADS if name == kind), "." + re.sub(r"[^a-z0-9.]", "", kind))
    return stem + end


def _lineage(engine: Engine, asset_id: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = to_json(lineage(engine, asset_id))
        return found
    except NotFound as error:
        raise HTTPException(404, "There is no such asset.") from error
