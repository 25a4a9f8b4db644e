"""Log lines: words for people, or with `MESHMILL_LOG_FORMAT=json` one JSON document a line, for a collector of logs."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

ROOMS = ("core", "db", "storage", "tasks", "flows", "gallery", "cli", "training", "evaluation")
"""The packages whose loggers speak for Meshmill."""


def json_wanted() -> bool:
    """Asked of the variable alone: settings that do not validate are to be told as JSON too."""
    return os.environ.get("MESHMILL_LOG_FORMAT", "").lower() == "json"


def as_json(level: str, logger: str, message: str, traceback: str | None = None) -> str:
    """One line: time (UTC), level, logger, message, and a traceback where there is one."""
    line = {"time": datetime.now(UTC).isoformat(), "level": level, "logger": logger, "message": message}
    return json.dumps(line | ({"traceback": traceback} if traceback else {}), ensure_ascii=False)


class JsonLines(logging.Formatter):
    """Each record as one JSON document."""

    def format(self, record: logging.LogRecord) -> str:
        trace = self.formatException(record.exc_info) if record.exc_info else None
        return as_json(record.levelname, record.name, record.getMessage(), trace)


def configure_logs() -> None:
    """Of this process and, through Prefect's variable, of the flows that it starts. Nothing where words are wanted."""
    if not json_wanted():
        return
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER", "json")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for room in (*ROOMS, "uvicorn"):
        logger = logging.getLogger(room)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
