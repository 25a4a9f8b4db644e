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
    ├── NotFound            nobody knows the name that was asked for: an asset, a SKU, a model
    ├── TransientError      network, object store, database: retried with backoff and jitter
    │   └── PhotoUnavailable    the photo cannot be read now: it waits for the next run
    ├── SetupError          store or database refuse (keys, rights, bucket, clock): the run stops at once
    ├── RunStopped          somebody or something stopped the run: what was not tried stays queued
    ├── OutOfMemory         retried one step down the stage's ladder, recorded
    └── StageError          ours: fails loudly with the sentence and the traceback
        ├── ReconstructionFailed   NaN, empty or exploded density
        ├── MeshFailed             no closed surface, no faces after decimation
        ├── BudgetExceeded         finishing cannot meet the delivery profile
        ├── CheckpointError        wrong, truncated, unsafe or mismatching weights
        └── StageTimeout           a stage outlived its hard limit and was killed

Every error carries one sentence for a person in ``str(error)``.
"""

from __future__ import annotations


class MeshmillError(Exception):
    """Root of the tree. ``str(error)`` is one sentence that a shop's photographer understands."""


class InputError(MeshmillError):
    """The input's fault: the product is quarantined and never retried by itself."""


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


class NotFound(MeshmillError):
    """Nobody knows the name that was asked for."""


class TransientError(MeshmillError):
    """Network, object store or database: retried with exponential backoff and jitter."""


class PhotoUnavailable(TransientError):
    """A photo that cannot be read now: not mounted, not permitted, gone, a failing disk. It waits for the next run."""


class SetupError(MeshmillError):
    """The store or the database answers and refuses, whatever asset it is: the run stops, its assets stay queued."""


class RunStopped(MeshmillError):
    """The run was stopped before its end: too many failures alike, a :class:`SetupError`, or a person."""


class OutOfMemory(MeshmillError):
    """Retried one step down the stage's ladder, recorded."""


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
