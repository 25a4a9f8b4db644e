"""Everything that can go wrong, as one tree. The branch decides what the factory does next.

    MeshmillError
    ├── InputError          the photo's or the caller's fault: quarantined, never retried
    │   ├── UnreadablePhoto     not an image, truncated, forbidden format, too many pixels
    │   ├── NoObject            nothing found in the photo
    │   ├── SeveralObjects      more than one object and none clearly the product
    │   ├── PhotoTooSmall       below the pixel minimum
    │   ├── PoorPhoto           cropped, blurred or otherwise beyond the method
    │   ├── PolicyViolation     a licence forbids what the recipe asks for
    │   └── InvalidRecipe       parameters that do not validate, with field names
    │   ├── OddText             text that no database keeps: a NUL character, half of a character
    │   ├── AmbiguousName       a SKU that stands in several catalogues
    │   ├── NotReviewable       an asset about which nothing can be decided now
    │   └── WrongSchema         the database's schema is another version's
    ├── NotFound            nobody knows the name that was asked for: an asset, a SKU, a model
    ├── TransientError      network, object store, database: retried with backoff and jitter
    │   ├── PhotoUnavailable    the photo cannot be read now: it waits for the next run
    │   ├── StoreDown           the store does not answer; also a SetupError: StoreRefused
    │   ├── ObjectMissing       there is no object under that key
    │   ├── ObjectDamaged       an object's bytes are not those that were recorded
    │   └── DatabaseDown        the database does not answer; also a SetupError: DatabaseRefused
    ├── SetupError          store or database refuse (keys, rights, bucket, clock): the run stops at once
    ├── RunStopped          somebody or something stopped the run: what was not tried stays queued
    ├── OutOfMemory         retried one step down the stage's ladder, recorded
    └── StageError          ours: fails loudly with the sentence and the traceback
        ├── ReconstructionFailed   NaN, empty or exploded density
        ├── MeshFailed             no closed surface, no faces after decimation
        ├── BudgetExceeded         finishing cannot meet the delivery profile
        ├── CheckpointError        wrong, truncated, unsafe or mismatching weights
        └── StageTimeout           a stage outlived its hard limit and was killed

Every error carries one sentence for a person in ``str(error)``; its class says what follows from it.
"""

from __future__ import annotations

import re
from typing import ClassVar


class MeshmillError(Exception):
    """Root of the tree. ``str(error)`` is one sentence that a shop's photographer understands."""

    code: ClassVar[str] = "meshmill_error"
    """The class's name as JSON and reasons have it: ``NoObject`` is ``no_object``."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody's doing."""
    exit_code: ClassVar[int] = 1
    """What a command ends with."""
    hint: ClassVar[str] = ""
    """A sentence to add: what a person can do about every error of this class."""

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def whole(self) -> str:
        """The sentence and the hint."""
        sentence = str(self)
        return f"{sentence.rstrip('.')}. {self.hint}" if self.hint and self.hint not in sentence else sentence


class InputError(MeshmillError):
    """The input's fault: the product is quarantined and never retried by itself."""

    exit_code = 2


class UnreadablePhoto(InputError):
    """Not an image, truncated, a forbidden format, or too many pixels."""


class NoObject(InputError):
    """Nothing that could be a product was found in the photo."""


class SeveralObjects(InputError):
    """More than one object and none clearly the product."""


class PhotoTooSmall(InputError):
    """The photo, or the object in it, has too few pixels."""


class PoorPhoto(InputError):
    """The photo is cropped, blurred or otherwise beyond the method."""


class PolicyViolation(InputError):
    """A licence forbids what the recipe asks for."""


class InvalidRecipe(InputError):
    """Parameters that do not validate; the sentence names the fields."""


class OddText(InputError, ValueError):
    """Text that no database keeps or looks for: a NUL character, or half of a character."""


class AmbiguousName(InputError):
    """A SKU that stands in several catalogues; the sentence names them."""


class NotReviewable(InputError):
    """An asset about which nothing can be decided: it is not built, or has no file."""


class WrongSchema(InputError):
    """The database's schema is another version's, or not ours; the sentence says what to do."""


class NotFound(MeshmillError):
    """Nobody knows the name that was asked for."""


class TransientError(MeshmillError):
    """Network, object store or database: retried with exponential backoff and jitter."""

    retryable = True


class PhotoUnavailable(TransientError):
    """A photo that cannot be read now: not mounted, not permitted, gone, a failing disk. It waits for the next run."""


class StoreDown(TransientError):
    """The store did not answer or lost data on the way; worth trying again."""


class ObjectMissing(TransientError):
    """There is no object under that key."""

    hint = "`meshmill fsck --repair` makes it again."


class ObjectDamaged(TransientError):
    """The object's bytes are not those whose sha256 was recorded."""

    hint = "`meshmill fsck --repair` makes it again."


class DatabaseDown(TransientError):
    """The database did not answer or the connection was lost; worth trying again."""


class SetupError(MeshmillError):
    """The store or the database answers and refuses, whatever asset it is: the run stops, its assets stay queued."""

    retryable = False


class StoreRefused(SetupError, StoreDown):
    """The store answered, and will answer the same tomorrow: wrong keys, no such bucket, a clock that is off. Waiting
    cures nothing; the sentence says what does."""


class DatabaseRefused(SetupError, DatabaseDown):
    """The database answered, and will answer the same tomorrow: a wrong password, no such database, no permission.
    Waiting cures nothing; the sentence says what does."""


class RunStopped(MeshmillError):
    """The run was stopped before its end: too many failures alike, a :class:`SetupError`, or a person."""


class OutOfMemory(MeshmillError):
    """Retried one step down the stage's ladder, recorded."""

    retryable = True


class StageError(MeshmillError):
    """Our fault: the asset fails loudly, the batch goes on."""


class ReconstructionFailed(StageError):
    """The field is not finite, empty, or fills its box."""


class MeshFailed(StageError):
    """No closed surface, or nothing left after clean-up or decimation."""


class BudgetExceeded(StageError):
    """Finishing cannot meet the delivery profile's budget."""


class CheckpointError(StageError):
    """Weights that are missing, truncated, unsafe, or do not fit the architecture."""


class StageTimeout(StageError):
    """A stage outlived its hard limit and was killed."""

    retryable = True
