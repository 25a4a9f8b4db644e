"""The gallery's server: read-only pages over the database and the store; decisions only where they were allowed.

Loopback unless told otherwise. No cookies, no CORS, no listings; a strict content security policy without inline
script; hosts are checked, so that a foreign page cannot reach a loopback server through a name of its own.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from core.errors import DatabaseDown, NotFound, NotReviewable, ObjectDamaged, ObjectMissing, OddText, StoreDown
from db import assets
from db import gallery as queries
from gallery import pages
from gallery.monitor import Monitor
from storage import Store, read_bytes
from tasks.decide import EVENT_OF_DECISION, decide
from tasks.webhooks import Tell, tell_nobody

PAGE_SIZE = 60

LARGEST_FORM = 16_384
"""Bytes of a posted decision."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")

STATIC_FILES = {
    "gallery.css": "text/css; charset=utf-8",
    "gallery.js": "text/javascript; charset=utf-8",
    "model-viewer.min.js": "text/javascript; charset=utf-8",
    "model-viewer.LICENSE.txt": "text/plain; charset=utf-8",
}

INLINE_TYPES = {"image/png", "image/jpeg", "image/webp", "image/gif", "model/gltf-binary"}
"""What a browser may show; everything else is a download."""

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


@dataclass(frozen=True)
class Access:
    """Who may decide, and under which names the server answers."""

    review: bool = False
    """Whether decisions are taken at all."""
    token: str | None = None
    """What a decision must carry; None on loopback, where the page's own secret is enough."""
    hosts: tuple[str, ...] = LOOPBACK
    """Names under which the server may be asked; a foreign page that points a name of its own here is refused."""
    login: str | None = None
    """``user:password`` that every page wants; None on loopback."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Proves that a decision came from a page of this process."""


def create_app(engine: Engine, store: Store, access: Access | None = None, tell: Tell = tell_nobody) -> FastAPI:
    """The application. Reads are by the given engine and store; only ``POST /assets/ID/review`` writes, and ``tell``
    hears what was decided."""
    access = access or Access()
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
        status: Annotated[str | None, Query(max_length=20)] = None,
        catalogue: Annotated[str | None, Query(max_length=300)] = None,
        q: Annotated[str | None, Query(max_length=300)] = None,
        low: Annotated[str | None, Query(max_length=10)] = None,
        high: Annotated[str | None, Query(max_length=10)] = None,
        since: Annotated[str | None, Query(max_length=40)] = None,
        order: Annotated[str, Query(max_length=10)] = "newest",
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> str:
        filters = queries.Filters(
            status or None, catalogue or None, q or None, _number(low), _number(high), _date(since), order
        )
        rows, total = queries.page(engine, filters, page, PAGE_SIZE)
        asked = {"status": status, "catalogue": catalogue, "q": q, "low": low, "high": high, "since": since}
        kept = {name: value for name, value in (asked | {"order": order}).items() if value}
        return pages.grid_page(
            rows,
            total=total,
            counts=queries.counts(engine),
            catalogues=queries.catalogues(engine),
            asked=asked | {"order": order},
            orders=queries.ORDERS,
            page=page,
            pages=max(1, -(-total // PAGE_SIZE)),
            link=lambda number: "/?" + urlencode(kept | {"page": number}),
            static=False,
            root="/static/",
        )

    @app.get("/assets/{asset_id}", response_class=HTMLResponse)
    def asset(asset_id: str) -> str:
        return pages.asset_page(
            _lineage(engine, asset_id),
            files=linked(queries.files(engine, asset_id), f"/assets/{asset_id}/files/"),
            versions=queries.versions(engine, asset_id),
            waiting=queries.next_in_review(engine, asset_id),
            review={"secret": access.secret, "ask_token": access.token is not None} if access.review else None,
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
            data = read_bytes(store, found["key"], found["sha256"])
        except (ObjectMissing, ObjectDamaged) as error:
            raise HTTPException(404, "The file is gone from the store, or damaged.") from error
        except StoreDown as error:
            raise HTTPException(503, "The store does not answer; try again.") from error
        inline = found["media_type"] in INLINE_TYPES and not download
        media_type = found["media_type"] if inline else "application/octet-stream"
        headers = {"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "default-src 'none'; sandbox"}
        if not inline:
            headers["Content-Disposition"] = f'attachment; filename="{download_name(sku, kind)}"'
        return Response(data, media_type=media_type, headers=headers)

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

    @app.post("/assets/{asset_id}/review")
    def review(
        asset_id: str, form: Annotated[dict[str, str], Depends(_form)], background: BackgroundTasks
    ) -> RedirectResponse:
        if not access.review:
            raise HTTPException(403, "This gallery is read-only: start it with --review to decide here.")
        secret, token = form.get("secret", ""), form.get("token", "")
        if not _equal(secret, access.secret) or (access.token is not None and not _equal(token, access.token)):
            raise HTTPException(403, "The token is wrong, or the page is from an earlier start of the gallery.")
        decision = form.get("decision", "")
        if decision not in EVENT_OF_DECISION:
            raise HTTPException(422, "The decision is approve or reject.")
        note, reviewer = form.get("note", "").strip()[:2000], form.get("reviewer", "").strip()[:200]

        def later(event: str, payload: dict[str, Any]) -> None:
            background.add_task(tell, event, payload)  # a slow receiver keeps no page waiting

        try:
            decide(engine, asset_id, decision, note or None, reviewer or "gallery", later)
        except NotFound as error:
            raise HTTPException(404, "There is no such asset.") from error
        except NotReviewable as error:
            raise HTTPException(409, str(error)) from error
        return RedirectResponse(f"/assets/{asset_id}", status_code=303)

    return app


def _knows(request: Request, login: str) -> bool:
    """Whether a request carries the login."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, login.encode())


async def _form(request: Request) -> dict[str, str]:
    """A posted form, the first value of each field; at most :data:`LARGEST_FORM` bytes are read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "That is too much text.")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def linked(files: dict[str, dict[str, Any]], base: str) -> dict[str, dict[str, Any]]:
    """The files with where the server shows them and where it hands them out."""
    return {
        kind: file | {"href": base + kind, "download": f"{base}{kind}?download=true"} for kind, file in files.items()
    }


def download_name(sku: str, kind: str) -> str:
    """A file name for any SKU: letters, digits, dot, dash and underscore of it, at most 80, never hidden."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", sku)[:80].strip("._") or "asset"
    end = next((end for name, _, end in pages.DOWNLOADS if name == kind), "." + re.sub(r"[^a-z0-9.]", "", kind))
    return stem + end


def _lineage(engine: Engine, asset_id: str) -> dict[str, Any]:
    try:
        return assets.lineage(engine, asset_id)
    except NotFound as error:
        raise HTTPException(404, "There is no such asset.") from error


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise HTTPException(422, "A score is a number between 0 and 1.") from error


def _date(text: str | None) -> datetime | None:
    try:
        when = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(422, "A date looks like 2026-01-31.") from error
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when
