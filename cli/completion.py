"""`meshmill completion`: the shell completes commands and options."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import sentences

app = typer.Typer(add_completion=False)

VARIABLE = "_MESHMILL_COMPLETE"
"""What a shell sets to ask for completions."""


@app.command()
def completion(shell: Annotated[str, typer.Argument(help="bash, zsh, fish or powershell.")] = "bash") -> None:
    """Print the script that a shell reads: `meshmill completion bash >> ~/.bashrc`."""
    with sentences():
        from typer.completion import get_completion_script  # type: ignore[attr-defined]

        from core.errors import InputError

        known = ("bash", "zsh", "fish", "powershell")
        if shell not in known:
            raise InputError(f"There is no completion for '{shell}': it is one of {', '.join(known)}.")
        typer.echo(get_completion_script(prog_name="meshmill", complete_var=VARIABLE, shell=shell))
