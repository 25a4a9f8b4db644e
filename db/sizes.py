"""Whether the real size of an asset is known."""

from __future__ import annotations

from sqlalchemy import or_

from db.mends import mended
from db.tables import Asset, Product

SIZE_KNOWN = or_(*(mended(side).is_not(None) for side in (Product.height_cm, Product.width_cm, Product.depth_cm)))
"""Whether the catalogue or a person said how large the product is."""

VARIANT_OF = mended(Product.variant_of)
"""Whose shape it shares, as the catalogue or a person says."""


def size_is_known(asset: Asset, variant_of: str | None, said: bool) -> bool:
    """A variant that says no size has that of the product whose shape it took over."""
    judged = variant_of is not None and asset.verdict is not None
    return said or (judged and all(told["code"] != "size_unknown" for told in asset.reasons or []))
