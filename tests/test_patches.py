"""What a test or a bench replaces in a module is there and is read: a name that moves breaks those who set it."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("core", "db", "storage", "tasks", "flows", "gallery", "cli")
SWITCHES = ("torch.backends.", "sys.argv")
"""Settings that are documented as assignments."""


@dataclass(frozen=True)
class Code:
    """Python in a file or in a string that a test runs in another process."""

    place: str
    tree: ast.AST


def codes(path: Path) -> Iterator[Code]:
    tree = ast.parse(path.read_text("utf-8"))
    yield Code(str(path.relative_to(ROOT)), tree)
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        if isinstance(text, str) and "import " in text:
            try:
                yield Code(f"{path.relative_to(ROOT)}:{node.lineno}", ast.parse(textwrap.dedent(text)))  # type: ignore[attr-defined]
            except SyntaxError:
                continue


def imported(tree: ast.AST) -> dict[str, str]:
    """Local names and what they were imported from."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of nested attributes, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    above = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{above}.{node.attr}" if above and isinstance(node, ast.Attribute) else ""


def silent_assignments(code: Code) -> Iterator[str]:
    """Assignments that go well whether the name was there or not."""
    names = imported(code.tree)
    for node in ast.walk(code.tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else targets
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                name = dotted(part) if isinstance(part, ast.Attribute) else ""
                root = name.partition(".")[0]
                private = name.rpartition(".")[2].startswith("_") and root not in ("self", "cls")
                if name and (root in names or private) and not name.startswith(SWITCHES):
                    yield f"{code.place}: {name} = …"
        if isinstance(node, ast.Call):
            called, words = dotted(node.func), {word.arg: word.value for word in node.keywords}
            for word, value in (("raising", False), ("create", True)):
                given = words.get(word)
                patching = called.endswith(("setattr", "patch", "object"))
                if patching and isinstance(given, ast.Constant) and given.value is value:
                    yield f"{code.place}: {called}(…, {word}={value})"
            if called == "setattr" and node.args and dotted(node.args[0]).partition(".")[0] in names:
                yield f"{code.place}: setattr({dotted(node.args[0])}, …)"


def patches(code: Code) -> Iterator[tuple[str, str]]:
    """The module and the name that each patch replaces, where both stand in the code and the module is ours."""
    names = imported(code.tree)
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = dotted(node.func)
        first = node.args[0]
        if called.endswith(("setattr", "patch.object")) and len(node.args) > 1:
            root, _, rest = dotted(first).partition(".")
            target = ".".join(filter(None, (names.get(root, ""), rest)))
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            if isinstance(first, ast.Constant):
                target, _, name = str(first.value).rpartition(".")
        elif called == "patch" and isinstance(first, ast.Constant):
            target, _, name = str(first.value).rpartition(".")
        else:
            continue
        if target.partition(".")[0] in OURS and isinstance(name, str) and name and is_module(target):
            yield target, name


@cache
def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@cache
def sources() -> dict[str, ast.AST]:
    """Our own modules by name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
        for room in OURS
        for path in (ROOT / room).rglob("*.py")
    }


@cache
def is_read(module: str, name: str) -> bool:
    """Whether anything looks the name up in that module when it runs."""
    last = module.rpartition(".")[2]
    within = any(isinstance(node, ast.Name) and node.id == name for node in loads(sources()[module]))
    return within or any(
        (isinstance(node, ast.Attribute) and node.attr == name and dotted(node.value).endswith(last))
        or (isinstance(node, ast.ImportFrom) and node.module == module and name in {a.name for a in node.names})
        for tree in sources().values()
        for node in loads(tree)
    )


def loads(tree: ast.AST) -> Iterator[ast.AST]:
    """Names and attributes that are read, and imports within functions, which look up at each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node
        elif isinstance(node, ast.FunctionDef):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom))


FILES = sorted(path for room in ("tests", "bench") for path in (ROOT / room).rglob("*.py") if path != Path(__file__))


def test_nothing_is_replaced_by_an_assignment_that_cannot_fail() -> None:
    found = [sentence for path in FILES for code in codes(path) for sentence in silent_assignments(code)]
    assert found == [], "use monkeypatch.setattr or unittest.mock.patch.object: they raise where the name is not there"


def test_whatever_is_replaced_is_read_where_it_is_replaced() -> None:
    all_patches = {(code.place, *patch) for path in FILES for code in codes(path) for patch in patches(code)}
    assert len(all_patches) >= 10
    assert [patch for patch in sorted(all_patches) if not is_read(*patch[1:])] == []


@pytest.mark.parametrize(
    "text",
    [
        "import core.sjc.stage\ncore.sjc.stage.CHECKPOINT_SECONDS = 0.3",
        "from core.sjc import runner\nrunner.SECONDS, other = 1, 2",
        "from core.sjc import runner\nrunner.SECONDS += 1",
        "from core.sjc import runner\nsetattr(runner, 'SECONDS', 1)",
        "def test(monkeypatch):\n    monkeypatch.setattr('core.sjc.runner.SECONDS', 1, raising=False)",
        "with patch.object(runner, 'SECONDS', 1, create=True): pass",
        "store.client._http = None",
    ],
)
def test_assignments_that_cannot_fail_are_found(text: str) -> None:
    assert list(silent_assignments(Code("here", ast.parse(text))))


def test_a_constant_that_moved_is_found() -> None:
    text = "from unittest.mock import patch\nfrom core.sjc import stage, runner\n"
    text += "patch.object(stage, 'run_stages', 1)\npatch.object(runner, 'CHECKPOINT_SECONDS', 1)"
    (stage, runner) = patches(Code("here", ast.parse(text)))
    assert not is_read(stage[0], "CHECKPOINT_SECONDS")
    assert is_read(*runner)
