"""In which language a page gives its reasons: the one that is set, else the browser's."""

from __future__ import annotations

from core.quality.reasons import languages


def language_of(accepted: str | None, fixed: str | None = None) -> str:
    """The best of ``Accept-Language`` (RFC 9110) that reasons are written in; English where none is."""
    if fixed is not None:
        return fixed
    known, best, weight = languages(), "en", 0.0
    for part in (accepted or "").split(","):
        name, _, quality = part.partition(";")
        tag = name.strip().lower().partition("-")[0]
        value = _weight(quality)
        if tag in known and value > weight:
            best, weight = tag, value
    return best


def _weight(quality: str) -> float:
    """Of ``q=0.8``; 1 where nothing is said, 0 where it is nonsense."""
    name, _, value = quality.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
