"""`meshmill doctor`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import Json, put_json
from cli.doctor_device import device
from cli.doctor_servers import NEEDS, SERVER_PROBES, unreachable, workers
from cli.doctor_worker import WORKER_PROBES
from cli.store import make_place
from core.records import to_json

if TYPE_CHECKING:
    from tasks.settings import Settings

app = typer.Typer(add_completion=False)

PACKAGES = ("torch", "diffusers", "transformers", "rembg", "onnxruntime", "pymeshlab", "prefect", "sqlalchemy", "minio")

LARGE_SEGMENTER = "isnet-general-use"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    found: str
    fix: str | None
    """What to do."""


@app.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help="Only these checks.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Make a missing bucket, and Prefect's automation.")] = False,
    worker: Annotated[bool, typer.Option("--worker", help="Also what a worker's host needs.")] = False,
    json: Json = False,
) -> None:
    """What is installed and reachable, which device is used, and what to fix; exit 1 where something must be."""
    # A worker is not there yet when its own host is looked at.
    probes = _PROBES | SERVER_PROBES | (WORKER_PROBES if worker else {"workers": workers})
    for name in names or ():
        if name not in probes:
            raise typer.BadParameter(f"'{name}' is none of {', '.join(probes)}.")
    chosen = {name: probe for name, probe in probes.items() if not names or name in names}
    away = unreachable({server for name in chosen for server in NEEDS.get(name, ())})
    checks = [
        _away(name, said) if (said := _first(away, name)) else _looked_at(name, probe, fix)
        for name, probe in chosen.items()
    ]
    if json:
        put_json({"healthy": all(check.ok for check in checks), "checks": to_json(checks)})
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.ok else 'FIX '} {check.name:<10} {check.found}")
            if check.fix:
                typer.echo(f"                {check.fix}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _first(away: Mapping[str, str], name: str) -> str | None:
    """Why a check cannot be made: what it asks is away."""
    return next((away[server] for server in sorted(NEEDS.get(name, ())) if server in away), None)


def _away(name: str, said: str) -> Finding:
    return Finding(name, False, said, _FIXES[name])


def _looked_at(name: str, probe: Callable[[], tuple[str, str | None]], fix: bool) -> Finding:
    check = _check(name, probe)
    if check.ok or not fix or name not in _REMEDIES:
        return check
    try:
        _REMEDIES[name]()
    except Exception as error:  # noqa: BLE001 - said as any other finding
        return replace(check, fix=f"{check.fix} (Tried: {str(error) or type(error).__name__})")
    return _check(name, probe)


def _check(name: str, probe: Callable[[], tuple[str, str | None]]) -> Finding:
    try:
        found, fix = probe()
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever is broken
        found, fix = str(error) or type(error).__name__, _FIXES.get(name, "See docs/operations.md.")
    return Finding(name, fix is None, found, fix)


def _packages() -> tuple[str, str | None]:
    found, missing = [], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    return ", ".join(found), f"Install {', '.join(missing)}: pip install meshmill." if missing else None


def _settings() -> tuple[str, str | None]:
    from pathlib import Path

    from tasks.settings import FILE, PREFIX, read_settings, unknown_variables

    settings = read_settings()
    given = sorted(PREFIX + name.upper() for name in settings.model_fields_set)
    file = f" ({Path(FILE).absolute()} is read)" if Path(FILE).is_file() else ""
    others = f"; not known here: {', '.join(names)}" if (names := unknown_variables()) else ""
    return f"{', '.join(given) or 'all defaults'}{file}{others}", None


def _home() -> tuple[str, str | None]:
    import shutil

    from tasks.settings import read_settings

    home = read_settings().home_path
    home.mkdir(parents=True, exist_ok=True)
    probe = home / ".writable"
    probe.write_text("")
    probe.unlink()
    free = shutil.disk_usage(home).free
    return f"{home}, {free / 2**30:.1f} GiB free", f"Free some space at {home}." if free < 2**30 else None


def _temporary() -> tuple[str, str | None]:
    from tasks.disks import temporary

    folder, free, wrong = temporary()
    few = f"Free some space at {folder}, or set TMPDIR to another folder." if free < 2**29 else None
    return f"{folder}, {free / 2**30:.1f} GiB free", wrong or few


def _database() -> tuple[str, str | None]:
    from db.engine import open_engine
    from db.migrate import current_revision, standing, what_to_do
    from db.urls import is_file
    from tasks.settings import read_settings

    engine = open_engine(read_settings().database)
    found = standing(engine)
    shown = f"{engine.url.render_as_string(hide_password=True)} at {current_revision(engine) or 'empty'}"
    # The first command makes a file's tables, or brings them up to date, by itself.
    good = found == "current" or (is_file(engine.url) and found in ("empty", "old"))
    return shown, None if good else what_to_do(engine, found)


def _store() -> tuple[str, str | None]:
    import hashlib

    from storage import read_bytes
    from tasks.factory import open_store_of
    from tasks.settings import read_settings

    settings = read_settings()
    store = open_store_of(settings)
    data = b"meshmill doctor"
    sha256 = hashlib.sha256(data).hexdigest()
    store.size("doctor/probe")  # some servers make a bucket for whoever writes into it
    store.put(data, "doctor/probe", sha256, "text/plain")
    read_bytes(store, "doctor/probe", sha256)
    next(iter(store.list("doctor/")), None)
    store.delete("doctor/probe")
    return settings.store + _keys(settings), None


def _keys(settings: Settings) -> str:
    """Where the keys of an S3 store come from, where no setting names them."""
    from storage.credentials import keys_of_surroundings

    if not settings.s3_endpoint or settings.s3_access_key or not settings.store.startswith("s3://"):
        return ""
    keys = keys_of_surroundings(settings.s3_endpoint)
    return f", with the keys of {keys.source}" if keys else ", without keys"


def _owner() -> tuple[str, str | None]:
    from db.engine import open_engine
    from db.migrate import current_revision, head_revision
    from tasks.compute import compute
    from tasks.factory import Factory, open_store_of
    from tasks.ownership import owners, why_not_ours
    from tasks.settings import read_settings

    settings = read_settings()
    engine = open_engine(settings.database)
    if current_revision(engine) != head_revision(engine):
        return "not known: the database is empty or stands at another version", None
    factory = Factory(settings, engine, open_store_of(settings), compute)
    if (why := why_not_ours(factory)) is not None:
        return "the store is not this database's alone", why
    return "this database alone uses the store" if owners(factory).ours else "nobody has used the store yet", None


def _models() -> tuple[str, str | None]:
    from core.recipes import load_recipe
    from db.engine import open_engine
    from db.migrate import standing
    from tasks.models import registered_in, resolve_models
    from tasks.settings import read_settings

    settings = read_settings()
    engine = open_engine(settings.database)
    registered = registered_in(engine) if standing(engine) == "current" else _nothing_registered
    models = resolve_models(settings, load_recipe(), registered)
    return ", ".join(f"{w.role} {w.label} ({w.licence or 'licence not on record'})" for w in models.values()), None


def _segmenter() -> tuple[str, str | None]:
    """The shipped segmenter is small; a large one is a file and a setting away."""
    from core.errors import CheckpointError
    from core.recipes import load_recipe
    from core.segment.segmenters import downloaded_model, fetching

    used = load_recipe().segment.model
    try:
        downloaded_model(LARGE_SEGMENTER)
    except CheckpointError:
        get = f"fetch it once where a network is, {fetching(LARGE_SEGMENTER)}, then"
    else:
        get = "it is on this machine:"
    return f"{used}; {LARGE_SEGMENTER} cuts difficult photos better: {get} --set segment.model={LARGE_SEGMENTER}", None


def _nothing_registered(_name: str, _kind: str) -> None:
    return None


def _prefect() -> tuple[str, str | None]:
    import os
    import urllib.request

    from tasks.loopback import spare_loopback

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return "embedded: a server is started for each run", None
    spare_loopback()
    with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - the operator's own setting
        found = f"{url} answers {answer.status}"
    from flows.watching import problems

    return found, " ".join(problems()) or None


def _make_bucket() -> None:
    from tasks.factory import open_store_of
    from tasks.settings import read_settings

    make_place(open_store_of(read_settings()))


def _put_automations() -> None:
    from flows.watching import put_automations

    put_automations()


_PROBES: dict[str, Callable[[], tuple[str, str | None]]] = {
    "packages": _packages,
    "device": device,
    "settings": _settings,
    "home": _home,
    "temporary": _temporary,
    "database": _database,
    "store": _store,
    "owner": _owner,
    "models": _models,
    "segmenter": _segmenter,
    "prefect": _prefect,
}

_REMEDIES: dict[str, Callable[[], None]] = {"store": _make_bucket, "prefect": _put_automations}

_FIXES = {
    "settings": "Correct the setting that is named.",
    "temporary": "Set TMPDIR to a writable folder.",
    "device": "Reinstall torch for this machine.",
    "home": "Set MESHMILL_HOME to a writable folder.",
    "database": "Check MESHMILL_DATABASE_URL and that the server runs.",
    "store": "Check MESHMILL_STORE_URL, MESHMILL_S3_ENDPOINT and the keys; `doctor --fix` makes a missing bucket.",
    "owner": "Check MESHMILL_DATABASE_URL and MESHMILL_STORE_URL.",
    "models": "Get the shipped models folder, or register weights with `meshmill models add`.",
    "bucket": "Check MESHMILL_S3_ENDPOINT and that the store answers.",
    "pools": "Check PREFECT_API_URL and that Prefect's server runs.",
    "workers": "Check PREFECT_API_URL and that Prefect's server runs.",
    "server": "Check PREFECT_API_URL and that Prefect's server runs.",
    "clock": "Check that the database and the store answer.",
    "photos": "Check MESHMILL_DATABASE_URL.",
    "weights": "Check MESHMILL_DATABASE_URL.",
    "prefect": "Start the Prefect server, or unset PREFECT_API_URL for the embedded mode.",
}
