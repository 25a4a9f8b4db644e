"""The commands that the documentation tells people to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))


def blocks(page: Path) -> list[str]:
    """The text of a page's fenced blocks."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words of every command line in the page's blocks, without comments and leading variables."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    words = [
        shlex.split(line, comments=True) for line in lines if re.match(r"([A-Z_]+=\S+ )*(meshmill|prefect) ", line)
    ]
    return [[word for i, word in enumerate(row) if i or "=" not in word] for row in words]
