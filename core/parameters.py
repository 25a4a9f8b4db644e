"""The base of every stage's typed parameters."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

JsonObject = dict[str, JsonValue]
"""Parameters as they are hashed and stored: JSON values, nothing else."""


class Parameters(BaseModel):
    """Frozen, no unknown fields, no NaN: its canonical JSON goes into the stage key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
