"""Typed records as JSON values: once, at the edge, where a program, a page, a webhook or a column of JSON gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

INLINE = {"inline": True}
"""Metadata of a field whose own fields stand in its place: a record that says more of the same thing."""

OPTIONAL = {"optional": True}
"""Metadata of a field that is left out where it is None."""


class Record(BaseModel):
    """A document, or a part of one, filled in while it is measured: a field that nobody set stands nowhere in its
    JSON, one that was set to None is null. Fields that it does not know are passed over when it is read."""

    model_config = ConfigDict(validate_assignment=True)

    @model_serializer(mode="wrap")
    def _what_was_set(self, handler: SerializerFunctionWrapHandler) -> Any:
        unset = type(self).model_fields.keys() - self.model_fields_set
        return {name: value for name, value in handler(self).items() if name not in unset}


def to_json(value: Any) -> Any:
    """Dataclasses and pydantic models become objects in the order of their fields, tuples lists, times ISO 8601."""
    if value is None or isinstance(value, str | int | float):  # most values are; a plan asks for each product
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _object(record: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(record):
        value = to_json(getattr(record, each.name))
        if "inline" in each.metadata:
            found |= value
        elif value is not None or "optional" not in each.metadata:
            found[each.name.rstrip("_")] = value  # from_ is a word of Python's
    return found
