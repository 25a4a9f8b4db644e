"""`meshmill doctor`: the servers as they are seen from here, none of them waited for long."""

from __future__ import annotations

import hashlib
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

Found = tuple[str, str | None]

SKEW_SECONDS = 5.0
"""How far this machine's clock may be from the database's and the store's: leases and settling photos go by it."""

CONNECT_SECONDS = 2.0
"""How long a server may take to accept a connection before it counts as away."""

CALLED = {"prefect": "Prefect server"}

NEEDS = {
    "database": {"database"},
    "store": {"store"},
    "bucket": {"store"},
    "owner": {"database", "store"},
    "clock": {"database", "store"},
    "models": {"database"},
    "photos": {"database"},
    "weights": {"database"},
    "prefect": {"prefect"},
    "pools": {"prefect"},
    "workers": {"prefect"},
    "server": {"prefect"},
}
"""Which servers a check asks."""


def _places() -> Iterator[tuple[str, str, int]]:
    """Servers that the settings name: what, host, port. A folder, a file and a socket are no servers."""
    from db.urls import is_file
    from tasks.settings import read_settings

    settings = read_settings()
    url = settings.database
    if not is_file(url) and url.host and not url.host.startswith("/") and "," not in url.host:
        yield "database", url.host, url.port or 5432
    found = {"store": settings.s3_endpoint if settings.store.startswith("s3://") else None}
    found["prefect"] = os.environ.get("PREFECT_API_URL")
    for what, address in found.items():
        parts = urlsplit(address or "")
        if parts.hostname:
            yield what, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def unreachable(servers: set[str]) -> dict[str, str]:
    """Which of them do not accept a connection, with a sentence."""
    try:
        places = [place for place in _places() if place[0] in servers]
    except Exception:  # noqa: BLE001 - the checks themselves say what is wrong with the settings
        return {}
    with ThreadPoolExecutor(max(1, len(places))) as pool:
        said = pool.map(lambda place: _refusal(*place), places)
    return {what: sentence for (what, _, _), sentence in zip(places, said, strict=True) if sentence}


def _refusal(what: str, host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"The {CALLED.get(what, what)} at {host}:{port} cannot be reached: {str(error) or type(error).__name__}"
    return ""


def _clock() -> Found:
    """This machine's clock beside the database's and, where it is an S3 server, the store's."""
    from db.engine import open_engine, reading
    from db.leases import clock
    from tasks.settings import read_settings

    settings = read_settings()
    off = {}
    engine = open_engine(settings.database)
    with reading(engine) as session:
        off["the database"] = clock(session) - time.time()
    engine.dispose()
    if settings.store.startswith("s3://") and settings.s3_endpoint:
        try:
            with urllib.request.urlopen(settings.s3_endpoint, timeout=5) as answer:  # noqa: S310
                said = answer.headers["Date"]
        except urllib.error.HTTPError as error:  # it wants keys; the date it says all the same
            said = error.headers["Date"]
        if said:  # to the second
            difference = parsedate_to_datetime(said).timestamp() - time.time()
            off["the store"] = 0.0 if -1.5 < difference < 0.5 else difference
    found = ", ".join(f"{seconds:+.1f} s from {name}" for name, seconds in off.items())
    far = max(map(abs, off.values())) > SKEW_SECONDS
    return found, "Set this machine's clock, for example by chrony or systemd-timesyncd." if far else None


def _bucket() -> Found:
    """Nobody without keys may list or read the store's bucket."""
    from storage.places import Bucket, place_of
    from tasks.factory import open_store_of
    from tasks.settings import read_settings

    settings = read_settings()
    place = place_of(settings.store)
    if not isinstance(place, Bucket) or not settings.s3_endpoint:
        return "the store is a folder", None
    store, data, key = open_store_of(settings), b"meshmill doctor", "doctor/everybody"
    name = quote(store.uri(key).removeprefix(f"s3://{place.name}/"))
    store.put(data, key, hashlib.sha256(data).hexdigest(), "text/plain")
    try:
        tries = {"list": "?list-type=2&max-keys=1", "read": f"/{name}"}
        bucket = f"{settings.s3_endpoint}/{quote(place.name)}"
        open_to_all = [what for what, path in tries.items() if _status(bucket + path) == 200]
    finally:
        store.delete(key)
    if not open_to_all:
        return "nobody lists or reads it without keys", None
    what = " and ".join(open_to_all)
    return f"whoever reaches it may {what} it without keys", f"Take the public policy off the bucket {place.name}."


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the operator's own setting
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _pools() -> Found:
    if not os.environ.get("PREFECT_API_URL"):
        return EMBEDDED, None
    from flows.workers import pools_found

    finding = pools_found()
    return finding.found, " ".join(finding.objections) or None


def workers() -> Found:
    if not os.environ.get("PREFECT_API_URL"):
        return EMBEDDED, None
    from flows.workers import workers_found

    finding = workers_found()
    return finding.found, " ".join(finding.objections) or None


EMBEDDED = "embedded: a server is started for each run"

SERVER_PROBES: dict[str, Callable[[], Found]] = {
    "bucket": _bucket,
    "clock": _clock,
    "pools": _pools,
}
