"""`meshmill recipes`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.common import Json, Overrides, put_json, sentences

app = typer.Typer(add_completion=False, invoke_without_command=True, help="Recipes by name, and what they set.")


@app.callback()
def list_recipes(context: typer.Context, json: Json = False) -> None:
    """The named recipes, and what each sets differently from the defaults."""
    if context.invoked_subcommand is not None:
        return
    with sentences():
        from core.recipe_fields import recipe_fields
        from core.recipes import NAMED, load_recipe, recipe_hash

        rows: list[dict[str, Any]] = []
        for name in NAMED:
            recipe = load_recipe(name)
            changed = {f.path: f.value for f in recipe_fields(recipe) if f.value != f.default and f.path != "name"}
            rows.append({"name": name, "hash": recipe_hash(recipe), "changes": changed})
        if json:
            put_json(rows)
            return
        for row in rows:
            changes = ", ".join(f"{path}={value}" for path, value in row["changes"].items())
            typer.echo(f"{row['name']}: {changes or 'the defaults'}")
        typer.echo("\n`meshmill recipes show NAME` lists every parameter with its range and meaning.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name or JSON file of a recipe.")],
    set_: Overrides = None,
    json: Json = False,
) -> None:
    """Every parameter of a recipe: value, what it may be, what it means; `*` marks what is not the default."""
    with sentences():
        from core.recipe_fields import recipe_fields
        from core.recipes import load_recipe, recipe_hash

        recipe = load_recipe(name, set_ or [])
        fields = recipe_fields(recipe)
        if json:
            put_json({"name": recipe.name, "hash": recipe_hash(recipe), "parameters": [asdict(f) for f in fields]})
            return
        from rich.markup import escape
        from rich.table import Table

        from cli.common import console

        table = Table("parameter", "value", "may be", "meaning", box=None, pad_edge=False)
        for field in fields:
            mark = "*" if field.value != field.default else ""
            table.add_row(field.path, escape(f"{field.value}{mark}"), escape(field.allowed), escape(field.meaning))
        console().print(table)
