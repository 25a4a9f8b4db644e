"""Webhooks: signed, tried again, sent beside the work. The database is the record, a webhook a hint."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from queue import Full, Queue
from threading import Thread
from typing import Any

from core.errors import RunStopped, SetupError, TransientError
from core.records import to_json
from db import assets
from tasks.factory import Factory, Listener
from tasks.settings import Settings, read_settings
from tasks.stopping import CANCELLED, refused_sentence

LOGGER = logging.getLogger(__name__)

TRIES = 4
SECONDS = 5
WAITING = 10_000
"""Events that wait for a slow receiver; further ones are dropped."""

PASSING = {408, 425, 429, *range(500, 600)}
"""Answers after which it is worth another try; redirects and refusals are not."""

DRAIN_SECONDS = 60
"""How long the end of a run waits for what is still to be sent."""

HURRIED_SECONDS = 5
"""The same where a person has stopped the run, or its process is told to end."""

EVENT_OF_STATUS = {
    "finished": "asset.finished",
    "review": "asset.review",
    "failed": "asset.failed",
    "quarantined": "asset.failed",
}
"""What is told of an asset that comes to an end in a run. People's decisions are ``asset.approved`` and
``asset.rejected`` (:mod:`tasks.decide`), a run's end ``run.ended`` or ``run.stopped``."""

Tell = Callable[[str, dict[str, Any]], object]
"""Hands an event to the webhook."""


def tell_nobody(event: str, payload: dict[str, Any]) -> None:
    """Where no webhook is set."""


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over ``stamp.body``, hexadecimal: the stamp keeps an old message from being sent again."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the message into a GET without a body, or carry it to a host that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(settings: Settings, event: str, payload: dict[str, Any], tries: int = TRIES) -> bool:
    """Post an event, signed; False when nobody took it. Never raises: a receiver that is down must not fail a night."""
    url = settings.webhook_url
    if not url or not url.startswith(("http://", "https://")):
        return False
    body = json.dumps({"event": event, "data": payload}, default=str).encode()
    for attempt in range(tries):
        stamp = str(int(time.time()))
        headers = {"Content-Type": "application/json", "X-Meshmill-Event": event, "X-Meshmill-Time": stamp}
        if settings.webhook_secret:
            headers["X-Meshmill-Signature"] = signature(settings.webhook_secret.get_secret_value(), stamp, body)
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked above, the operator's own
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=SECONDS):
                return True
        except urllib.error.HTTPError as error:
            if error.code not in PASSING:
                LOGGER.warning("The webhook answered %d to %s: see MESHMILL_WEBHOOK_URL.", error.code, event)
                return False
        except (OSError, HTTPException) as error:
            LOGGER.debug("The webhook did not take %s: %s", event, error)
        if attempt + 1 < tries:
            time.sleep(2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
    return False


def open_or_notify(opening: Callable[[], Factory], part_of: str | None = None) -> Factory:
    """The factory; where store or database refuse, the webhook hears of a run that could not begin. A shard leaves that
    to the run that it is ``part_of``."""
    try:
        return opening()
    except SetupError as error:
        if part_of is None:
            post(read_settings(), "run.stopped", {"stopped": refused_sentence(error)})
        raise


@contextmanager
def notifying(factory: Factory, part_of: str | None = None) -> Iterator[Tell]:
    """Tell the webhook, if there is one, about each asset that comes to an end while the block runs, and about a run
    that is stopped; a shard leaves that to the run that it is ``part_of``.

    A thread of its own sends, so a receiver that is slow or down holds back neither a GPU nor the finishing. Whoever
    listened before still hears everything.
    """
    if not factory.settings.webhook_url:
        yield tell_nobody
        return
    outbox: Queue[tuple[str, dict[str, Any]] | None] = Queue(WAITING)

    def tell(event: str, payload: dict[str, Any]) -> None:
        try:
            outbox.put_nowait((event, payload))
        except Full:
            return  # the receiver is long gone; the database has it all

    sender = Thread(target=_send, args=(factory, outbox), name="webhooks", daemon=True)
    sender.start()
    before, factory.listener = factory.listener, _Listening(factory.listener, tell)
    drain = DRAIN_SECONDS
    try:
        yield tell
    except Exception as error:
        if part_of is None and isinstance(error, (RunStopped, SetupError)):
            tell("run.stopped", {"stopped": str(error) if isinstance(error, RunStopped) else refused_sentence(error)})
        raise
    except BaseException:
        drain = HURRIED_SECONDS
        if part_of is None:
            tell("run.stopped", {"stopped": CANCELLED})
        raise
    finally:
        factory.listener = before
        with suppress(Full):
            outbox.put(None, timeout=drain)
            sender.join(drain)


def _send(factory: Factory, outbox: Queue[tuple[str, dict[str, Any]] | None]) -> None:
    tries = TRIES
    while (item := outbox.get()) is not None:
        event, payload = item
        if event.startswith("asset."):
            try:
                (row,) = assets.list_assets(factory.engine, ids=[payload["asset_id"]])
            except TransientError:
                continue
            payload = to_json(row.reported())
        # One patient wait is enough to know that nobody is there; the next success restores the patience.
        tries = TRIES if post(factory.settings, event, payload, tries) else 1


class _Listening:
    """Passes everything on to who listened before, and assets' ends to the webhook."""

    def __init__(self, before: Listener, tell: Tell) -> None:
        self._before, self._tell = before, tell
        self.ingested, self.planned = before.ingested, before.planned
        self.stage, self.progress = before.stage, before.progress

    def asset(self, asset_id: str, status: str, reason: str | None) -> None:
        self._before.asset(asset_id, status, reason)
        if status in EVENT_OF_STATUS:
            self._tell(EVENT_OF_STATUS[status], {"asset_id": asset_id})
