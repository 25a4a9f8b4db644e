"""What a recipe's parameters are called, what they may be and what they mean: for help pages and forms."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.recipes import Recipe


@dataclass(frozen=True)
class RecipeField:
    """One parameter of a recipe, as ``--set PATH=VALUE`` takes it."""

    path: str
    value: Any
    default: Any
    allowed: str
    """Type and bounds, in words: ``1 … 20000``, ``fast or released``."""
    meaning: str


def recipe_fields(recipe: Recipe) -> list[RecipeField]:
    """Every parameter with its value in ``recipe``, in the order of the stages."""
    return list(_fields(recipe, Recipe(), ""))


def _fields(values: BaseModel, defaults: BaseModel, prefix: str) -> Iterator[RecipeField]:
    for name, field in type(values).model_fields.items():
        value, default = getattr(values, name), getattr(defaults, name)
        if isinstance(value, BaseModel) and isinstance(default, BaseModel):
            yield from _fields(value, default, f"{prefix}{name}.")
        else:
            plain = (values.model_dump(mode="json")[name], defaults.model_dump(mode="json")[name])
            yield RecipeField(f"{prefix}{name}", *plain, _allowed(field), field.description or "")


def _allowed(field: FieldInfo) -> str:
    bounds = {
        name: value for limit in field.metadata for name in _SIGNS if (value := getattr(limit, name, None)) is not None
    }
    if not bounds:
        return _type_name(field.annotation)
    optional = " or none" if type(None) in typing.get_args(field.annotation) else ""
    if set(bounds) == {"ge", "le"}:
        return f"{bounds['ge']} … {bounds['le']}{optional}"
    return " and ".join(f"{sign} {bounds[name]}" for name, sign in _SIGNS.items() if name in bounds) + optional


_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _type_name(annotation: Any) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "none"}
    if annotation in names:
        return names[annotation]
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(map(str, parts))
    if typing.get_origin(annotation) in (list, tuple):
        return f"list of {_type_name(parts[0])}s" if parts else "list"
    if typing.get_origin(annotation) is dict:
        return f"{_type_name(parts[0])} to {_type_name(parts[1])}"
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_name(parts[0])
    if parts:
        return " or ".join(map(_type_name, parts))
    return getattr(annotation, "__name__", str(annotation))
