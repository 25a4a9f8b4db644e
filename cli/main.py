"""The `meshmill` command. Each command's module is imported when it is used: `meshmill --help` stays quick."""

from __future__ import annotations

import importlib
import os
import sys
from io import TextIOWrapper
from typing import Any

import typer.core
import typer.main

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("cli.run", "Ingest a folder of product photos and build its assets to the end."),
    "plan": ("cli.plan", "What a run would do, from which shots, how long, at what cost."),
    "assets": ("cli.assets", "Query assets by status, SKU, date or catalogue."),
    "show": ("cli.show", "How an asset was made: its lineage tree."),
    "fetch": ("cli.fetch", "Copy an asset's GLB out of the store."),
    "deliver": ("cli.deliver", "Hand over what is published: files and table of a sales channel."),
    "retry": ("cli.retry", "Build failed assets again."),
    "review": ("cli.review", "Approve or reject an asset that waits for a person."),
    "gallery": ("cli.gallery", "Look at the assets in a browser."),
    "users": ("cli.users", "List, add and remove users of the HTTP API."),
    "verify": ("cli.verify", "Check a GLB's validity and its profile's budgets."),
    "reproduce": ("cli.reproduce", "Build an asset again and compare every hash."),
    "gc": ("cli.gc", "Find, and with --delete remove, objects that nothing refers to."),
    "fsck": ("cli.fsck", "Check, and with --repair mend, every stored object."),
    "models": ("cli.models", "List, add and verify model weights and their licences."),
    "recipes": ("cli.recipes", "List recipes, and what each parameter means and may be."),
    "train": ("cli.train", "Train the view model or the segmenter."),
    "evaluate": ("cli.evaluate", "Measure quality on objects with a known truth."),
    "db": ("cli.db", "Upgrade the database's schema, or say where it stands."),
    "store": ("cli.store", "Make the object store's bucket."),
    "completion": ("cli.completion", "Print what a shell reads to complete commands and options."),
    "doctor": ("cli.doctor", "What is installed and reachable, and what to fix."),
}
"""Name to the module whose ``app`` (a Typer) it is, and the sentence that the overview shows."""


class LazyCommands(typer.core.TyperGroup):
    """Imports a command's module only when that command is asked for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # their names, for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Typer's own overview would import every command for its sentence."""
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(self.help or "")
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])
        formatter.write_paragraph()
        formatter.write_text(
            "Every command has --help, and --json for one JSON document on stdout. `meshmill --version`."
        )


def main() -> None:
    """The console script. Exit codes: 0 all well, 1 some failed, 2 wrong usage or nothing could be started."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print("meshmill", version("meshmill"))
        return
    for stream in (sys.stdout, sys.stderr):  # names may hold what the terminal cannot show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if "_MESHMILL_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    if "MESHMILL_LOG_FORMAT" in os.environ:  # else there is nothing to set up, nor to import
        from cli.logs import configure_logs

        configure_logs()
    group = LazyCommands(
        name="meshmill", help="Product photos in, textured GLBs out, and a record of how each was made."
    )
    group(prog_name="meshmill")


if __name__ == "__main__":
    main()
