"""Which reading of each file name holds, by its siblings in the same folder.

``chair-1`` alone is a product of that name; beside ``chair-2`` it is a chair's first photo. Nothing is taken for a shot
on the word of one file: a running number needs the others of its run, a word another file of the same stem.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from core.photos.shot import NO_GEOMETRY, VIEWERS_SIDES, Role, Said, Shot, Sides
from core.photos.shot_words import GENERIC, folded
from core.photos.shots import readings

LONGEST_RUN = 20
"""So many numbered photos of one product are believed; more are a catalogue's numbers, or frames of a turntable."""

FULL_TURNS = frozenset({24, 30, 32, 36, 40, 45, 48, 60, 64, 72, 90, 120, 144, 180, 360})
"""How many frames a turntable usually gives."""


def choose_readings(
    names: Sequence[str],
    *,
    sku: str | None = None,
    sides: Sides = VIEWERS_SIDES,
    known: Collection[str] = (),
) -> list[Shot]:
    """One shot a name, in their order; shots with equal :func:`product_key` show one product.

    ``known``: keys of products that stood before: the last photo left of one stays its photo. ``sku``: all of them lie
    in the folder of that product, so that a word or a number counts without a sibling.
    """
    folder = _Folder(names, sku, sides, known)
    folder.take_certain()
    folder.take_words()
    folder.take_frames()
    folder.take_runs("number", _is_run)
    folder.take_runs("letter", _is_lettering)
    folder.take_codes()
    folder.take_inside()
    folder.take_renditions()
    folder.take_lone()
    return [folder.chosen.get(at, found[0]) for at, found in enumerate(folder.found)]


def product_key(shot: Shot) -> str:
    """What shots of one product share: the stem without regard to case, or the article number that it begins with."""
    return product_word(shot.stem)[0].casefold()


_ARTICLE = re.compile(r"^(?P<id>\d{12,14}|B0[A-Z0-9]{8})[\s_.-]+(?P<name>.*[^\W\d_].*)$", re.DOTALL)
_DOTTED = re.compile(r"^(?P<id>\d{4,14})\.(?P<name>[^\W\d_].*)$", re.DOTALL)


def product_word(stem: str) -> tuple[str, str]:
    """SKU and name of a stem: ``4006381333931_blue-mug`` begins with an article number, the rest is a name."""
    match = _ARTICLE.match(stem) or _DOTTED.match(stem)
    if match is None or (match["id"].isdigit() and len(match["id"]) >= 12 and not _checks(match["id"])):
        return stem, ""
    return match["id"], match["name"]


def _checks(number: str) -> bool:
    """Whether the last digit of a GTIN is the check digit of the others (GS1 General Specifications 7.9)."""
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


@dataclass(frozen=True)
class _Member:
    """A name that could belong to a product, by one of its readings."""

    at: int
    shot: Shot


class _Folder:
    """Names of one folder, every reading of each, and what has been decided so far."""

    def __init__(self, names: Sequence[str], sku: str | None, sides: Sides, stood: Collection[str]) -> None:
        self.stood = stood
        self.found = [readings(name, sku=sku, sides=sides) for name in names]
        self.known = sku is not None
        self.chosen: dict[int, Shot] = {}
        self._mark_numbered_copies()
        self.bare: dict[str, list[int]] = defaultdict(list)
        for at, found in enumerate(self.found):
            self.bare[product_key(found[0])].append(at)
        self.joints: Counter[tuple[Said, str]] = Counter()
        """How often a delimiter stood before a word, a number or a letter of products with several photos."""
        self.highest: dict[str, int] = {}

    def _mark_numbered_copies(self) -> None:
        """``mug (1)`` beside ``mug`` is what a browser or a file manager made of it; without ``mug`` it is a number."""
        plain = {found[0].stem.casefold() for found in self.found}
        for at, found in enumerate(self.found):
            match = re.match(r"^(?P<head>.*\S)\s*\(\d{1,3}\)$", found[0].stem, re.DOTALL)
            if match and match["head"].casefold() in plain:
                again = readings(match["head"])
                self.found[at] = [replace(shot, name=found[0].name, copy=True) for shot in again]

    def take_certain(self) -> None:
        """Amazon's and GS1's codes are like nothing else."""
        for at, found in enumerate(self.found):
            if found[-1].said in ("amazon", "gs1"):
                self.chosen[at] = found[-1]

    def take_words(self) -> None:
        """Words at the end: the longest stem that at least two files share, saying different things of it."""
        uncut, cut = self._open("words", 0), self._open("words", 1)
        numbered, turns = self._open("number", 0), self._open("frame", 0)
        for key in sorted({*uncut, *cut}, key=lambda key: (-len(key), key)):
            members = self._still_open(uncut.get(key, ()))
            behind = self._still_open(cut.get(key, ()))
            seen = {member.at for member in members}
            behind = [member for member in behind if member.at not in seen]
            if behind and _is_run([member.shot for member in behind], bool(members)):
                members = members + behind
            seen = {member.at for member in members}
            bare = [at for at in self.bare.get(key, ()) if at not in self.chosen and at not in seen]
            others = [m for m in self._still_open(numbered.get(key, ())) if m.at not in seen]
            run = bool(others) and _is_run([member.shot for member in others], True)
            said = {(member.shot.role, member.shot.azimuth, member.shot.main) for member in members}
            frames = self._still_open(turns.get(key, ()))
            turn = len({member.shot.index for member in frames}) > 2
            if members and len(said) + bool(bare) + run + turn > 1:
                self._take(members)
                self._take(frames if turn else [])

    def take_frames(self) -> None:
        """``frame``, ``spin``, ``360`` beside a number: from eight frames on, or where the name says of how many."""
        for members in self._open("frame", 0).values():
            left = self._still_open(members)
            numbers = {member.shot.index for member in left}
            if any(member.shot.frames for member in left) or len(numbers) >= 8 or (self.known and len(numbers) > 1):
                self._take(left)

    def take_runs(self, said: Said, holds: Callable[[list[Shot], bool], bool]) -> None:
        """Running numbers or letters."""
        runs = {key: self._still_open(members) for key, members in self._open(said, 0).items()}
        taken = {product_key(shot) for shot in self.chosen.values()}
        lengths = Counter(len({m.shot.index for m in members}) for members in runs.values())
        for key, members in sorted(runs.items()):
            if not members or (not self.known and is_generic(members[0].shot.stem)):
                continue
            numbers = {member.shot.index for member in members}
            if len(numbers) > LONGEST_RUN and not self._is_turn(members, lengths[len(numbers)]):
                continue
            seen = {member.at for member in members}
            stands = key in taken or any(at not in seen for at in self.bare.get(key, ()))
            if holds([member.shot for member in members], stands):
                self._take(members)

    def _is_turn(self, members: list[_Member], alike: int) -> bool:
        numbers = [member.shot.index or 0 for member in members]
        padded = all(member.shot.digits == members[0].shot.digits for member in members)
        return is_full_turn(numbers) or (len(set(numbers)) in FULL_TURNS and (padded or alike > 1))

    def take_codes(self) -> None:
        """``FR``, ``BK``: two or more, the front among them; two of ``LS``, ``SW``, ``PK`` beside others, too."""
        taken = {product_key(shot) for shot in self.chosen.values()}
        for key, members in self._open("code", 0).items():
            left = self._still_open(members)
            roles = {member.shot.role for member in left}
            if len(roles) > 1 and (Role.FRONT in roles or (key in taken and roles <= NO_GEOMETRY)):
                self._take(left)

    def take_inside(self) -> None:
        """``front_mug`` and ``back_mug``: words or numbers before or inside, where two files differ in nothing else."""
        for members in self._open("inside", 0).values():
            left = self._still_open(members)
            counted = [member for member in left if member.shot.digits]
            worded = [member for member in left if not member.shot.digits]
            if len({member.shot.role for member in worded}) > 1:
                self._take(worded)
            if len(counted) > 1 and _is_run([member.shot for member in counted], False):
                self._take(counted)

    def take_renditions(self) -> None:
        """``mug_web`` and ``mug_print``, or ``mug``: files of one shot."""
        for key, members in self._open("rendition", 0).items():
            left = self._still_open(members)
            if len(left) > 1 or (left and (self.bare.get(key) or self.known)):
                self._take(left)

    def take_lone(self) -> None:
        """The only photo of its product, named as the others are; in a product's own folder any code."""
        for at, found in enumerate(self.found):
            if at in self.chosen:
                continue
            shot = next((shot for shot in found[1:] if self._as_others(shot)), None)
            if shot is not None:
                self.chosen[at] = shot

    def _as_others(self, shot: Shot) -> bool:
        if shot.said not in ("words", "number", "letter"):
            return False
        if self.known:
            return shot.said == "words" or (shot.said == "number" and (not shot.stem or shot.digits <= 2))
        if product_key(shot) in self.stood and not is_generic(shot.stem):
            return True
        if not self.joints[shot.said, shot.joint] or is_generic(shot.stem):
            return False
        if shot.said == "number" and (shot.index or 0) > self.highest.get(shot.joint, 0):
            return False
        return shot.said != "letter" and (shot.joint in ("_", ".") or any(c.isdigit() for c in shot.stem))

    def _open(self, said: Said, which: int) -> dict[str, list[_Member]]:
        """Names that are undecided, by the product of their first, second … reading of that kind."""
        by_key: dict[str, list[_Member]] = defaultdict(list)
        for at, found in enumerate(self.found):
            if at not in self.chosen:
                alike = [shot for shot in found if shot.said == said]
                if len(alike) > which:
                    by_key[product_key(alike[which])].append(_Member(at, alike[which]))
        return by_key

    def _still_open(self, members: Iterable[_Member]) -> list[_Member]:
        return [member for member in members if member.at not in self.chosen]

    def _take(self, members: list[_Member]) -> None:
        for member in members:
            self.chosen[member.at] = member.shot
            if len(members) > 1:
                self.joints[member.shot.said, member.shot.joint] += 1
                if member.shot.said == "number":
                    highest = max(self.highest.get(member.shot.joint, 0), member.shot.index or 0)
                    self.highest[member.shot.joint] = highest


def is_generic(stem: str) -> bool:
    """``IMG``, ``DSC``, ``photo 2024``: no word of the shop's."""
    words = re.findall(r"[^\W\d_]+", folded(stem))
    return bool(words) and all(word in GENERIC for word in words)


def _is_run(shots: list[Shot], stands: bool) -> bool:
    """Whether numbers count photos: from 0 or 1 on with few gaps; from 2 on where the product stands without one."""
    numbers = sorted({shot.index or 0 for shot in shots})
    if is_full_turn(numbers):
        return True
    if any(not _counts(shot) for shot in shots):
        return False
    begins = len(numbers) > 1 and numbers[0] <= 1 and numbers[1] == numbers[0] + 1
    most = LONGEST_RUN if begins else 2 * len(numbers) + 2
    if stands:
        return numbers[-1] <= most
    return len(numbers) > 1 and numbers[0] <= 1 and numbers[-1] <= most


def _counts(shot: Shot) -> bool:
    """``7``, ``07``, ``007``; never ``117``, nor ``2024``: a SKU's own digits."""
    return shot.digits <= 2 or (shot.index or 0) < 10 ** (shot.digits - 1)


def is_full_turn(numbers: Iterable[int]) -> bool:
    """Whether the numbers are degrees of a whole turn: from 0 in equal steps to just below 360."""
    ordered = sorted(set(numbers))
    if len(ordered) < 4 or ordered[0] != 0:
        return False
    if ordered[-1] == 360:
        ordered = ordered[:-1]
    step = ordered[1]
    return ordered == list(range(0, 360, step)) and len(ordered) * step == 360


def _is_lettering(shots: list[Shot], stands: bool) -> bool:
    """``a``, ``b``, ``c`` without a gap, or from ``b`` on where the product stands without one."""
    letters = sorted({shot.index or 0 for shot in shots})
    first = letters[0]
    if letters != list(range(first, first + len(letters))):
        return single_letter_roles(shots) is not None
    if first == 1:
        return len(letters) + stands > 1
    return (stands and first == 2) or single_letter_roles(shots) is not None


_LETTERS = {
    "f": Role.FRONT,
    "b": Role.BACK,
    "l": Role.LEFT,
    "r": Role.RIGHT,
    "s": Role.SIDE,
    "t": Role.TOP,
    "d": Role.DETAIL,
}


_GERMAN_LETTERS = {
    "v": Role.FRONT,
    "h": Role.BACK,
    "l": Role.LEFT,
    "r": Role.RIGHT,
    "s": Role.SIDE,
    "o": Role.TOP,
    "u": Role.BOTTOM,
    "d": Role.DETAIL,
}


def single_letter_roles(shots: Iterable[Shot]) -> dict[int, Role] | None:
    """``_F``, ``_B``, ``_L``: front, back, left, where F stands among them and no letter means anything else; likewise
    ``_V`` and ``_H`` for vorne and hinten."""
    letters = {shot.index or 0 for shot in shots}
    for table in (_LETTERS, _GERMAN_LETTERS):
        meant = {ord(letter) - 96: role for letter, role in table.items()}
        front = next(number for number, role in meant.items() if role is Role.FRONT)
        if len(letters) > 1 and front in letters and letters <= set(meant):
            return {letter: meant[letter] for letter in letters}
    return None
