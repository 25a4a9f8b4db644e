"""`meshmill retry`."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from cli.common import InCatalogue, Json, Strict, end, open_factory, put_json, sentences
from core.records import to_json

app = typer.Typer(add_completion=False)


@app.command()
def retry(
    skus: Annotated[list[str] | None, typer.Argument(help="Only these products: SKU or catalogue/SKU.")] = None,
    status: Annotated[
        str, typer.Option("--status", help="failed, quarantined, review, queued, running or finished.")
    ] = "failed",
    recipe: Annotated[str | None, typer.Option("--recipe", help="Make another version by this recipe.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Make another version with this setting, such as finish.faces=10000."),
    ] = None,
    catalogue: InCatalogue = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Build failed assets again; finished stages are reused. With other settings each gets a new version."""
    with sentences():
        from cli.progress import watch
        from core.errors import InputError
        from db.assets import Retryable, of_status, requeue
        from flows.run import build_again
        from tasks.plan import plan_with_changes

        if status not in (known := get_args(Retryable)):
            raise InputError(f"Only {', '.join(known[:-1])} and {known[-1]} assets can be retried.")
        with watch(quiet=json) as listener:
            factory = open_factory(listener)
            try:
                scope = _scope(factory, skus or [], catalogue)
                if recipe or set_:
                    chosen = of_status(factory.engine, [status], *scope)
                    plan = plan_with_changes(factory, chosen, recipe, set_ or [])
                    document = to_json(build_again(factory, plan.build, plan.reused))
                else:
                    document = to_json(build_again(factory, requeue(factory.engine, [status], *scope)))
            finally:
                factory.close()
        if json:
            put_json(document)
        else:
            from cli.tables import print_run

            print_run(document, None)
    end(document, strict)


def _scope(factory: Any, skus: list[str], catalogue: str | None) -> tuple[list[int], list[int]]:
    """What is meant. Raises :class:`InputError` for a name that is not there: nothing is tried instead of it."""
    from core.errors import InputError, NotFound
    from tasks.names import find_scope

    try:
        return find_scope(factory, skus, catalogue)
    except NotFound as error:
        raise InputError(str(error)) from error
