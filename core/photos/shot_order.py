"""Order among the photos of one product: what their numbers mean together, which is the main one, which are copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.photos.shot import Role, Shot, Sides, posed
from core.photos.shot_sets import FULL_TURNS, LONGEST_RUN, is_full_turn, is_generic, single_letter_roles


@dataclass(frozen=True)
class ShotFile:
    """A photo as far as it is known without opening it."""

    shot: Shot
    path: str
    bytes: int = 0
    readable: bool = True


@dataclass(frozen=True)
class ShotPlace:
    """A photo's place in its product: ``at`` is its place in what was given."""

    at: int
    shot: Shot
    copy: bool
    """A better file of the same picture comes before it."""
    fits: bool
    """It shows the product in the same packaging state as the main photo does."""


RANKS = {
    Role.FRONT: 0,
    Role.THREE_QUARTER: 1,
    Role.UNKNOWN: 2,
    Role.FRAME: 2,
    Role.SIDE: 3,
    Role.LEFT: 3,
    Role.RIGHT: 3,
    Role.TOP: 5,
    Role.BACK: 6,
    Role.BOTTOM: 7,
    Role.PAIR: 8,
    Role.PACKAGING: 8,
    Role.DETAIL: 9,
    Role.LIFESTYLE: 9,
    Role.SWATCH: 10,
    Role.FACTS: 10,
}
"""The better a single photo serves to build the product from, the lower."""

STATES = "0CD1BMAP"
"""GS1's packaging states, those that show the product itself first."""


def order_shots(photos: Sequence[ShotFile], sides: Sides) -> list[ShotPlace]:
    """The photos of one product, the main one first: by packaging state, role, number, then bytes; copies last."""
    shots = _with_front(_with_turn(_with_letters([photo.shot for photo in photos], sides), sides))
    state = min((shot.state for shot in shots if shot.state and shot.geometric), key=_state_rank, default=None)
    kept = _originals(photos, shots)

    def rank(at: int) -> tuple[object, ...]:
        shot, photo = shots[at], photos[at]
        behind = 4 if shot.behind else 0
        return (
            not photo.readable,
            at not in kept,
            not _fits(shot, state),
            RANKS[shot.role] + behind,
            shot.role is Role.FRONT and not shot.main,
            abs(shot.azimuth or 0.0) if shot.role is Role.FRAME else 0.0,
            shot.index if shot.index is not None else 10_000,
            -photo.bytes,
            photo.path,
        )

    return [
        ShotPlace(at, shots[at], at not in kept, _fits(shots[at], state)) for at in sorted(range(len(photos)), key=rank)
    ]


def _state_rank(state: str) -> int:
    return STATES.find(state) if state in STATES else len(STATES)


def _fits(shot: Shot, state: str | None) -> bool:
    return state is None or shot.state is None or shot.state == state


def _with_letters(shots: list[Shot], sides: Sides) -> list[Shot]:
    """``_F`` and ``_B`` as front and back, where the letters are no running ones."""
    lettered = [shot for shot in shots if shot.said == "letter"]
    roles = single_letter_roles(lettered)
    if roles is None:
        return shots
    return [
        posed(replace(shot, role=roles[shot.index or 0], index=None), sides) if shot.said == "letter" else shot
        for shot in shots
    ]


def _with_turn(shots: list[Shot], sides: Sides) -> list[Shot]:
    """Frames of a turntable with their azimuths: numbers are degrees, or count equal steps of a whole turn."""
    turning = [at for at, shot in enumerate(shots) if shot.role is Role.FRAME and shot.index is not None]
    if not turning:
        turning = [at for at, shot in enumerate(shots) if shot.said == "number" and shot.role is Role.UNKNOWN]
        numbers = {shots[at].index or 0 for at in turning}
        if not (is_full_turn(numbers) or (len(numbers) > LONGEST_RUN and len(numbers) in FULL_TURNS)):
            return shots
    numbers = {shots[at].index or 0 for at in turning}
    degrees = is_full_turn(numbers)
    first = 0 if degrees or 0 in numbers else 1
    given = max((shots[at].frames or 0 for at in turning), default=0)
    total = given or max(numbers) - first + 1
    sign = 1.0 if sides.turntable == "right" else -1.0
    turned = list(shots)
    for at in turning:
        index = shots[at].index or 0
        azimuth = sign * (float(index) if degrees else (index - first) * 360.0 / total)
        whole = total > 3 or degrees
        turned[at] = replace(shots[at], role=Role.FRAME, azimuth=_signed(azimuth) if whole else None)
    return turned


def _signed(azimuth: float) -> float:
    """In (-180, 180]."""
    turned = azimuth % 360.0
    return turned - 360.0 if turned > 180.0 else turned


def _with_front(shots: list[Shot]) -> list[Shot]:
    """Shops put the front first: the photo without a code, else the lowest number, where no name says front."""
    if any(shot.role in (Role.FRONT, Role.FRAME) for shot in shots):
        return shots
    coded = any(shot.said not in ("nothing", "rendition") for shot in shots)
    bare = [at for at, shot in enumerate(shots) if shot.said in ("nothing", "rendition") and shot.stem and coded]
    if not bare:
        counted = [
            (shot.index, at)
            for at, shot in enumerate(shots)
            if shot.said in ("number", "letter", "inside")
            and shot.role is Role.UNKNOWN
            and shot.index in (0, 1)
            and not (shot.digits > 3 and is_generic(shot.stem))
        ]
        bare = [at for index, at in counted if index == min(counted)[0]]
    return [
        replace(shot, role=Role.FRONT, azimuth=0.0, assumed=True) if at in bare else shot
        for at, shot in enumerate(shots)
    ]


def _originals(photos: Sequence[ShotFile], shots: Sequence[Shot]) -> set[int]:
    """Of the files of one picture the best one: readable, no copy by its name, the largest."""
    best: dict[tuple[object, ...], int] = {}
    for at, (photo, shot) in enumerate(zip(photos, shots, strict=True)):
        picture = (shot.plain.casefold(), shot.role, shot.azimuth)
        other = best.get(picture)
        if other is None or _quality(photo, shot) > _quality(photos[other], shots[other]):
            best[picture] = at
    return set(best.values())


def _quality(photo: ShotFile, shot: Shot) -> tuple[bool, bool, int, str]:
    return photo.readable, not shot.copy, photo.bytes, photo.path
