"""Names that people ask with: as they were said, else the keys that stand for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from core.errors import NotFound
from core.meant import did_you_mean
from db import skus
from storage.places import file_uri
from tasks.factory import Factory
from tasks.sources import sku_of

T = TypeVar("T", str, int)


def find_asset(factory: Factory, name: str, catalogue: str | None = None, *, published: bool = False) -> str:
    """The asset id of a SKU, ``catalogue/SKU`` or asset id; ``published``: a SKU's published asset, where it has one.
    Raises ``NotFound``, ``AmbiguousName``."""
    names = catalogue_names(catalogue)
    return _known(
        factory, lambda given: factory.retry_database(skus.find_asset, given, names, published=published), name
    )


def find_product(factory: Factory, name: str, catalogue: str | None = None) -> int:
    """The product of a SKU or ``catalogue/SKU``. Raises ``NotFound``, ``AmbiguousName``."""
    names = catalogue_names(catalogue)
    return _known(factory, lambda given: factory.retry_database(skus.find_product, given, names), name)


def find_scope(factory: Factory, names: Sequence[str], catalogue: str | None = None) -> tuple[list[int], list[int]]:
    """Which products are meant, and which catalogues where no product is named; nothing of both means all.

    Raises as :func:`find_product`.
    """
    if names or catalogue is None:
        return [find_product(factory, name, catalogue) for name in names], []
    return [], factory.retry_database(skus.find_catalogues, catalogue, catalogue_names(catalogue))


def catalogue_names(catalogue: str | None) -> list[str]:
    """What a catalogue may be called: by its name, its source's URI, or its folder."""
    if catalogue is None:
        return []
    names = [catalogue, catalogue.rstrip("/")]
    with suppress(OSError, RuntimeError, ValueError):  # no folder of that name can be
        names.append(file_uri(Path(catalogue).expanduser().resolve()))
    return names


def _known(factory: Factory, find: Callable[[str], T], name: str) -> T:
    try:
        return find(name)
    except NotFound as error:
        try:
            return find(sku_of(name))
        except NotFound:
            like = factory.retry_database(skus.skus_like, name.rpartition("/")[2])
            raise NotFound(f"{error}{did_you_mean(name.rpartition('/')[2], like)}") from None
