"""What went wrong, as one of the four branches of core.errors, with its sentence."""

from __future__ import annotations

import errno

import core.errors as tree
from core.errors import (
    InputError,
    MeshmillError,
    OutOfMemory,
    PhotoUnavailable,
    StageError,
    TransientError,
)
from core.memory import is_out_of_memory
from core.quality.reasons import Reason, codes, reason
from tasks.disks import full_disk

_FULL = {errno.ENOSPC: "The disk is full", errno.EDQUOT: "The disk quota is used up"}

_DISK = {
    errno.EROFS: "The disk is mounted read-only: make it writable, or set MESHMILL_HOME to another place",
    errno.EACCES: "Writing is not permitted here: change the folder's owner, or set MESHMILL_HOME to another place",
    errno.EIO: "The disk answers with errors: check it, then run the same command again",
}


NIGHTS = 3
"""So many runs in a row try an asset whose error may pass; then a person must."""


def is_transient(error: BaseException) -> bool:
    return isinstance(error, TransientError) and error.retryable


def as_meshmill_error(error: BaseException) -> MeshmillError:
    """Any exception as one of the tree: what nobody foresaw is ours."""
    if isinstance(error, MeshmillError):
        return error
    if is_out_of_memory(error):
        return OutOfMemory("There was not enough memory for this stage.")
    if isinstance(error, OSError) and error.errno in _FULL:
        where = full_disk(str(error.filename) if error.filename else None)
        return TransientError(
            f"{_FULL[error.errno]}{where}: free some space there, then run the same command again; what was finished "
            "is kept."
        )
    if isinstance(error, OSError) and error.errno in _DISK:
        where = f" ({error.filename})" if error.filename else ""
        return TransientError(f"{_DISK[error.errno]}{where}; what was finished is kept.")
    if isinstance(error, (ConnectionError, TimeoutError)):
        return TransientError(f"A connection broke: {error}.")
    text = str(error).strip().splitlines()
    return StageError(f"An unexpected {type(error).__name__}: {text[0] if text else 'no message'}.")


def rebuild(class_name: str, sentence: str) -> MeshmillError:
    """An error that crossed a process border, by its class's name."""
    cls = getattr(tree, class_name, StageError)
    if not (isinstance(cls, type) and issubclass(cls, MeshmillError)):
        cls = StageError
    return cls(sentence)


def status_of(error: MeshmillError) -> str:
    """The status of an asset that ends with this error; one whose photo cannot be read now waits for the next run."""
    if isinstance(error, PhotoUnavailable):
        return "queued"
    return "quarantined" if isinstance(error, InputError) else "failed"


def may_pass(error: MeshmillError) -> bool:
    """Whether another night may end better: the surroundings failed, not the product."""
    return error.retryable


def is_tried_again(error_class: str | None, failed_nights: int) -> bool:
    """Whether a later run tries a failed asset again by itself."""
    return error_class is not None and failed_nights < NIGHTS and may_pass(rebuild(error_class, ""))


def reason_of(error: MeshmillError) -> Reason:
    """What a person is told of an asset that ended with this error: its own sentence, and what to do."""
    kinds = (cls.code for cls in type(error).__mro__ if issubclass(cls, MeshmillError))
    code = next((code for code in kinds if code in codes()), "stage_error")
    return reason(code, "blocks", sentence=error.whole)


def last_reason_of(error: MeshmillError) -> Reason:
    """The same after the last of :data:`NIGHTS`."""
    return reason("gave_up", "blocks", sentence=f"{error.whole.rstrip('.')}; gave up after three nights.")
