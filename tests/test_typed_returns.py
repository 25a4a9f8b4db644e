"""What crosses a room has a type: the check sees what it must, and the rooms keep it."""

from __future__ import annotations

from types import ModuleType

import pytest
from scripts import load_script


@pytest.fixture(scope="module")
def check() -> ModuleType:
    return load_script(".ci/typed_returns.py")


@pytest.mark.parametrize(
    "annotation",
    [
        "dict[str, Any]",
        "dict",
        "'dict[str, Any]'",
        "typing.Mapping[str, typing.Any]",
        "dict[str, object]",
        "list[dict[str, Any]]",
        "tuple[bytes, dict[str, Any]]",
        "Iterator[list[Mapping[str, Any]]]",
        "dict[str, Any] | None",
        "dict[str, dict[str, Any]]",
        "Callable[[int], dict[str, Any]]",
        "Row",
        "list[Row]",
    ],
)
def test_a_mapping_to_anything_is_found_wherever_it_hides(check: ModuleType, annotation: str) -> None:
    source = f"Row = Mapping[str, Any]\nclass A:\n    async def made(self) -> {annotation}: ...\n"
    assert list(check.untyped_returns(source)) == [(3, "made")]


@pytest.mark.parametrize(
    "annotation",
    ["dict[str, int]", "None", "Any", "Row", "list[tuple[str, ...]]", "Select[Any]", "Callable[[dict[str, Any]], int]"],
)
def test_what_has_a_type_passes(check: ModuleType, annotation: str) -> None:
    assert not list(check.untyped_returns(f"Row = tuple[int, str]\ndef made(x: dict[str, Any]) -> {annotation}: ...\n"))


def test_no_room_returns_one(check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([]) == 0, capsys.readouterr().out
