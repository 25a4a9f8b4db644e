"""What stands at the end of a file's name: words, running numbers and letters, angles, frames of a turntable."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.photos.shot import NO_GEOMETRY, Role, Shot, Sides, posed
from core.photos.shot_words import CODES, FILLERS, RENDITIONS, THUMBNAILS, TURNS, WORDS, folded

MOST = 999
"""The highest running number; a longer one is part of the SKU."""


@dataclass(frozen=True)
class _Token:
    """A run of letters or digits, and where it stands."""

    text: str
    start: int
    end: int
    joint: str
    """The characters between it and the token before; empty where a change of case or of kind divides them."""

    @property
    def word(self) -> str:
        return folded(self.text)

    @property
    def is_number(self) -> bool:
        return self.text.isascii() and self.text.isdigit()


def tails(whole: Shot, sides: Sides) -> list[Shot]:
    """Readings of the name's end, those that cut least first; those with a word inside the name last."""
    found = [
        *_angles(whole),
        *_frames(whole),
        *_worded(whole, sides),
        *_numbered(whole),
        *_lettered(whole),
        *_coded(whole, sides),
    ]
    return found + _rendered(whole) + _inside(whole, sides)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for match in re.finditer(r"[^\W_]+", text):
        end = tokens[-1].end if tokens else 0
        joint = text[end : match.start()]
        for start, piece in _pieces(match[0]):
            at = match.start() + start
            tokens.append(_Token(piece, at, at + len(piece), joint))
            joint = ""
    return tokens


def _pieces(chunk: str) -> list[tuple[int, str]]:
    """``TeapotFront01`` as teapot, front, 01; a word that the tables know stays whole."""
    if _known(folded(chunk)) or chunk.isdigit():
        return [(0, chunk)]
    parts = [(m.start(), m[0]) for m in re.finditer(r"\d+|[^\W\d_]+", chunk)]
    pieces: list[tuple[int, str]] = []
    for start, part in parts:
        if part.isdigit() or _known(folded(part)):
            pieces.append((start, part))
            continue
        for match in re.finditer(r"[^\W\d_a-zà-ÿ]+(?![a-zà-ÿ])|[^\W\d_]?[a-zà-ÿ]+|[^\W\d_]+", part):
            pieces.append((start + match.start(), match[0]))
    return pieces


def _known(word: str) -> bool:
    return word in WORDS or word in FILLERS or word in RENDITIONS or word in TURNS or word in THUMBNAILS


@dataclass(frozen=True)
class _Tail:
    """Words at a name's end, and the running number behind, between or before them."""

    start: int
    """Index of the first token that belongs to it."""
    views: tuple[str, ...]
    index: _Token | None


def _tail(tokens: list[_Token]) -> _Tail | None:
    """The longest run of known words at the end, with one running number among them or behind them."""
    views: list[str] = []
    index: _Token | None = None
    at = last_view = len(tokens)
    while at > 0:
        token = tokens[at - 1]
        pair = tokens[at - 2].word + token.word if at > 1 else ""
        if _quarter(tokens, at, bool(views)):
            views.append("three-quarter")
            at -= 2
        elif pair in WORDS and not (token.is_number and tokens[at - 2].is_number):
            views.append(WORDS[pair])
            at -= 2
        elif token.word == "34" and (views or (at > 1 and tokens[at - 2].word in WORDS)):
            views.append("three-quarter")
            at -= 1
        elif token.word in WORDS and (token.joint or at == 1 or len(token.text) > 2):
            views.append(WORDS[token.word])
            at -= 1
        elif token.word in FILLERS or token.word in RENDITIONS or token.word in TURNS:
            at -= 1
            continue
        elif token.is_number and index is None and not views and _running(token):
            # Behind the words, or between two of them; before them it may be the SKU's own: see _worded.
            index, at = token, at - 1
            continue
        else:
            break
        last_view = at
    if not views:
        return None
    return _Tail(last_view, tuple(reversed(views)), index)


def _quarter(tokens: list[_Token], at: int, beside_words: bool) -> bool:
    """``3-4`` or ``3_4``: three quarters, where the delimiter differs from the one before, or beside words."""
    if at < 2 or (tokens[at - 2].text, tokens[at - 1].text) != ("3", "4"):
        return False
    outer, inner = tokens[at - 2].joint.strip(), tokens[at - 1].joint.strip()
    return beside_words or at == 2 or outer != inner or tokens[at - 3].word in WORDS


def _running(token: _Token) -> bool:
    """Whether a number may count photos: up to two digits, or more where zeros are put before it."""
    return token.is_number and (len(token.text) <= 2 or (token.text.startswith("0") and int(token.text) <= MOST))


def _cut(whole: Shot, tokens: list[_Token], at: int) -> tuple[str, str]:
    """The stem before token ``at``, and the delimiter that ends it."""
    if at >= len(tokens):
        return whole.stem, ""
    stem = whole.stem[: tokens[at].start]
    cut = stem.rstrip(" _.-+,()[]#~")
    return cut, stem[len(cut) :].strip() or (" " if stem != cut else "")


def _worded(whole: Shot, sides: Sides) -> list[Shot]:
    tokens = _tokens(whole.stem)
    tail = _tail(tokens)
    if tail is None:
        return []
    stem, joint = _cut(whole, tokens, tail.start)
    shot = _counted(replace(whole, stem=stem, joint=joint, said="words"), tail.index)
    shot = viewed(shot, tail.views, sides)
    before = tokens[tail.start - 1] if tail.start else None
    if before is None or tail.index is not None or not _running(before) or (tail.start > 1 and not before.joint):
        return [shot]
    cut, joint = _cut(whole, tokens, tail.start - 1)
    return [shot, _counted(replace(shot, stem=cut, joint=joint), before)]


def _counted(shot: Shot, token: _Token | None) -> Shot:
    return shot if token is None else replace(shot, index=int(token.text), digits=len(token.text))


def viewed(shot: Shot, views: tuple[str, ...], sides: Sides) -> Shot:
    """The shot with what its words say together: ``front`` and ``left`` is three quarters, 45 degrees to the left."""
    said = set(views)
    for role in (Role.FACTS, Role.SWATCH, Role.LIFESTYLE, Role.DETAIL, Role.PACKAGING, Role.PAIR):
        if role in said and role in NO_GEOMETRY:
            return replace(shot, role=role)
    main = "main" in said
    directions = said & {"front", "back", "left", "right", "top", "bottom"}
    side = directions & {"left", "right"}
    sign = 0.0
    if len(side) == 1:
        sign = 1.0 if (side == {"right"}) is (sides.left == "viewer") else -1.0
    ends = directions - side
    if "three-quarter" in said or (side and ends) or len(ends) > 1:
        angle = 135.0 if "back" in ends else 45.0
        azimuth = sign * angle if sign else None
        return replace(shot, role=Role.THREE_QUARTER, azimuth=azimuth, main=main, behind="back" in ends)
    for role in (Role.FRONT, Role.BACK, Role.LEFT, Role.RIGHT, Role.TOP, Role.BOTTOM, Role.SIDE):
        if role in said:
            return posed(replace(shot, role=role, main=main), sides)
    return posed(replace(shot, role=Role.FRONT, main=True, assumed=True), sides)


_NUMBER = re.compile(r"^(?P<stem>.*?)(?P<joint>[\s_.#@-]+|\s*\(|\s*\[)(?P<number>\d{1,4})[)\]]?$", re.DOTALL)

_COUNTED_WORD = re.compile(
    rf"^(?P<stem>.*?)(?P<joint>[\s_.#-]+)(?:{'|'.join(sorted(FILLERS))})(?P<number>\d{{1,4}})$",
    re.IGNORECASE | re.DOTALL,
)
"""``tray_img2``"""


def _numbered(whole: Shot) -> list[Shot]:
    """A number at the end, behind a delimiter; or the whole name."""
    if re.fullmatch(r"\d{1,3}", whole.stem):
        return [replace(whole, stem="", index=int(whole.stem), digits=len(whole.stem), said="number")]
    match = _NUMBER.match(whole.stem) or _COUNTED_WORD.match(whole.stem)
    if match is None or int(match["number"]) > MOST:
        return []
    stem = match["stem"]
    tokens = _tokens(stem)
    if len(tokens) > 1 and tokens[-1].word in FILLERS:  # 4711_bild_2
        stem, _ = _cut(replace(whole, stem=stem), tokens, len(tokens) - 1)
    number, joint = match["number"], match["joint"].strip() or " "
    return [replace(whole, stem=stem, index=int(number), digits=len(number), said="number", joint=joint)]


_LETTER = re.compile(r"^(?P<stem>.+?)(?:(?P<joint>[\s_.-]+)|(?<=\d))(?P<letter>[A-Za-z])$", re.DOTALL)


def _lettered(whole: Shot) -> list[Shot]:
    """One letter at the end, behind a delimiter or a digit; or the whole name."""
    if re.fullmatch(r"[A-Za-z]", whole.stem):
        return [replace(whole, stem="", index=ord(whole.stem.lower()) - 96, said="letter")]
    match = _LETTER.match(whole.stem)
    if match is None:
        return []
    index = ord(match["letter"].lower()) - 96
    return [replace(whole, stem=match["stem"], index=index, said="letter", joint=(match["joint"] or "").strip())]


_CODED = re.compile(rf"^(?P<stem>.+?)(?P<joint>[\s_.-]+)(?P<code>{'|'.join(CODES)})$", re.IGNORECASE | re.DOTALL)


def _coded(whole: Shot, sides: Sides) -> list[Shot]:
    match = _CODED.match(whole.stem)
    if match is None:
        return []
    shot = replace(whole, stem=match["stem"], said="code", joint=match["joint"].strip() or " ")
    return [viewed(shot, (CODES[match["code"].lower()],), sides)]


_ANGLE = re.compile(
    r"^(?P<stem>.*?)(?P<joint>[\s_.-]*)"
    r"(?:(?:az|azi|azimuth|angle|yaw|winkel|rot)[\s_.=]?(?P<azimuth>[-+]?\d{1,3})|(?P<degrees>[-+]?\d{1,3})\s?(?:deg|grad|°))"
    r"(?:[\s_.-]*(?:el|elev|elevation|pitch)[\s_.=-]?(?P<elevation>[-+]?\d{1,2})(?:deg|grad|°)?)?$",
    re.IGNORECASE | re.DOTALL,
)
_QUADRANTS = {0: Role.FRONT, 90: Role.RIGHT, 180: Role.BACK, 270: Role.LEFT}


def _angles(whole: Shot) -> list[Shot]:
    """``az045``, ``90deg``, ``az30_el20``: the pose in figures."""
    match = _ANGLE.match(whole.stem)
    if match is None:
        return []
    azimuth = float(match["azimuth"] or match["degrees"])
    if match["joint"].endswith("-") and azimuth < 0:  # chair-az-45: a delimiter as the others are, no sign
        azimuth = -azimuth
    if abs(azimuth) > 360:
        return []
    role = _QUADRANTS.get(int(azimuth) % 360, Role.THREE_QUARTER)
    elevation = float(match["elevation"]) if match["elevation"] else None
    turned = (azimuth + 180.0) % 360.0 - 180.0
    turned = 180.0 if turned == -180.0 else turned
    joint = match["joint"].strip() or " "
    return [
        replace(whole, stem=match["stem"], role=role, azimuth=turned, elevation=elevation, said="words", joint=joint)
    ]


_OF = re.compile(
    r"^(?P<stem>.*?)(?P<joint>[\s_.-]*)(?:(?:frame|spin|360|turntable|rotation|rot|drehung)[\s_.-]*)*"
    r"(?P<number>\d{1,3})[\s_-]*(?:of|von|sur|di|van)[\s_-]*(?P<frames>\d{1,3})$",
    re.IGNORECASE | re.DOTALL,
)
_FRAME = re.compile(
    r"^(?P<stem>.*?)(?P<joint>[\s_.-]*)(?:(?:frame|spin|360|turntable|rotation|rot|drehung)[\s_.-]*)+"
    r"(?P<number>\d{1,4})$",
    re.IGNORECASE | re.DOTALL,
)


def _frames(whole: Shot) -> list[Shot]:
    """``frame_12_of_36``, ``spin_07``; what the number means in degrees, its siblings tell."""
    for pattern in (_OF, _FRAME):
        match = pattern.match(whole.stem)
        if match is None or (match["stem"] and not match["joint"] and match["stem"][-1].isalnum()):
            continue
        frames = int(match["frames"]) if pattern is _OF else None
        if frames is not None and int(match["number"]) > frames:
            continue
        number, joint = match["number"], match["joint"].strip() or " "
        shot = replace(whole, stem=match["stem"], role=Role.FRAME, index=int(number), digits=len(number))
        return [replace(shot, frames=frames, said="frame", joint=joint)]
    return []


def _rendered(whole: Shot) -> list[Shot]:
    tokens = _tokens(whole.stem)
    at = len(tokens)
    while at and tokens[at - 1].word in RENDITIONS:
        at -= 1
    stem, joint = _cut(whole, tokens, at)
    return [replace(whole, stem=stem, said="rendition", joint=joint)] if stem and at < len(tokens) and joint else []


def _inside(whole: Shot, sides: Sides) -> list[Shot]:
    """A word or a small number that does not stand at the end: ``front_mug``, ``mug_back_red``, ``01-mug``."""
    tokens = _tokens(whole.stem)
    for at, token in enumerate(tokens[:-1]):
        counted = at == 0 and _running(token) and tokens[1].joint != ""
        if not counted and (token.word not in WORDS or (at and token.joint == "") or tokens[at + 1].joint == ""):
            continue
        before, after = whole.stem[: token.start].rstrip(" _.-"), whole.stem[tokens[at + 1].start :]
        stem = before + (token.joint or tokens[at + 1].joint) + after if before else after
        shot = replace(whole, stem=stem, said="inside", joint=tokens[at + 1].joint)
        if counted:
            return [_counted(shot, token)]
        return [viewed(shot, (WORDS[token.word],), sides)]
    return []
