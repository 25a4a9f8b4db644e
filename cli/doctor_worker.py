"""`meshmill doctor --worker`: what a worker finds on its host before it takes anything."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Select, select

Found = tuple[str, str | None]


def _server() -> Found:
    """Prefect's server, with the login, and whether it is of our version."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return (
            "PREFECT_API_URL is not set",
            "Set PREFECT_API_URL to the server's address, such as http://HOST:4200/api.",
        )
    request = urllib.request.Request(f"{url}/admin/version")  # noqa: S310 - the operator's own setting
    if login := os.environ.get("PREFECT_API_AUTH_STRING"):
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            theirs = str(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return f"{url} does not know the login", "Set PREFECT_API_AUTH_STRING as the server has it."
        raise
    ours = version("prefect")
    fix = None if theirs == ours else f"Install the same version here and there: prefect=={theirs} runs on the server."
    return f"{url}, Prefect {theirs}, {ours} here", fix


NOT_KNOWN = "not known: the database is empty or stands at another version"


def _pairs(query: Select[tuple[str, str]]) -> Sequence[tuple[str, str]] | None:
    """What a query finds; None where the database is empty or stands at another version."""
    from db.engine import open_engine, reading
    from db.migrate import standing
    from tasks.settings import read_settings

    engine = open_engine(read_settings().database)
    try:
        if standing(engine) != "current":
            return None
        with reading(engine) as session:
            return session.execute(query).tuples().all()
    finally:
        engine.dispose()


def _photos() -> Found:
    """The folders of every catalogue: a shard may have photos of any."""
    from db.tables import Catalogue
    from storage.places import uri_path

    rows = _pairs(select(Catalogue.source_uri, Catalogue.name))
    if rows is None:
        return NOT_KNOWN, None
    places = {Path(uri_path(uri)): name for uri, name in dict(rows).items() if uri.startswith("file:")}
    gone = {path: name for path, name in places.items() if not os.access(path, os.R_OK)}
    found = f"{len(places) - len(gone)} of {len(places)} catalogues in folders can be read here"
    if not gone:
        return found, None
    path, name = next(iter(gone.items()))
    return found, f"Mount {path} of the catalogue {name} here as on the other hosts."


def _weights() -> Found:
    """Registered weights that lie in folders: on every host at the same place."""
    from db.tables import Checkpoint

    rows = _pairs(select(Checkpoint.path, Checkpoint.name).order_by(Checkpoint.id))
    if rows is None:
        return NOT_KNOWN, None
    gone = {path: name for path, name in rows if Path(path).is_absolute() and not Path(path).exists()}
    found = f"{len(rows) - len(gone)} of {len(rows)} registered weights lie here"
    # Old ones may be gone for good; what a recipe wants and does not find is said by `models` and by the run itself.
    return found + "".join(f"; not {name} at {path}" for path, name in list(gone.items())[:5]), None


def _confinement() -> Found:
    """What this kernel holds of a stage's confinement; tried in a process of its own, since it cannot be undone."""
    code = "from tasks.confine import confine; print(*confine())"
    place = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    held = set(done.stdout.split())
    missing = {"network", "processes", "memory", "files"} - held
    said = f"stages are held off from {', '.join(sorted(held))}" if held else "stages run unconfined"
    return said + (f"; not from {', '.join(sorted(missing))} on this kernel" if missing else ""), None


WORKER_PROBES: dict[str, Callable[[], Found]] = {
    "server": _server,
    "photos": _photos,
    "weights": _weights,
    "confined": _confinement,
}
"""By name: what was found, and what to do where something must be done."""
