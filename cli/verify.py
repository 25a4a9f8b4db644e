"""`meshmill verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import Json, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A GLB.")],
    profile: Annotated[str, typer.Option("--profile", help="The delivery profile whose budgets count.")] = (
        "khronos-mobile-ar"
    ),
    json: Json = False,
) -> None:
    """Check a GLB's validity and its profile's budgets; exit 1 where it breaks one."""
    with sentences():
        from core.mesh import verify_glb
        from tasks.compute import plain

        report = plain(verify_glb(file.read_bytes(), profile))
        problems = report.get("problems") or []
        if json:
            put_json({"file": str(file), "profile": profile, **report})
        else:
            for problem in problems:
                typer.echo(f"- {problem}")
            typer.echo(f"{file}: {'breaks' if problems else 'meets'} {profile}")
    if problems:
        raise typer.Exit(1)
