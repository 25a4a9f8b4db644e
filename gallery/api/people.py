"""Who asks over HTTP and what they may: users of a small file, or names that a proxy has checked."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import InputError
from core.whole_file import whole_file

Role = Literal["reader", "reviewer"]
ROLES: tuple[Role, ...] = get_args(Role)
"""In rising order."""


class User(BaseModel):
    """A line of the users' file. Tokens are random (`meshmill users add`), so a plain sha256 gives nothing
    away."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1, max_length=200)
    role: Role
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Caller:
    """Whoever asks."""

    name: str | None
    """None: nobody in particular."""
    role: Role | None
    """None: may see nothing but what is open to all."""

    def may(self, role: Role) -> bool:
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class People:
    """Who is known, and which other sites' pages may show what is published."""

    users: tuple[User, ...] = ()
    proxy_header: str | None = None
    """The header in which a proxy names the user that it has checked; whoever reaches the server past it can lie."""
    origins: tuple[str, ...] = ()
    """Origins (or ``*``) whose pages may read and frame what is published; published files need no login then."""

    def by_token(self, token: str) -> User | None:
        digest = token_hash(token)
        return next((user for user in self.users if hmac.compare_digest(user.token_sha256, digest)), None)

    def by_name(self, name: str) -> User | None:
        return next((user for user in self.users if user.name == name), None)


def checked_origins(said: Sequence[str]) -> tuple[str, ...]:
    """Origins as they stand in headers. Raises :class:`InputError` for what is none."""
    for origin in said:
        if not re.fullmatch(r"\*|https?://[A-Za-z0-9.\[\]:-]+", origin):
            raise InputError(f"'{origin}' is no origin: say * or one such as https://shop.example, without a path.")
    return tuple(said)


def token_hash(token: str) -> str:
    """What the users' file keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_users(path: Path) -> tuple[User, ...]:
    """The users' file: a JSON list of ``{"name", "role", "token_sha256"}``. Raises :class:`InputError`."""
    try:
        users = TypeAdapter(tuple[User, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"The users' file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"The users' file {path} is not right: {place}: {first['msg']}.") from None
    names = [user.name for user in users]
    if len(set(names)) < len(names):
        raise InputError(f"The users' file {path} names somebody twice.")
    return users


def write_users(path: Path, users: tuple[User, ...]) -> None:
    """Replace the users' file; nobody else on the machine may read it."""
    text = json.dumps([user.model_dump() for user in users], indent=1, ensure_ascii=False) + "\n"
    with whole_file(path) as partial:
        partial.touch(0o600)
        partial.write_text(text, "utf-8")


def credentials(request: Request) -> tuple[str, str]:
    """The scheme, in small letters, and what it carries: ``bearer`` a token, ``basic`` ``user:password``."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    scheme = scheme.lower()
    if scheme == "basic":
        try:
            return scheme, b64decode(text, validate=True).decode()
        except ValueError:
            return scheme, ""
    return scheme, text.strip()
