"""Files that appear whole or not at all, whoever else writes them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.whole_file import whole_file


def test_many_writers_of_one_file_leave_one_of_theirs_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "one.bin"
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for _ in range(20):
            with whole_file(path) as partial:
                partial.write_bytes(bytes([number]) * 10_000)

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(write, number) for number in range(8)]:
            job.result()
    assert len(set(path.read_bytes())) == 1
    assert [file.name for file in path.parent.iterdir()] == ["one.bin"]


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("old")

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["one.txt"]
