"""Which photos a recipe's policy forbids, asked before anything is computed (models: :mod:`tasks.models`)."""

from __future__ import annotations

from core.errors import PolicyViolation
from core.licences import commercial_restriction
from core.recipes import Recipe
from db.candidates import Candidate


def check_photo(recipe: Recipe, candidate: Candidate) -> None:
    """Raises :class:`PolicyViolation` where the manifest's licence forbids a commercial model of the photo.

    A photo without a licence on record is taken as the caller's own: folders have no place to say so.
    """
    licence = candidate.photo_licence or candidate.product_licence
    if recipe.policy != "commercial" or licence is None:
        return
    why = commercial_restriction(licence)
    if why is not None:
        raise PolicyViolation(f"The recipe's policy is commercial and the photo cannot be used commercially: {why}.")
