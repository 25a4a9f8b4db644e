"""What a page's address asks for: a list's filters, order and page; the same on the way back into an address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException, Query

from db.gallery import ORDERS, Filters

WAITING = Filters(status="review")
"""The list of somebody who came from none."""

FIELDS = ("status", "catalogue", "q", "low", "high", "since", "order", "reason")


@dataclass(frozen=True)
class Asked:
    """A list as its address says it."""

    status: str | None = None
    catalogue: str | None = None
    q: str | None = None
    low: str | None = None
    high: str | None = None
    since: str | None = None
    order: str | None = None
    reason: str | None = None
    page: int = 1

    @property
    def given(self) -> bool:
        """Whether the address says anything of a list."""
        return any(self.kept().values())

    def kept(self) -> dict[str, Any]:
        return {name: value for name in FIELDS if (value := getattr(self, name))}

    def filters(self) -> Filters:
        """Raises :class:`HTTPException` 422 for what is no score or date."""
        return Filters(
            self.status or None,
            self.catalogue or None,
            self.q or None,
            _number(self.low),
            _number(self.high),
            _date(self.since),
            self.order or "newest",
            self.reason or None,
        )

    def list_or_waiting(self) -> Filters:
        """The list that somebody works through."""
        return self.filters() if self.given else WAITING

    def query(self, **more: Any) -> str:
        """``?…`` of an address, with ``more`` set or, where None, left out; empty where nothing is asked."""
        fields = {name: value for name, value in (self.kept() | more).items() if value}
        return "?" + urlencode(fields) if fields else ""

    def ordered(self) -> Asked:
        """The same list, said so that it is one even where nothing narrows it."""
        return self if self.given else Asked(order="newest")


def asked(
    status: Annotated[str | None, Query(max_length=20)] = None,
    catalogue: Annotated[str | None, Query(max_length=300)] = None,
    q: Annotated[str | None, Query(max_length=300)] = None,
    low: Annotated[str | None, Query(max_length=10)] = None,
    high: Annotated[str | None, Query(max_length=10)] = None,
    since: Annotated[str | None, Query(max_length=40)] = None,
    order: Annotated[str | None, Query(max_length=10)] = None,
    reason: Annotated[str | None, Query(max_length=60, pattern=r"^\w*$")] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Asked:
    """For routes: what the request's address asks."""
    return Asked(status, catalogue, q, low, high, since, order if order in ORDERS else None, reason, page)


def asked_in(text: str) -> Asked:
    """What a form carried along: nothing but known fields of bounded length is taken."""
    fields = {name: value[:300] for name, value in parse_qsl(text.removeprefix("?")[:2000]) if name in FIELDS}
    if fields.get("order") not in ORDERS:
        fields.pop("order", None)
    if not fields.get("reason", "x").replace("_", "x").isalnum():
        fields.pop("reason")
    return replace(Asked(), **fields)  # type: ignore[arg-type]


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
