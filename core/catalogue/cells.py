"""Cells as spreadsheets hold them: texts, lengths in any unit and number format, what a number made of a SKU."""

from __future__ import annotations

import math
import re
import unicodedata

UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("mm", "millimeter", "millimetre", "millimeters", "millimetres"), ("mm", 0.1)),
    **dict.fromkeys(("cm", "centimeter", "centimetre", "centimeters", "centimetres", "zentimeter"), ("cm", 1.0)),
    **dict.fromkeys(("dm", "dezimeter"), ("dm", 10.0)),
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres", "mtr"), ("m", 100.0)),
    **dict.fromkeys(
        ("in", "inch", "inches", '"', "\u2033", "''", "zoll", "pouces", "pulgadas", "pollici"), ("in", 2.54)
    ),
    **dict.fromkeys(("ft", "foot", "feet", "'", "\u2032", "fuss", "fuß"), ("ft", 30.48)),
}
"""Unit, as written, to its short name and its centimetres."""

LARGEST_CM = 100_000.0

_FORMULA = "it holds a formula: export its values"


class BadCell(ValueError):
    """What is wrong with a cell, as the end of a sentence."""


def text_of(cell: object) -> str:
    """A cell as text: numbers without a needless ``.0``; ``="0815"`` and ``'0815`` as the text that they keep."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    text = " ".join(str(cell).replace("\u00a0", " ").split(" ")).strip()
    kept = re.fullmatch(r'="([^"]*)"', text)
    if kept:
        return kept[1].strip()
    return text[1:] if re.fullmatch(r"'\S.*", text) else text


_SCIENTIFIC = re.compile(r"^[+-]?\d+(?:[.,]\d+)?[Ee][+-]?\d{1,3}$")
_DATE = re.compile(
    r"^(?:\d{1,2}\.\d{1,2}\.(?:\d\d)?\d\d|\d{1,2}/\d{1,2}/(?:\d\d)?\d\d|\d{4}-\d\d-\d\d(?=[ T]))"
    r"(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?$"
)
_MONTHS = (
    r"(?:Jan|Jän|Feb|Mar|Mrz|Mär|Apr|May|Mai|Jun|Jul|Aug|Sep|Oct|Okt|Nov|Dec|Dez|janv|févr|mars|avr|mai|juin|juil|août"
    r"|sept|oct|nov|déc)"
)
_SHORT_DATE = re.compile(rf"^(?:\d{{1,2}}(?:-|\. ){_MONTHS}|{_MONTHS}[- ]\d\d)$")
"""What ``1-2`` and ``MAR-24`` became in a spreadsheet: nobody writes a SKU with one capital letter so."""
_ERRORS = re.compile(
    r"^#(?:N/A|NV|REF!|BEZUG!|NAME\?|VALUE!|WERT!|DIV/0!|NULL!|NUM!|ZAHL!|ÜBERLAUF!|SPILL!|GETTING_DATA)$"
)


def is_error(text: str) -> bool:
    """Whether a spreadsheet wrote an error instead of a value: ``#REF!``."""
    return _ERRORS.match(text) is not None


def sku_of_cell(cell: object) -> str:
    """The SKU in a cell. Raises :class:`BadCell` for what a spreadsheet made of one, or for none."""
    text = text_of(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        raise BadCell(f"'{text}' is no SKU")
    if isinstance(cell, (int, float)) and not isinstance(cell, bool) and abs(cell) >= 1e15:
        raise BadCell(f"'{text}' has more digits than a spreadsheet keeps of a number: format the column as text")
    if not text:
        raise BadCell("it is empty")
    if _SCIENTIFIC.match(text) and re.search(r"[+.,]|[Ee]-", text):
        raise BadCell(
            f"'{text}' is what a spreadsheet made of a long number: format the column as text and export again"
        )
    if _DATE.match(text) or _SHORT_DATE.match(text):
        raise BadCell(f"'{text}' is a date that a spreadsheet made: format the column as text and type the SKU again")
    if isinstance(cell, str) and re.fullmatch(r"\d{5,}\.0+", text):
        raise BadCell(f"'{text}' is what a program made of a number: export the column as text")
    if is_error(text):
        raise BadCell(f"'{text}' is a spreadsheet's error")
    if text[0] == "=":
        raise BadCell(_FORMULA)
    if len(text) > 300:
        raise BadCell("it is longer than 300 characters")
    return checked(text)


def code_of_cell(cell: object) -> str:
    """The SKU in a column of trade item numbers (GTIN, EAN, UPC), whose last digit tells damage.

    Raises :class:`BadCell` where it says that a spreadsheet took leading zeros, or all but the first digits.
    """
    text = sku_of_cell(cell)
    if not text.isdecimal() or not text.isascii() or int(text) == 0:
        return text
    whole = next((text.zfill(length) for length in (8, 12, 13, 14) if len(text) < length <= len(text) + 3), "")
    if len(text) in (7, 9, 10, 11) and _is_gtin(whole):
        raise BadCell(f"'{text}' has lost its leading zeros ({whole}?): format the column as text and export again")
    if len(text) in (12, 13, 14) and text.endswith("00000") and not _is_gtin(text):
        raise BadCell(f"'{text}' has lost its last digits in a spreadsheet: format the column as text and export again")
    return text


def _is_gtin(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    total = sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(reversed(digits[:-1])))
    return (total + int(digits[-1])) % 10 == 0


def checked(text: str) -> str:
    """The text. Raises :class:`BadCell` where it holds what no encoding of ours explains."""
    if "\0" in text:
        raise BadCell("it holds a NUL character")
    if "\ufffd" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadCell("its letters are damaged: save the file in UTF-8")
    return text


_LENGTH = re.compile(
    r"^(?:(?:ca|approx|circa|about|etwa|env)\.?\s*|[~≈±]\s*)?"
    r"(?P<number>[0-9]{1,3}(?:['\u2019 \u202f][0-9]{3})+(?:[.,][0-9]*)?|[0-9][0-9.,]*)"
    r"(?:(?P<whole>(?<=[0-9])[ -]+|/)(?P<part>[0-9]{1,3}(?:/[0-9]{1,3})?))?\s*(?P<unit>[^\d\s.,]+)?\.?$",
    re.IGNORECASE,
)


_FEET = re.compile(r"^(?P<feet>\d{1,4})\s*(?:['\u2032\u2019]|ft\.?|feet)\s*-?\s*(?P<inches>\d.*)$", re.IGNORECASE)


def length_of_cell(cell: object, unit: str, *, comma: bool | None = None) -> float | None:
    """Centimetres; None for an empty cell. ``unit``: where the cell names none. ``comma``: the table's decimals have a
    comma (True) or a point (False), where that is known. Raises :class:`BadCell`."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return _in_range(float(cell), unit, text_of(cell))
    text = text_of(cell)
    if not text or text in ("-", "\u2013", "n/a", "N/A", "k.A.", "?"):
        return None
    if text[0] == "=":
        raise BadCell(_FORMULA)
    feet = _FEET.match(text)
    if feet and not re.fullmatch(r"\d{3}(?:[.,]\d*)?", feet["inches"]):  # 1'000.5 is a number as the Swiss write it
        inches = feet["inches"] if re.search(r"[^\d/ .,-]$", feet["inches"]) else f"{feet['inches']} in"
        rest = length_of_cell(inches, "in", comma=comma)
        if rest is not None and rest >= 30.48:
            raise BadCell(f"'{text}' is no length")
        return _in_range(float(feet["feet"]) + (rest or 0.0) / 30.48, "ft", text)
    match = _LENGTH.match(re.sub(r"[¼-¾⅐-⅞]", _spelt, text))
    number = None if match is None else _with_fraction(match, text, comma)
    if match is None or number is None:
        raise BadCell(f"'{text}' is no length")
    said = (match["unit"] or "").casefold()
    if said and said not in UNITS:
        raise BadCell(f"'{text}' has a unit that is not known: write mm, cm, m or in")
    return _in_range(number, UNITS[said][0] if said else unit, text)


def _spelt(sign: re.Match[str]) -> str:
    """``½`` as `` 1/2``."""
    return " " + unicodedata.normalize("NFKC", sign[0]).replace("\u2044", "/")


def _with_fraction(match: re.Match[str], text: str, comma: bool | None) -> float | None:
    """``12``, ``1/2``, ``1 1/2`` or ``1-1/2`` of a length; None for what is neither."""
    if match["part"] is None:
        return _number(match["number"], text, comma)
    if match["whole"] == "/":
        above, below, whole = match["number"], match["part"], "0"
    else:
        whole, (above, _, below) = match["number"], match["part"].partition("/")
    if not (whole.isdigit() and above.isdigit() and below.isdigit()) or int(below) == 0:
        return None
    return int(whole) + int(above) / int(below)


def _in_range(number: float, unit: str, text: str) -> float:
    centimetres = number * next(factor for name, factor in UNITS.values() if name == unit)
    if not math.isfinite(centimetres) or centimetres <= 0:
        raise BadCell(f"'{text}' is no length above 0")
    if centimetres >= LARGEST_CM:
        raise BadCell(f"'{text}' is longer than a kilometre")
    return round(centimetres, 6)


def _number(text: str, shown: str, comma: bool | None) -> float:
    """``19,5``, ``19.5``, ``1.234,5`` and ``1,234.5``; with three digits behind one mark only the table can tell."""
    plain = re.sub(r"[ \u202f'\u2019]", "", text)
    points, commas = plain.count("."), plain.count(",")
    if points and commas:
        decimal = max(plain.rfind("."), plain.rfind(","))
        whole = re.sub(r"[.,]", "", plain[:decimal])
        return float(f"{whole}.{plain[decimal + 1 :] or '0'}")
    mark = "." if points else ","
    if points + commas > 1:
        if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", plain):
            return float(plain.replace(mark, ""))
        raise BadCell(f"'{shown}' is no length")
    undecided = comma is None or (mark == ",") != comma
    if points + commas == 1 and undecided and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", plain):
        either = f"{plain.replace(mark, '')} or {plain.replace(mark, '.')}"
        raise BadCell(f"'{shown}' may be {either}: write it without the mark")
    return float(plain.replace(",", ".").rstrip(".") or "0")


def angle_of_text(text: str, low: float, high: float) -> float | None:
    """Degrees; None for an empty text. Raises :class:`BadCell`."""
    plain = text.strip().removesuffix("°").removesuffix("deg").strip().replace(",", ".").replace("\u2212", "-")
    if not plain:
        return None
    if not re.fullmatch(r"[+-]?\d{1,3}(?:\.\d+)?", plain) or not low <= float(plain) <= high:
        raise BadCell(f"'{text}' is no angle between {low:.0f} and {high:.0f} degrees")
    return float(plain)


_PRIORITIES = {
    **dict.fromkeys(("high", "urgent", "hoch", "dringend", "haute", "alta", "hoog"), 10),
    **dict.fromkeys(("normal", "medium", "mittel", "moyenne", "media", "normaal"), 100),
    **dict.fromkeys(("low", "niedrig", "gering", "basse", "baja", "bassa", "laag"), 1000),
}


def priority_of_cell(cell: object) -> int | None:
    """A number, the lower the earlier, or a word. Raises :class:`BadCell`."""
    text = text_of(cell).casefold()
    if not text:
        return None
    if text in _PRIORITIES:
        return _PRIORITIES[text]
    if not re.fullmatch(r"\d{1,6}", text):
        raise BadCell(f"'{text}' is no priority: write a number, the lowest first, or high, normal or low")
    return int(text)
