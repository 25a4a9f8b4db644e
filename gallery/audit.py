"""Who asked for what change and what came of it: one JSON line each, appended to a file that is never rewritten."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import InputError
from tasks.webhooks import Tell

READING = ("GET", "HEAD", "OPTIONS")


class AuditLog:
    """The file. Each line has ``at`` (UTC); a request's ``method``, ``path``, ``status`` and ``address``, refused ones
    included; a decision's ``event``, ``catalogue``, ``sku``, ``asset_id`` and ``review`` with who decided."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`InputError` for a file that cannot be appended to."""
        self.path = path
        self._append(b"")

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)  # one write: lines of two processes do not mix
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InputError(f"The audit log {self.path} cannot be written: {error.strerror}.") from error

    def write(self, **said: Any) -> None:
        line = {"at": datetime.now(UTC).isoformat()} | said
        self._append(json.dumps(line, ensure_ascii=True, default=str).encode() + b"\n")

    def hears(self, tell: Tell) -> Tell:
        """``tell``, and every decision on record before it."""

        def both(event: str, payload: dict[str, Any]) -> None:
            names = ("catalogue", "sku", "asset_id", "review", "undone_by")
            self.write(event=event, **{name: payload[name] for name in names if name in payload})
            tell(event, payload)

        return both


class Audited:
    """Middleware: every request that is more than reading, with its answer."""

    def __init__(self, app: ASGIApp, log: AuditLog) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in READING:
            await self.app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message["status"] if message["type"] == "http.response.start" else status
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            address = scope["client"][0] if scope.get("client") else None
            self.log.write(method=scope["method"], path=scope["path"], status=status, address=address)
