"""A stored file as an answer: ETag, conditional and partial requests; from an S3 store by a link of its own."""

from __future__ import annotations

from fastapi import HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from core.errors import ObjectDamaged, ObjectMissing
from storage import Store, is_whole
from storage.folder import FolderStore
from storage.s3 import S3Store

LINK_SECONDS = 3600
"""How long a link into the store opens; a new one is a request away."""


def stored_file(
    request: Request, store: Store, key: str, sha256: str, size: int, media_type: str, *, public: bool
) -> Response:
    """The file for GET and HEAD. The ETag is the sha256, so a stable address is asked again and answered with 304 until
    something else is published. Raises :class:`HTTPException` 404 where the object is gone or damaged,
    :class:`core.errors.StoreDown`."""
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"{'public' if public else 'private'}, no-cache",
        "Accept-Ranges": "bytes",
    }
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if isinstance(store, S3Store):
        if request.method == "HEAD":  # a link is signed for GET alone
            return Response(headers=headers | {"Content-Length": str(size)}, media_type=media_type)
        return RedirectResponse(store.link(key, LINK_SECONDS), 307, headers | {"Cache-Control": "no-store"})
    assert isinstance(store, FolderStore)
    try:
        if not is_whole(store, key, sha256):
            raise ObjectDamaged("damaged")
    except (ObjectMissing, ObjectDamaged) as error:
        raise HTTPException(404, "The file is gone from the store, or damaged: `meshmill fsck --repair`.") from error
    return FileResponse(store.path(key), headers=headers, media_type=media_type)


def _has(wanted: str, etag: str) -> bool:
    """Whether an If-None-Match names the tag; a proxy may have weakened it."""
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return etag in tags or tags == ["*"]
