"""What commands share: one JSON document on stdout, words on stderr, errors as one sentence and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli.logs import as_json, json_wanted

if TYPE_CHECKING:
    from rich.console import Console

InCatalogue = Annotated[
    str | None, typer.Option("--catalogue", help="The catalogue, by name or source, where a SKU stands in several.")
]
PhotosFrom = Annotated[
    str, typer.Argument(help="Folder of photos (a product each, or its shots), one photo, CSV/XLSX/JSON, s3://")
]
RecipeName = Annotated[str, typer.Option("--recipe", help="Name or JSON file of a recipe.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Override, for example finish.faces=10000.")]
NoGroup = Annotated[bool, typer.Option("--no-group", help="Every photo in a folder is a product.")]
First = Annotated[list[str] | None, typer.Option("--first", help="A SKU to build before all others; may be repeated.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", min=0, help="What the night may cost; the rest waits.")]
Until = Annotated[str | None, typer.Option("--until", help="HH:MM: what would not end by then stays queued.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 where a product was quarantined, too.")]


def end(document: Mapping[str, Any], strict: bool) -> None:
    """The exit code of a run by what came out: 0 where every product came to an end that is not ours to mend."""
    if document["stopped"]:
        say(document["stopped"])  # the document itself says it to programs
        raise typer.Exit(1)
    counts = document["counts"]
    if counts["failed"] or counts["waiting"] or (strict and counts["quarantined"]):
        raise typer.Exit(1)


def say(text: str) -> None:
    """A line for people, on stderr; one JSON document where log lines are asked for as such."""
    typer.echo(as_json("INFO", "meshmill", text) if json_wanted() else text, err=True)


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

    from core.errors import MeshmillError

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except MeshmillError as error:
        stop(error.whole, error.exit_code, error.code)
    except KeyboardInterrupt as error:
        code = 143 if isinstance(error, Terminated) else 130
        stop("Stopped. What was finished is kept; run the same command again to go on.", code, "stopped")
    except BrokenPipeError:
        raise  # whoever read our output has gone: typer ends quietly
    except Exception as error:
        from core.errors import StageError
        from core.photos.names import display_name
        from tasks.failures import as_meshmill_error

        known = as_meshmill_error(error)
        if isinstance(known, StageError):
            if isinstance(error, OSError) and error.filename and error.strerror:
                stop(f"{display_name(str(error.filename))}: {error.strerror}.", 2, "file")
            raise  # a bug: its traceback says more than a sentence
        stop(known.whole, known.exit_code, known.code)


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


def _interrupt(number: int, frame: Any) -> None:
    """A service manager's SIGTERM ends a command like Ctrl-C does: workers stopped, leases left to expire."""
    raise Terminated


def stop(sentence: str, exit_code: int, code: str) -> NoReturn:
    """End the command with a sentence; with --json the one document on stdout is the error."""
    if "--json" in sys.argv[1:]:
        put_json({"error": {"code": code, "message": sentence, "exit_code": exit_code}})
    say(sentence)
    raise typer.Exit(exit_code)


def open_factory(listener: Any = None) -> Any:
    """The open factory; imported late, so that `--help` stays quick."""
    from tasks import factory

    return factory.open_factory(listener=listener)


def spoken(factory: Any, row: dict[str, Any]) -> dict[str, Any]:
    """An asset's row with its reasons in the language that is set; JSON is for programs and stays as it is."""
    from core.quality.reasons import in_language

    language = factory.settings.language
    return row if language in ("auto", "en") else in_language(row, language)


def find_asset(factory: Any, name: str, catalogue: str | None = None, *, published: bool = False) -> str:
    """The asset id of a SKU, ``catalogue/SKU`` or asset id; ``published``: a SKU's published asset, where it has one.
    Raises ``NotFound``, ``AmbiguousName``."""
    from tasks import names

    return names.find_asset(factory, name, catalogue, published=published)
