"""Names of published files, and the addresses that always lead to them."""

from __future__ import annotations

from urllib.parse import quote

KIND_OF_NAME = {
    "model.glb": "glb",
    "small.glb": "small.glb",
    "lod1.glb": "lod1.glb",
    "lod2.glb": "lod2.glb",
    "lod3.glb": "lod3.glb",
    "model.usdz": "model.usdz",
    "poster.png": "hero.png",
    "turntable.webp": "turntable.webp",
    "contact.png": "contact.png",
    "report.json": "report",
}
"""What a file is called in an address, and its artifact's kind."""

NAME_OF_KIND = {kind: name for name, kind in KIND_OF_NAME.items()}


def file_url(catalogue: str, sku: str, name: str) -> str:
    """The stable address of a product's published file, below the server's."""
    return f"/files/{quote(catalogue, safe='')}/{quote(sku, safe='')}/{quote(name)}"


def asset_file_url(asset_id: str, name: str) -> str:
    """The address of this very asset's file, published or not."""
    return f"/api/v1/assets/{quote(asset_id, safe='')}/files/{quote(name)}"


def embed_url(catalogue: str, sku: str) -> str:
    return f"/embed/{quote(catalogue, safe='')}/{quote(sku, safe='')}"
