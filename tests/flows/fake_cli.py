"""`python fake_cli.py run PHOTOS …`: the real `meshmill` command with stages that cost nothing. Used by tests."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tasks"))


def main() -> None:
    import fake_stages

    import cli.main
    import tasks.factory

    opened = functools.partial(tasks.factory.open_factory, compute=fake_stages.compute)
    patch.object(tasks.factory, "open_factory", opened).start()
    cli.main.main()


if __name__ == "__main__":
    main()
