"""What a photo of a product is not used for, in a sentence for the people who take and name them."""

from __future__ import annotations

from core.photos.shot import Role

UNNAMED = "Its name does not say from which side it was taken: name it front, back, left or right."
STEEP_PHOTO = "Photos from straight above or below are kept, but not used for the shape yet."
LEFT_OUT_BY_PERSON = "A person said that the model is not to be made from it."
OTHERWISE = "This model was made without it."

_BY_ROLE = {
    Role.DETAIL: "It shows a detail: kept, but no shape can be made from it.",
    Role.PACKAGING: "It shows the packaging, not the product: kept, not used.",
    Role.LIFESTYLE: "It shows the product in use, among other things: kept, not used.",
    Role.SWATCH: "It shows a colour or a material: kept, not used.",
    Role.FACTS: "It shows text or a table: kept, not used.",
    Role.PAIR: "It shows two of the product: kept, not used.",
    Role.TOP: STEEP_PHOTO,
    Role.BOTTOM: STEEP_PHOTO,
}
_BY_USE = {
    "copy": "It is a copy of another photo.",
    "unreadable": "It is of a kind that is not read here, or empty: save it as JPEG, PNG or TIFF.",
    "record": "It shows the product packed otherwise than the main photo does: kept, not used.",
}


def why_left_out(role: str | None, use: str | None, azimuth: float | None) -> str:
    """Why a photo that was not even looked at is not used: by its ``role``, what it is for, and its side."""
    sentence = _BY_ROLE.get(Role(role)) if role in set(Role) else None
    if use in ("copy", "unreadable"):
        return _BY_USE[use]
    if sentence is not None:
        return sentence
    if use == "record":
        return _BY_USE[use]
    return UNNAMED if azimuth is None else OTHERWISE
