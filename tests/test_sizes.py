"""A module can be read in one sitting: 400 lines at most."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST = 400
ROOMS = ("core", "db", "storage", "tasks", "flows", "gallery", "cli", "training", "evaluation", "meshmill", "bench")


def too_long(root: Path) -> dict[str, int]:
    lines = {path: len(path.read_text("utf-8").splitlines()) for room in ROOMS for path in (root / room).rglob("*.py")}
    return {str(path.relative_to(root)): count for path, count in lines.items() if count > MOST}


def test_no_module_is_longer_than_one_reads(tmp_path: Path) -> None:
    assert too_long(ROOT) == {}
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "long.py").write_text("x = 1\n" * (MOST + 1))
    assert too_long(tmp_path) == {"core/long.py": MOST + 1}, "the check can fail"
