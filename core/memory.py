"""Memory: how much this process has taken, and which errors say that there was none left."""

from __future__ import annotations

import errno
import sys
from pathlib import Path


def peak_memory() -> int:
    """Bytes: the most that was resident so far.

    Not ``ru_maxrss`` where Linux tells better: that begins at the size of the process which started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: Python's own, the kernel's (ENOMEM), or what torch, CUDA and ONNX
    Runtime raise, each with words of its own."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "allocate memory", "alloc_failed", "bad_alloc"))
