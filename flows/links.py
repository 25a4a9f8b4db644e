"""Links on Prefect's pages that open in a browser: into the gallery, where somebody said where it is."""

from __future__ import annotations

from urllib.parse import urlencode

from tasks.settings import Settings


def gallery_page(settings: Settings, **query: str) -> str | None:
    """The gallery's grid with these filters, None where nobody said where the gallery is."""
    return f"{settings.gallery_url.rstrip('/')}/?{urlencode(query)}" if settings.gallery_url else None


def asset_page(settings: Settings, asset_id: str) -> str | None:
    """An asset's page in the gallery."""
    return f"{settings.gallery_url.rstrip('/')}/assets/{asset_id}" if settings.gallery_url else None
