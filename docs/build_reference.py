"""Reference pages from the code itself: commands, settings, recipes, errors, checks, tables.

python docs/build_reference.py            write docs/reference/*.md
python docs/build_reference.py --check    exit 1 where a page says something else (`make check` runs it)
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "reference"
HEAD = "<!-- Written by docs/build_reference.py: change the code, not this page. -->\n\n"


def cell(text: Any) -> str:
    """Text as a table's cell: one line, no bars."""
    return " ".join(str(text if text is not None else "").split()).replace("|", "\\|")


def table(headings: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "| " + " | ".join("---" for _ in headings) + " |"]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    import typer.main

    from cli.main import COMMANDS

    text = "# Commands\n\nEvery command has `--help`; with `--json` it prints one JSON document, logs go to stderr.\n"
    for name, (module, _) in COMMANDS.items():
        command: Any = typer.main.get_command(importlib.import_module(module).app)
        text += f"\n## meshmill {name}\n{command.help}\n"
        text += _parameters(command)
        for sub_name, sub in getattr(command, "commands", {}).items():
            text += f"\n### meshmill {name} {sub_name}\n{sub.help}\n" + _parameters(sub)
    return text


def _parameters(command: Any) -> str:
    rows = [
        (
            f"`{parameter.name.upper() if parameter.param_type_name == 'argument' else ', '.join(parameter.opts)}`",
            getattr(parameter, "help", "") or "",
            "" if parameter.default in (None, False, ()) or callable(parameter.default) else f"`{parameter.default}`",
        )
        for parameter in command.params
        if parameter.name not in ("install_completion", "show_completion")
    ]
    return "\n" + table(("argument or option", "meaning", "default"), iter(rows)) if rows else ""


def settings_page() -> str:
    from tasks.settings import Settings

    rows = (
        (
            f"`MESHMILL_{name.upper()}`",
            "" if field.default is None else f"`{field.default}`",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )
    intro = "# Settings\n\nVariables of the environment, or in `meshmill.toml` in lower case without `MESHMILL_`.\n\n"
    return intro + table(("variable", "default", "meaning"), rows)


def recipes_page() -> str:
    from core.recipe_fields import recipe_fields
    from core.recipes import NAMED, Recipe, load_recipe

    text = "# Recipes\n\n`meshmill recipes show NAME` prints one, `--set PARAMETER=VALUE` changes any.\n\n"
    text += "## By name\n\n"
    changes = {
        name: ", ".join(
            f"`{f.path}={f.value}`"
            for f in recipe_fields(load_recipe(name))
            if f.value != f.default and f.path != "name"
        )
        for name in NAMED
    }
    text += table(
        ("recipe", "differs from the defaults by"), iter((f"`{n}`", c or "nothing") for n, c in changes.items())
    )
    text += "\n## Parameters\n\n"
    rows = ((f"`{f.path}`", f"`{f.default}`", f.allowed, f.meaning) for f in recipe_fields(Recipe()))
    return text + table(("parameter", "default", "may be", "meaning"), rows)


def errors_page() -> str:
    import core.errors as tree
    from tasks.failures import is_tried_again, status_of

    rows = []
    for name, cls in inspect.getmembers(tree, inspect.isclass):
        if cls.__module__ != tree.__name__ or not issubclass(cls, tree.MeshmillError):
            continue
        again = "by the next two nights" if is_tried_again(name, 0) else "by `meshmill retry`"
        ends = status_of(cls(""))
        if issubclass(cls, (tree.RunStopped, tree.SetupError)):
            ends, again = "queued", "by the next run"
        rows.append((f"`{name}`", cls.code, " ".join(inspect.getdoc(cls).split()), ends, again, str(cls.exit_code)))
    intro = (
        "# Errors\n\nEach asset that did not come to be holds one of these (`asset.error_class`) and one sentence.\n\n"
    )
    return intro + table(("error", "code", "meaning", "status of the asset", "tried again", "exit code"), iter(rows))


def checks_page() -> str:
    from core.quality.checks import EVIDENCE, NOTES, SEVERAL, VETOES, VISIBLE
    from core.quality.reasons import text_of

    text = "# Checks of the quality gate\n\nFrom `bad` to `good` a check counts 0 to 1 (docs/how-to-read-a-score.md).\n"
    groups = (
        ("What the score of one photo is made of", EVIDENCE),
        ("What the score of several photos is made of", SEVERAL),
        ("Vetoes", VETOES),
        ("Visible faults", VISIBLE),
        ("Told beside it", NOTES),
    )
    for title, checks in groups:
        rows = (
            (f"`{c.metric}`", f"{c.bad:g}", f"{c.good:g}", c.unit, c.severity, f"`{c.code}`", text_of(c.code)[0])
            for c in checks
        )
        text += f"\n## {title}\n\n" + table(
            ("metric", "bad", "good", "unit", "severity", "reason", "what one sees"), rows
        )
    return text


def schema_page() -> str:
    from db.tables import Base

    tables = Base.metadata.sorted_tables
    text = "# Tables\n\nThe same on SQLite and PostgreSQL. Other programs read the views (docs/operations.md).\n"
    text += "\n```mermaid\nerDiagram\n"
    for one in tables:
        text += "".join(f"  {key.column.table.name} ||--o{{ {one.name} : {key.parent.name}\n" for key in _keys(one))
    text += "```\n"
    for one in tables:
        doc = next((m.class_.__doc__ for m in Base.registry.mappers if m.local_table is one), "") or ""
        rows = (
            (
                f"`{column.name}`",
                str(column.type).lower(),
                "yes" if column.nullable else "",
                ", ".join(f"`{key.column.table.name}.{key.column.name}`" for key in column.foreign_keys),
            )
            for column in one.columns
        )
        text += f"\n## {one.name}\n{cell(doc)}\n\n" + table(("column", "type", "may be null", "refers to"), rows)
    return text


def _keys(one: Any) -> list[Any]:
    return sorted(one.foreign_keys, key=lambda key: (key.column.table.name, key.parent.name))


PAGES = {
    "commands": commands_page,
    "settings": settings_page,
    "recipes": recipes_page,
    "errors": errors_page,
    "checks": checks_page,
    "schema": schema_page,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Only say which pages differ.")
    check = parser.parse_args().check
    drifted = 0
    for name, page in PAGES.items():
        path, text = FOLDER / f"{name}.md", HEAD + page()
        if check and (not path.is_file() or path.read_text("utf-8") != text):
            sys.stdout.write(
                f"docs/reference/{name}.md does not say what the code says: run `python docs/build_reference.py`.\n"
            )
            drifted += 1
        elif not check:
            path.write_text(text, "utf-8")
    return int(drifted > 0)


if __name__ == "__main__":
    sys.exit(main())
