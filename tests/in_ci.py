"""What CI does otherwise: a skip is a failure, but for what no machine can be asked for (elsewhere tests skip and say
why), and a test that drives real servers has a second try, which the summary names: on a starved machine one of some
five hundred loses a race now and then, and what is broken fails twice."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

MAY_SKIP = (
    "needs an NVIDIA GPU",
    "the shared measurement data is not beside this checkout",
    "this machine lets nobody",  # mount a disk or make a namespace: containers often may not
    "no whole git history here",
    "GB of memory are free",
    "GB of disk are needed",
    "only Linux tells",
    "socksio is installed",
    "Triton is not installed",  # a gigabyte, for those who change GPU kernels
)
"""Parts of the reasons that stand in CI too."""


def in_ci() -> bool:
    """Whether this is CI: `CI=true` is what `.ci/run` and the usual services set."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if in_ci():
        for item in items:
            if item.get_closest_marker("server") or item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _failed_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _failed_in_ci((yield))


def _failed_in_ci(report: Any) -> Any:
    if report.outcome == "skipped" and not hasattr(report, "wasxfail") and in_ci():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(part in reason for part in MAY_SKIP):
            report.outcome, report.longrepr = "failed", f"{reason} (in CI this is a failure: install what is missing)"
    return report
