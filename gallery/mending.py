"""Mending from the page: another photo, a painted cutout, the front, the size, other settings. Each makes a new version
of the asset, which is built at once by a process beside the gallery."""

from __future__ import annotations

import io
import logging
import math
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError
from starlette.concurrency import run_in_threadpool

from core.errors import InputError, MeshmillError, NotFound
from core.photos.shot import AZIMUTHS
from core.recipes import NAMED
from core.records import to_json
from db import assets, mends
from db.candidates import ASIDE
from db.lineage import lineage
from db.shots import ShotRow
from gallery.access import Access, Form, read_form
from gallery.presets import Preset, presets_of
from gallery.small import SmallPictures
from tasks.chosen import chosen_of
from tasks.factory import Factory
from tasks.mending import LARGEST_UPLOAD, mask_of, next_version, photo_of, thumbnail_of, use_mask, use_upload

LOGGER = logging.getLogger(__name__)

SIDES = {role.value: azimuth % 360 for role, azimuth in AZIMUTHS.items()}
"""What a photo may be said to show, and from where that is seen: degrees from the product's front."""

NOT_FROM_A_PAGE = ("segment", "segment.model", "views", "views.checkpoint")
"""Settings that name files of the server."""

LONGEST_SIDE_CM = 10_000


@dataclass
class Builder:
    """Builds queued versions one after the other, each in a process of its own, so that no page waits."""

    factory: Factory
    _waiting: deque[str] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def build(self, asset_id: str) -> None:
        with self._lock:
            self._waiting.append(asset_id)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="mend", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                asset_id = self._waiting.popleft()
            row = assets.list_assets(self.factory.engine, ids=[asset_id])[0]
            command = [sys.executable, "-m", "cli.main", "retry", "--status", "queued", "--json"]
            command += ["--catalogue", row.catalogue, row.sku]
            done = subprocess.run(command, env=os.environ, capture_output=True, text=True)  # noqa: S603 - our own program
            if done.returncode not in (0, 1):
                LOGGER.error("%s could not be built: %s", row.sku, done.stderr[-500:])


@dataclass(frozen=True)
class MendForm:
    """What the page offers."""

    photos: list[ShotRow]
    presets: tuple[Preset, ...]
    chosen: tuple[str, ...]
    """Recipe and settings that a person chose: they hold for this product from now on."""
    recipes: tuple[str, ...] = tuple(NAMED)
    sides: tuple[str, ...] = tuple(SIDES)


def mend_form(engine: Engine, asset: Mapping[str, Any]) -> MendForm:
    """For an asset's lineage. Raises :class:`NotFound`."""
    photos = mends.photos_of(engine, mends.product_of(engine, asset["asset_id"]))
    recipe, overrides = chosen_of(assets.job(engine, asset["asset_id"]).candidate) or (None, [])
    return MendForm(photos, presets_of(asset), tuple([f"recipe {recipe}"] * bool(recipe) + overrides))


def add_mending(app: FastAPI, access: Access, builder: Builder) -> None:
    """The routes that mend."""
    factory = builder.factory
    engine, small = factory.engine, SmallPictures()

    def go_on(asset_id: str, by: str, recipe: str | None = None, overrides: Sequence[str] = ()) -> str:
        version = next_version(factory, asset_id, recipe, overrides, by)
        builder.build(version)
        return version

    def remake(asset_id: str, form: Form) -> str:
        """Do what the form says; the new version."""
        what, product_id = form.one("what"), mends.product_of(engine, asset_id)
        if what == "size":
            mends.mend(engine, product_id, form.who, _size(form))
        elif what == "front":
            mends.mend(engine, product_id, form.who, {"azimuth": _degrees(form.one("azimuth"))})
        elif what == "photo":
            photo_id = form.one("photo", 20)
            side = form.one("side", 20)
            if side and side not in SIDES:
                raise InputError("There is no such side.")
            mends.choose_photo(engine, product_id, int(photo_id) if photo_id.isdecimal() else -1, form.who)
            if side:
                mends.mend(engine, product_id, form.who, {"azimuth": SIDES[side]})
        elif what == "side":
            photo_id, side = form.one("photo", 20), form.one("side", 20)
            if side not in ("", ASIDE, *SIDES):
                raise InputError("There is no such side.")
            mends.say_side(engine, product_id, int(photo_id) if photo_id.isdecimal() else -1, side or None)
        elif what == "settings":
            recipe = form.one("recipe", 200)
            if recipe and recipe not in NAMED:
                raise InputError(f"There is no recipe {recipe}.")
            return go_on(asset_id, form.who, recipe or None, _settings(engine, asset_id, form))
        elif what == "forget":
            mends.mend(engine, product_id, form.who, {"settings": None})
            return asset_id
        else:
            raise InputError("Say what is to be mended.")
        return go_on(asset_id, form.who)

    @app.post("/assets/{asset_id}/mend")
    def mend(asset_id: str, form: Annotated[Form, Depends(read_form)]) -> RedirectResponse:
        form = form.allowed(access)
        return RedirectResponse(f"/assets/{_answered(lambda: remake(asset_id, form))}", status_code=303)

    @app.post("/assets/{asset_id}/photo")
    async def upload_photo(asset_id: str, request: Request) -> Response:
        return await upload(asset_id, use_upload, request)

    @app.post("/assets/{asset_id}/mask")
    async def upload_mask(asset_id: str, request: Request) -> Response:
        return await upload(asset_id, use_mask, request)

    async def upload(asset_id: str, use: Callable[[Factory, str, bytes, str], None], request: Request) -> Response:
        """The body is the file, who sends it stands in the headers."""
        proven = access.check(request.headers.get("x-secret", ""), request.headers.get("x-token", ""), request.headers)
        by = proven or unquote(request.headers.get("x-reviewer", ""))[:200] or "gallery"
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > LARGEST_UPLOAD:
                raise HTTPException(413, "This file is too large; 32 MiB at most.")

        def work() -> str:
            use(factory, asset_id, bytes(data), by)
            return go_on(asset_id, by)

        version = await run_in_threadpool(_answered, work)
        return JSONResponse({"asset": version, "page": f"/assets/{version}"})

    @app.get("/assets/{asset_id}/canvas.jpg")
    def canvas(asset_id: str) -> Response:
        """The photo to paint on, at most 1024 pixels."""
        image = _answered(lambda: photo_of(factory, asset_id))
        image.thumbnail((1024, 1024))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=88)
        return Response(out.getvalue(), media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})

    @app.get("/assets/{asset_id}/mask.png")
    def mask(asset_id: str) -> Response:
        """What is kept of it now."""
        image = _answered(lambda: mask_of(factory, asset_id))
        image.thumbnail((1024, 1024))
        out = io.BytesIO()
        image.save(out, "PNG")
        return Response(out.getvalue(), media_type="image/png", headers={"Cache-Control": "private, max-age=60"})

    @app.get("/assets/{asset_id}/photos/{photo_id}")
    def photo(asset_id: str, photo_id: int) -> Response:
        """One of the product's photos, small."""

        def shown() -> bytes:
            for known in mends.photos_of(engine, mends.product_of(engine, asset_id)):
                if known.id == photo_id:
                    return small.get("photo", known.sha256, partial(thumbnail_of, factory, known))
            raise NotFound("The product has no such photo.")

        return Response(_answered(shown), media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


def _answered(work: Any) -> Any:
    """The work's answer, its refusals as pages."""
    try:
        return work()
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    except InputError as error:
        raise HTTPException(422, str(error)) from error
    except MeshmillError as error:
        raise HTTPException(503, str(error)) from error
    except ProgrammingError as error:
        raise HTTPException(
            403, "This gallery may decide, but not build: ask those who run it to give it the rights of a worker."
        ) from error


def _size(form: Form) -> dict[str, float]:
    found = {}
    for side in ("height_cm", "width_cm", "depth_cm"):
        if text := form.one(side, 20).replace(",", "."):
            try:
                found[side] = float(text)
            except ValueError as error:
                raise InputError("A size is a number of centimetres, such as 12.5.") from error
            if not 0 < found[side] <= LONGEST_SIDE_CM:
                raise InputError("A size lies between 0 and 10,000 centimetres.")
    if not found:
        raise InputError("Enter height, width or depth in centimetres.")
    return found


def _degrees(text: str) -> float:
    try:
        degrees = float(text)
        if not math.isfinite(degrees):
            raise ValueError(text)
        return degrees % 360
    except ValueError as error:
        raise InputError("Turn the model until its front looks at you, then mark it.") from error


def _settings(engine: Any, asset_id: str, form: Form) -> list[str]:
    presets = {preset.name: preset.settings for preset in presets_of(to_json(lineage(engine, asset_id)))}
    preset = form.one("preset")
    if preset and preset not in presets:
        raise InputError("There is no such way to try again.")
    for line in form.one("settings", 2000).splitlines():
        if line.strip().partition("=")[0].strip() in NOT_FROM_A_PAGE:
            raise InputError("Which model is used is said on the command line.")
    lines = [line.strip() for line in form.one("settings", 2000).splitlines() if line.strip()]
    return [*presets.get(preset, ()), *lines]
