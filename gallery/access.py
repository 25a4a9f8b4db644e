"""Who may decide on the pages, and the forms that they send."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

from gallery.api.people import Caller, People

LARGEST_FORM = 16_384
"""Bytes of a posted form: a page's ticked assets, a note."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


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
    people: People = field(default_factory=People)
    """Users whose own token, or whose proxy, says who decides."""

    def form(self) -> dict[str, object] | None:
        """What a page needs for its forms; None where nothing is decided."""
        asked = self.token is not None or (bool(self.people.users) and self.people.proxy_header is None)
        return {"secret": self.secret, "ask_token": asked} if self.review else None

    def check(self, secret: str, token: str, headers: Mapping[str, str]) -> str | None:
        """The name that is proven, None where anybody may sign as they like. Raises :class:`HTTPException` 403 unless
        a decision may be taken."""
        if not self.review:
            raise HTTPException(403, "This gallery is read-only: start it with --review to decide here.")
        wrong = HTTPException(403, "The token is wrong, or the page is from an earlier start of the gallery.")
        if not _equal(secret, self.secret):
            raise wrong
        named = headers.get(self.people.proxy_header) if self.people.proxy_header else None
        user = self.people.by_name(named) if named else self.people.by_token(token)
        if user is not None:
            if not Caller(user.name, user.role).may("reviewer"):
                raise HTTPException(403, f"{user.name} may look, but not decide.")
            return user.name
        if self.token is not None and _equal(token, self.token):
            return None
        if self.token is not None or self.people.users:
            raise wrong
        return None


@dataclass(frozen=True)
class Form:
    """A posted form."""

    fields: dict[str, list[str]]
    headers: Mapping[str, str] = field(default_factory=dict)
    proven: str | None = None
    """Who sent it, where that was proven; else they sign as they like."""

    def one(self, name: str, longest: int = 300) -> str:
        """The first value, without blanks around it; empty where there is none."""
        return self.fields.get(name, [""])[0].strip()[:longest]

    def all(self, name: str) -> list[str]:
        """Every value once, in their order."""
        return list(dict.fromkeys(self.fields.get(name, [])))

    @property
    def who(self) -> str:
        return self.proven or self.one("reviewer", 200) or "gallery"

    def allowed(self, access: Access) -> Form:
        """The form with who sent it. Raises :class:`HTTPException` 403."""
        return replace(self, proven=access.check(self.one("secret"), self.one("token"), self.headers))


async def read_form(request: Request) -> Form:
    """A posted form; at most :data:`LARGEST_FORM` bytes are read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "That is too much text.")
    return Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True), request.headers)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
