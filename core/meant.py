"""What somebody who misspelled a name may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(said: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?`` with a blank before it, for the known name that is most like it; empty where none is."""
    from difflib import get_close_matches

    names = {name.casefold(): name for name in known}
    found = get_close_matches(said.casefold(), names, n=1, cutoff=0.7)
    return f" Did you mean '{names[found[0]]}'?" if found else ""
