"""`/api/v1`, `/files` and `/embed`: an application of its own beside the pages, which answers in JSON and has its own
rules about who may ask."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBasic, HTTPBearer
from sqlalchemy import Engine
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import DatabaseDown, MeshmillError, NotFound, NotReviewable, OddText, StoreDown
from db import assets
from db import gallery as queries
from db.published import Place, Wanted, assets_after, newest_asset, published_files
from gallery.api.addresses import KIND_OF_NAME
from gallery.api.detail import detail, summary
from gallery.api.embed import embed_page, embed_policy, viewer_script
from gallery.api.models import (
    AssetDetail,
    AssetPage,
    CatalogueOf,
    Catalogues,
    Decide,
    DecidedOf,
    Problem,
    Status,
)
from gallery.api.people import Caller, People, Role, credentials
from gallery.api.serving import stored_file
from storage import Store
from tasks.decide import EVENT_OF_DECISION, decide
from tasks.webhooks import Tell

PREFIXES = ("/api/", "/files/", "/embed/")

_CLOSED = "default-src 'none'; frame-ancestors 'none'; sandbox"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request cannot be read."},
    401: {"model": Problem, "description": "Nobody, or nobody known, asks."},
    403: {"model": Problem, "description": "Whoever asks may not do this."},
    404: {"model": Problem, "description": "There is no such thing."},
    422: {"model": Problem, "description": "The request says something that cannot be."},
    503: {"model": Problem, "description": "Database or store do not answer; try again."},
}
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "Nothing can be decided about it."}}
_BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, under its own media type; the ETag is its sha256.", **_BINARY},
    206: {"description": "The part that Range asked for.", **_BINARY},
    304: {"description": "What If-None-Match names is still it."},
    307: {"description": "From an S3 store: a link that opens for an hour."},
    416: {"description": "The file has no such part."},
}

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


class ApiPaths:
    """Sends what is below :data:`PREFIXES` to the API and everything else to the pages. As the outermost middleware:
    the pages' login and headers are not the API's."""

    def __init__(self, app: ASGIApp, api: FastAPI, hosts: tuple[str, ...]) -> None:
        self.app, self.api = app, TrustedHostMiddleware(api, allowed_hosts=list(hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(PREFIXES)
        await (self.api if ours else self.app)(scope, receive, send)


def create_api(
    engine: Engine,
    store: Store,
    people: People,
    tell: Tell,
    *,
    review: bool = False,
    token: str | None = None,
    login: str | None = None,
) -> FastAPI:
    """The application. ``review``: whether decisions are taken; ``token``: the shared one for them; ``login``:
    ``user:password`` that reading wants, beside the users' own tokens."""
    app = FastAPI(
        title="Meshmill",
        version="1",
        summary="Assets of product catalogues: what there is, how it was made, decisions, files.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        responses=PROBLEMS,
    )
    opened = bool(people.origins)

    def caller(request: Request) -> Caller:
        """Who asks. Raises :class:`HTTPException` 401 for a login or token that nobody has."""
        scheme, given = credentials(request)
        if scheme == "bearer":
            if token is not None and _equal(given, token):
                return Caller(None, "reviewer")
            if (user := people.by_token(given)) is not None:
                return Caller(user.name, user.role)
        elif scheme == "basic":
            if login is not None and _equal(given, login):
                return Caller(None, "reader")
            name, _, secret = given.partition(":")
            if (user := people.by_token(secret)) is not None and user.name == name:
                return Caller(user.name, user.role)
        elif not scheme and people.proxy_header and people.proxy_header in request.headers:
            name = request.headers[people.proxy_header]
            user = people.by_name(name)
            return Caller(name, user.role if user is not None else "reader")
        elif not scheme:
            # A page of any site may not read what only this machine sees.
            foreign = "*" in people.origins and "origin" in request.headers
            anyone = login is None and people.proxy_header is None and not foreign
            return Caller(None, "reader" if anyone else None)
        raise _unknown()

    asks = Depends(caller)  # as defaults: names of this function cannot be found from an annotation's text

    def must_be(role: Role) -> Any:
        def check(known: Caller = asks) -> Caller:
            if not known.may(role):
                raise _unknown() if known.role is None else HTTPException(403, f"Only a {role} may do this.")
            return known

        return Depends(check)

    def reads_published(request: Request) -> None:
        if not opened and not caller(request).may("reader"):
            raise _unknown()

    reader, reviewer, reads = must_be("reader"), must_be("reviewer"), Depends(reads_published)
    # What the document says of logins; who asks is decided above.
    shown = [Security(HTTPBearer(auto_error=False)), Security(HTTPBasic(auto_error=False))]

    @app.get("/api/v1/assets", tags=["assets"], dependencies=[reader, *shown])
    def list_assets(
        status: Annotated[Status | None, Query(description="Only assets of this status.")] = None,
        catalogue: Annotated[str | None, Query(max_length=300, description="Name of a catalogue, a glob.")] = None,
        sku: Annotated[str | None, Query(max_length=300, description="A SKU, a glob.")] = None,
        since: Annotated[datetime | None, Query(description="Settled, or planned, since; UTC unless it says.")] = None,
        cursor: Annotated[str | None, Query(max_length=300, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AssetPage:
        """Assets in the order in which they settled, the oldest first. Keep the last cursor to ask for what is new."""
        wanted = Wanted(status, catalogue, sku, _utc(since) if since is not None else None)
        found = assets_after(engine, wanted, _place(cursor) if cursor else None, limit + 1)
        ids = [asset_id for _, asset_id in found[:limit]]
        rows = {row.asset_id: row for row in assets.list_assets(engine, ids=ids)}
        more = _cursor(found[limit - 1]) if len(found) > limit else None
        return AssetPage(assets=[summary(rows[i]) for i in ids if i in rows], next=more)

    @app.get("/api/v1/assets/{asset_id}", tags=["assets"], dependencies=[reader, *shown])
    def get_asset(asset_id: str) -> AssetDetail:
        """One asset: files, size, licence, lineage, decisions."""
        return detail(engine, asset_id)

    @app.get(
        "/api/v1/assets/{asset_id}/files/{name}",
        tags=["assets"],
        dependencies=[reader, *shown],
        response_class=Response,
        responses=FILE,
    )
    def get_asset_file(request: Request, asset_id: str, name: str) -> Response:
        """A file of this very asset, published or not."""
        found = queries.files(engine, asset_id).get(KIND_OF_NAME.get(name, ""))
        if found is None:
            raise HTTPException(404, "There is no such asset, or it has no such file.")
        return stored_file(request, store, found.key, found.sha256, found.bytes, found.media_type, public=False)

    @app.get("/api/v1/catalogues", tags=["assets"], dependencies=[reader, *shown])
    def list_catalogues() -> Catalogues:
        """The catalogues' names."""
        return Catalogues(catalogues=[CatalogueOf(name=name) for name in queries.catalogues(engine)])

    @app.get("/api/v1/products/{catalogue}/{sku:path}", tags=["assets"], dependencies=[reader, *shown])
    def get_product(catalogue: str, sku: str) -> AssetDetail:
        """A product's published asset; where none is published, its newest one."""
        found = newest_asset(engine, catalogue, sku)
        if found is None:
            raise HTTPException(404, "There is no such product, or nothing was built for it.")
        return detail(engine, found)

    @app.post(
        "/api/v1/assets/{asset_id}/decisions",
        tags=["decisions"],
        status_code=201,
        dependencies=shown,
        responses=CONFLICT,
    )
    def post_decision(
        asset_id: str,
        said: Annotated[Decide, Body()],
        background: BackgroundTasks,
        who: Caller = reviewer,
    ) -> DecidedOf:
        """Approve or reject an asset, as on its page."""
        if not review:
            raise HTTPException(403, "This server takes no decisions: start it with --review.")
        if said.decision not in EVENT_OF_DECISION:
            raise HTTPException(422, f"The decision is one of {', '.join(EVENT_OF_DECISION)}.")

        def later(event: str, payload: dict[str, Any]) -> None:
            background.add_task(tell, event, payload)  # a slow receiver keeps no caller waiting

        name = who.name or (said.reviewer or "").strip() or "api"
        decided = decide(engine, asset_id, said.decision, (said.note or "").strip() or None, name, later)
        return DecidedOf(**{field: getattr(decided, field) for field in DecidedOf.model_fields})

    @app.head(
        "/files/{catalogue}/{sku:path}/{name}", include_in_schema=False, dependencies=[reads], response_class=Response
    )
    @app.get(
        "/files/{catalogue}/{sku:path}/{name}",
        tags=["published"],
        dependencies=[reads, *shown],
        response_class=Response,
        responses=FILE,
    )
    def get_file(request: Request, catalogue: str, sku: str, name: str) -> Response:
        """A product's published file. The address never expires and always leads to what is published now."""
        found = published_files(engine, catalogue, sku).get(KIND_OF_NAME.get(name, ""))
        if found is None:
            raise HTTPException(404, "Nothing of that name is published.")
        return stored_file(request, store, found.key, found.sha256, found.bytes, found.media_type, public=opened)

    @app.get("/embed/model-viewer.min.js", include_in_schema=False)
    def get_viewer() -> Response:
        return viewer_script()

    @app.get(
        "/embed/{catalogue}/{sku:path}",
        tags=["published"],
        dependencies=[reads, *shown],
        response_class=Response,
        responses=PAGE,
    )
    def get_embed(request: Request, catalogue: str, sku: str) -> HTMLResponse:
        """A page for an iframe: the model to turn, augmented reality on phones, a QR code on desktops."""
        files = published_files(engine, catalogue, sku)
        if "glb" not in files:
            raise HTTPException(404, "Nothing of that name is published.")
        policy = embed_policy(store, files["glb"].key, people.origins)
        return HTMLResponse(embed_page(str(request.url), files), headers={"Content-Security-Policy": policy})

    _answer_problems(app)

    @app.middleware("http")
    async def _headers(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", _CLOSED)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        published = opened and not request.scope["path"].startswith("/api/")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin" if published else "same-origin")
        return response

    if opened:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(people.origins),
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match", "If-Range", "Range"],
            expose_headers=["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
            max_age=600,
        )
    return app


def _answer_problems(app: FastAPI) -> None:
    """Every error as a :class:`Problem`."""

    def problem(status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"code": code, "message": message}, status, headers)

    @app.exception_handler(StarletteHTTPException)
    async def _http(request: Request, error: StarletteHTTPException) -> JSONResponse:
        names = {401: "not_known", 403: "not_allowed", 404: "not_found", 405: "not_allowed", 422: "input_error"}
        return problem(error.status_code, names.get(error.status_code, "error"), str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return problem(422, "input_error", f"{place}: {first['msg']}.")

    @app.exception_handler(MeshmillError)
    async def _ours(request: Request, error: MeshmillError) -> JSONResponse:
        statuses: tuple[tuple[type[MeshmillError], int], ...] = (
            (NotFound, 404),
            (NotReviewable, 409),
            (OddText, 422),
            (DatabaseDown, 503),
            (StoreDown, 503),
        )
        status = next((status for kind, status in statuses if isinstance(error, kind)), 500)
        if status in (500, 503):  # their sentences name addresses and folders
            return problem(status, error.code, "Database or store do not answer; try again.")
        return problem(status, error.code, str(error))

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        return problem(500, "error", "Something went wrong here; the log says what.")


def _unknown() -> HTTPException:
    return HTTPException(401, "Log in: a user's token, or the server's login.", {"WWW-Authenticate": "Bearer"})


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _utc(when: datetime) -> datetime:
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise HTTPException(422, "There is no such date.") from error


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0].isoformat()} {place[1]}".encode()).decode()


def _place(cursor: str) -> Place:
    try:
        moment, _, asset_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        return _utc(datetime.fromisoformat(moment)), asset_id
    except ValueError as error:
        raise HTTPException(422, "This is no cursor: it is `next` of a page.") from error


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, without a database."""
    from sqlalchemy import create_engine

    from storage import open_store

    store = open_store("file:///nowhere")
    return create_api(create_engine("sqlite://"), store, People(), lambda *_: None).openapi()
