"""Tells a photographer when two products seem to have got the same photo."""

from __future__ import annotations

from core.photos.duplicates import nearest_in_another_colour, nearest_picture
from core.quality.reasons import Reason, reason
from db.candidates import Candidate
from db.duplicates import other_pictures, record_picture_hash
from tasks.factory import Factory


def duplicate_warning(factory: Factory, candidate: Candidate, perceptual_hash: str | None) -> Reason | None:
    """A reason where another product of the catalogue is built from the same picture; else None.

    A warning, not a refusal: variants of one product may share a photo on purpose.
    """
    if perceptual_hash is None:
        return None
    factory.retry_database(record_picture_hash, candidate.photo_id, perceptual_hash)
    others = factory.retry_database(other_pictures, candidate.product_id)
    same = next((sku for sku, sha256, _ in others if sha256 == candidate.photo_sha256), None)
    if same is not None:
        return reason("duplicate_photo", "affects", sentence=f"The photo is the very file that {same} has.")
    pictures = [picture for _, _, picture in others]
    near = nearest_picture(perceptual_hash, pictures)
    if near is None:
        colour = None if candidate.variant_of else nearest_in_another_colour(perceptual_hash, pictures)
        return None if colour is None else reason("looks_like_variant", "note", other=others[colour][0])
    other = others[near][0]
    return reason("duplicate_photo", "affects", sentence=f"The photo shows the same picture as that of {other}.")
