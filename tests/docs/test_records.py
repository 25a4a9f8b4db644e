"""README and results say what the records say."""

from __future__ import annotations

import pytest

from bench import records


def test_pages_say_what_the_records_say() -> None:
    assert records.differences() == []


def test_a_page_that_drifts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = records.topics()
    changed = records.results_page(found).replace("| **", "| **9", 1)
    monkeypatch.setattr(records, "results_page", lambda _: changed)
    assert any("docs/results.md" in sentence for sentence in records.differences())


def test_a_figure_is_filled_from_its_record() -> None:
    text = "<!-- figure: scans.iou -->{}<!-- /figure --> of <!-- figure: scans.iou.n -->{}<!-- /figure -->"
    record = records.topics()["scans"].records["iou"]
    assert records.filled(text.format("1.0", "1"), records.topics()) == text.format(record.shown, record.n)
    with pytest.raises(KeyError):
        records.filled("<!-- figure: scans.nothing -->1<!-- /figure -->", records.topics())


def test_every_commit_of_a_record_is_in_the_history() -> None:
    import shutil
    import subprocess

    inside = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=records.ROOT, capture_output=True)
    if shutil.which("git") is None or inside.stdout.strip() != b"false":
        pytest.skip("no whole git history here")
    commits = {record.commit for topic in records.topics().values() for record in topic.records.values()}
    for commit in sorted(commits):
        done = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=records.ROOT, capture_output=True)
        assert done.returncode == 0, f"no commit {commit}"
