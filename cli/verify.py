"""`meshmill verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.common import Json, put_json, sentences

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A GLB.")],
    profile: Annotated[str, typer.Option("--profile", help="The delivery profile whose budgets count.")] = (
        "khronos-mobile-ar"
    ),
    json: Json = False,
) -> None:
    """Check a GLB's validity and its profile's budgets; exit 1 where it breaks one or cannot be read."""
    with sentences():
        from core.mesh import verify_glb

        verdict = verify_glb(file, profile)
    if json:
        checks = [asdict(check) for check in verdict.checks]
        put_json({"file": str(file), "profile": profile, "passed": verdict.passed, "checks": checks})
    else:
        for check in verdict.failures:
            typer.echo(f"- {check.name}: {check.found}; wanted: {check.wanted}")
        typer.echo(f"{file}: {'meets' if verdict.passed else 'breaks'} {profile}")
    if not verdict.passed:
        raise typer.Exit(1)
