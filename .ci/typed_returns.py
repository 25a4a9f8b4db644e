"""What crosses a room has a type: no function of these folders returns a mapping of names to anything, not even nested.

    python .ci/typed_returns.py [FOLDER ...]     exit 1 and a line for each that does

`dict[str, Any]`, `Mapping[str, object]` and a bare `dict` are found wherever they stand in a return annotation: inside
list, tuple, Iterator, Callable or a union, in quotes, or behind a name that the module gives them. Return a frozen
dataclass or a pydantic model; `core.records.to_json` makes JSON of it at the edge.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("db", "tasks", "flows", "evaluation")
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict"}
ANYTHING = {"Any", "object"}


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_untyped(node: ast.expr | None, aliases: dict[str, ast.expr], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a mapping to anything stands anywhere in an annotation."""
    if node is None:
        return False
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return is_untyped(ast.parse(node.value, mode="eval").body, aliases, seen)
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name_of(node.value) == "Callable":
            parts = parts[-1:]  # what a function takes is its caller's
        if name_of(node.value) in MAPPINGS and (len(parts) < 2 or any(name_of(part) in ANYTHING for part in parts)):
            return True
        return any(is_untyped(part, aliases, seen) for part in parts)
    if isinstance(node, ast.Name | ast.Attribute):
        name = name_of(node)
        return name in MAPPINGS or (
            name in aliases and name not in seen and is_untyped(aliases[name], aliases, seen | {name})
        )
    return any(is_untyped(part, aliases, seen) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))


def aliases_of(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that a module gives to types."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            if isinstance(node.value, ast.Subscript):
                found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.dump(node.annotation) and node.value is not None:
            found[name_of(node.target)] = node.value
    return found


def untyped_returns(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every function of a module that returns one; methods and inner functions too."""
    tree = ast.parse(source)
    aliases = aliases_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_untyped(node.returns, aliases):
            yield node.lineno, node.name


def main(folders: list[str]) -> int:
    root = Path(__file__).resolve().parents[1]
    places = [root / name for name in folders or FOLDERS]
    count = 0
    for path in sorted(path for place in places for path in place.rglob("*.py")):
        for line, name in untyped_returns(path.read_text("utf-8")):
            sys.stdout.write(f"{path.relative_to(root)}:{line}: {name} returns names to anything: give it a type\n")
            count += 1
    return min(1, count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
