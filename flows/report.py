"""What a run tells the world: a summary for people, signed webhooks for programs."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

from db import assets
from tasks.house import House, Silent
from tasks.settings import Settings

TRIES = 4
SECONDS = 5


def markdown_summary(document: dict[str, Any]) -> str:
    """Counts, the slowest assets, failures by reason."""
    rows = document["assets"]
    lines = [f"# Run {document['run_id']}", "", f"{document['seconds']:.0f} s", ""]
    lines += ["| status | assets |", "| --- | ---: |"]
    lines += [f"| {name} | {count} |" for name, count in document["counts"].items()]
    slowest = sorted((row for row in rows if row["seconds"]), key=lambda row: -row["seconds"])[:5]
    if slowest:
        lines += ["", "| slowest | seconds |", "| --- | ---: |"]
        lines += [f"| {_cell(row['sku'])} | {row['seconds']:.0f} |" for row in slowest]
    reasons = Counter(row["reason"] for row in rows if row["status"] in ("failed", "quarantined"))
    if reasons:
        lines += ["", "| reason | assets |", "| --- | ---: |"]
        lines += [f"| {_cell(reason or '')} | {count} |" for reason, count in reasons.most_common(20)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell, or into markup."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over ``stamp.body``, hexadecimal: the stamp keeps an old message from being sent again."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def tell(settings: Settings, event: str, payload: dict[str, Any]) -> bool:
    """Post an event to the webhook, signed, with a few tries; False when nobody took it. Never raises: a receiver
    that is down must not fail a night's run."""
    url = settings.webhook_url
    if not url or not url.startswith(("http://", "https://")):
        return False
    body = json.dumps({"event": event, "data": payload}, default=str).encode()
    stamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "X-Meshmill-Event": event, "X-Meshmill-Time": stamp}
    if settings.webhook_secret:
        headers["X-Meshmill-Signature"] = signature(settings.webhook_secret.get_secret_value(), stamp, body)
    for attempt in range(TRIES):
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked above, the operator's own
            with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError):
            if attempt + 1 < TRIES:
                time.sleep(2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
    return False


class Webhooks(Silent):
    """Tells the webhook about each asset that comes to an end."""

    def __init__(self, house: House) -> None:
        self._house = house

    def asset(self, asset_id: str, status: str, reason: str | None) -> None:
        if self._house.settings.webhook_url:
            event = "asset.finished" if status in ("finished", "review") else "asset.failed"
            (row,) = assets.list_assets(self._house.engine, ids=[asset_id])
            names = ("sku", "asset_id", "status", "reason", "glb", "faces", "bytes", "score")
            tell(self._house.settings, event, {name: row[name] for name in names})
