"""What commands share: one JSON document on stdout, words on stderr, errors as one sentence and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def say(text: str) -> None:
    """A line for people, on stderr."""
    typer.echo(text, err=True)


def put_json(document: Any) -> None:
    """The one document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True, default=str) + "\n")
    sys.stdout.flush()


def console() -> Console:
    from rich.console import Console

    return Console()


@contextmanager
def sentences() -> Iterator[None]:
    """Turn the error tree into a sentence and an exit code: 2 for wrong usage, 130 for Ctrl-C, 143 for SIGTERM, 1 for
    everything else. What nobody foresaw keeps its traceback."""
    import signal

    from core.errors import InputError, MeshmillError

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except InputError as error:
        stop(str(error), 2)
    except MeshmillError as error:
        stop(str(error), 1)
    except LookupError as error:
        stop(str(error).strip("'\""), 1)
    except KeyboardInterrupt as error:
        code = 143 if isinstance(error, Terminated) else 130
        stop("Stopped. What was finished is kept; run the same command again to go on.", code)
    except Exception as error:
        from core.errors import StageError
        from tasks.failures import as_meshmill_error

        known = as_meshmill_error(error)
        if isinstance(known, StageError):  # a bug: its traceback says more than a sentence
            raise
        stop(str(known), 1)


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


def _interrupt(number: int, frame: Any) -> None:
    """A service manager's SIGTERM ends a command like Ctrl-C does: workers stopped, leases left to expire."""
    raise Terminated


def stop(sentence: str, code: int) -> NoReturn:
    say(sentence)
    raise typer.Exit(code)


def open_house_for_people(listener: Any = None) -> Any:
    """The house, with a database or store that is down as a sentence."""
    from core.errors import TransientError
    from db.engine import DatabaseDown
    from tasks.house import open_house

    try:
        return open_house(listener=listener)
    except DatabaseDown as error:
        raise TransientError(str(error)) from error


def find_asset(house: Any, name: str) -> str:
    """The asset id of a SKU or asset id. Raises ``LookupError``."""
    from db.assets import resolve

    asset_id = resolve(house.engine, name)
    if asset_id is None:
        raise LookupError(f"There is no asset or SKU '{name}': `meshmill assets` lists them.")
    return asset_id
