"""The page that a shop frames: the model to turn, augmented reality on phones, a QR code that opens it there."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi.responses import FileResponse

from db.published import PublishedFile
from gallery import pages
from gallery.api.addresses import NAME_OF_KIND, file_url
from storage import Store
from storage.s3 import S3Store

VIEWER = "model-viewer.min.js"


def viewer_script() -> FileResponse:
    return FileResponse(
        pages.STATIC / VIEWER,
        media_type="text/javascript; charset=utf-8",
        headers={"Cache-Control": "public, max-age=86400"},
    )


def embed_page(url: str, files: Mapping[str, PublishedFile]) -> str:
    """The page at ``url``; ``files``: the product's published ones by kind, the GLB among them."""
    import segno

    glb = files["glb"]
    addresses = {kind: file_url(glb.catalogue, glb.sku, NAME_OF_KIND[kind]) for kind in files if kind in NAME_OF_KIND}
    code = segno.make(url, error="m").svg_inline(scale=4, border=2, title="Opens this model on a phone")
    return pages.embed_page(glb.name or glb.sku, addresses, code)


def embed_policy(store: Store, key: str, origins: tuple[str, ...]) -> str:
    """The page's content security policy: what it loads comes from here, from an S3 store where that is one; only
    ``origins`` may frame it."""
    ours = "'self' data: blob:"
    if isinstance(store, S3Store):
        link = urlsplit(store.link(key))
        ours += f" {link.scheme}://{link.netloc}"
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src {ours}; "
        f"connect-src {ours}; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(origins) or chr(39) + 'none' + chr(39)}"
    )
