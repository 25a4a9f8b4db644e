"""`meshmill db`."""

from __future__ import annotations

import typer

from cli.common import Json, put_json, sentences

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The database's schema.")


def _state(upgrade_first: bool) -> dict[str, str | bool | None]:
    from core.errors import DatabaseDown, InputError, TransientError, WrongSchema
    from db.engine import open_engine
    from db.migrate import current_revision, head_revision, upgrade
    from tasks.settings import read_settings

    engine = open_engine(read_settings().database)
    try:
        if upgrade_first:
            upgrade(engine)
        current, head = current_revision(engine), head_revision(engine)
    except DatabaseDown as error:
        raise TransientError(str(error)) from error
    except WrongSchema as error:
        raise InputError(str(error)) from error
    return {"database": engine.url.render_as_string(hide_password=True), "current": current, "head": head}


@app.command()
def upgrade(json: Json = False) -> None:
    """Bring the schema up to date."""
    with sentences():
        state = _state(True)
        put_json(state) if json else typer.echo(f"{state['database']} stands at {state['current']}")


@app.command()
def current(json: Json = False) -> None:
    """Say at which revision the schema stands."""
    with sentences():
        state = _state(False)
        put_json(state) if json else typer.echo(f"{state['current'] or 'empty'} (newest: {state['head']})")
