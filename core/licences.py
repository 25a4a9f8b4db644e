"""Who may do what with which weights and photos: a register of licences and of published models.

Facts about licences, as far as a pipeline needs them; no legal advice. What the register does not know is refused by a
commercial recipe, never guessed. ``docs/licensing.md`` says how to add to it and how a person decides otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OWN = "own"
"""What a manifest writes for photos that belong to whoever runs the factory."""


@dataclass(frozen=True)
class Licence:
    """What a licence asks for and allows."""

    id: str
    """SPDX identifier, or ``LicenseRef-…`` where SPDX has none."""
    url: str
    commercial: bool | None
    """None: only under the conditions that follow; a person has to say that they are met."""
    credit: bool = True
    """Whoever made it must be named."""
    derivatives: bool = True
    """A 3D model of a photo is a derived work."""
    territory: str | None = None
    """Where it may be used; None: everywhere."""
    revenue_cap: str | None = None
    """Up to which yearly revenue; None: any."""


def _creative_commons() -> Iterator[Licence]:
    for terms in ("BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND"):
        for version in ("1.0", "2.0", "2.5", "3.0", "4.0"):
            url = f"https://creativecommons.org/licenses/{terms.lower()}/{version}/"
            yield Licence(f"CC-{terms}-{version}", url, "NC" not in terms, derivatives="ND" not in terms)


_SPDX = "https://spdx.org/licenses/"
_STABILITY = "https://stability.ai/"

_ALL = (
    *_creative_commons(),
    Licence("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", True, credit=False),
    Licence("CC-PDDC", "https://creativecommons.org/publicdomain/mark/1.0/", True, credit=False),
    Licence("MIT", f"{_SPDX}MIT.html", True),
    Licence("Apache-2.0", f"{_SPDX}Apache-2.0.html", True),
    Licence("BSD-2-Clause", f"{_SPDX}BSD-2-Clause.html", True),
    Licence("BSD-3-Clause", f"{_SPDX}BSD-3-Clause.html", True),
    Licence("ODC-By-1.0", f"{_SPDX}ODC-By-1.0.html", True),
    Licence(
        "LicenseRef-CreativeML-Open-RAIL-M", "https://huggingface.co/spaces/CompVis/stable-diffusion-license", True
    ),
    Licence("LicenseRef-Stability-AI-Community", f"{_STABILITY}license", None, revenue_cap="USD 1,000,000 a year"),
    Licence("LicenseRef-Stability-AI-Non-Commercial-Research", f"{_STABILITY}news/license-update", False),
)

LICENCES = {licence.id: licence for licence in _ALL}
"""Every licence that the register knows, by its identifier."""

_BY_LOWER_ID = {licence.id.lower(): licence for licence in _ALL}
_CC_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)")


def find_licence(text: str) -> Licence | None:
    """The licence of an SPDX identifier (any case) or of its URL; None where the register does not know it.

    A Creative Commons URL counts with or without ``https``, ``www``, language and ``legalcode`` behind it.
    """
    plain = text.strip().lower()
    if plain in _BY_LOWER_ID:
        return _BY_LOWER_ID[plain]
    found = _CC_URL.search(plain)
    if found:
        kind, terms, version = found.groups()
        name = {"zero": "cc0-1.0", "mark": "cc-pddc"}.get(terms) if kind == "publicdomain" else f"cc-{terms}-{version}"
        return _BY_LOWER_ID.get(name or "")
    return next((licence for licence in _ALL if licence.url.rstrip("/").lower() == plain.rstrip("/")), None)


def commercial_restriction(licence: str | None) -> str | None:
    """Why a commercial recipe may not use what stands under ``licence`` (text of a manifest or register), or None.

    A clause to go behind "cannot be used commercially: ". No licence at all is an objection as well.
    """
    if licence is None or not licence.strip():
        return "its licence is not on record"
    if licence.strip().lower() == OWN:
        return None
    known = find_licence(licence)
    if known is None:
        return (
            f"its licence '{licence[:80]}' is not in the register (use an SPDX identifier, a licence's URL, or '{OWN}')"
        )
    if known.commercial is False:
        return f"its licence {known.id} forbids commercial use"
    if not known.derivatives:
        return f"its licence {known.id} forbids derived works, and a 3D model is one"
    if known.commercial is None:
        return f"its licence {known.id} allows it only {_condition(known)}; a person has to confirm that"
    return None


def _condition(licence: Licence) -> str:
    limits = [f"below a revenue of {licence.revenue_cap}"] if licence.revenue_cap else []
    limits += [f"in {licence.territory}"] if licence.territory else []
    return " and ".join(limits) or "under conditions"


def credit_line(what: str, licence: str | None, attribution: str | None) -> str:
    """What ``asset.copyright`` says about one ingredient; "" where nothing has to be said.

    Named makers are always named; a licence that asks for credit stands there even when nobody was named.
    """
    known = find_licence(licence) if licence else None
    own = licence is not None and licence.strip().lower() == OWN
    if not attribution and (not licence or own or (known is not None and not known.credit)):
        return ""
    shown = known.id if known else licence
    credit = f"{what}: {attribution}" if attribution else f"{what}:"
    return credit + (f" ({shown})" if attribution and shown and not own else "" if own or not shown else f" {shown}")


@dataclass(frozen=True)
class ModelEntry:
    """Published weights, as their makers licensed them."""

    name: str
    kind: str
    """``views`` or ``segmenter``."""
    licence: str | None
    """A key of :data:`LICENCES`; None where the weights' own licence could not be established."""
    attribution: str
    source: str
    note: str = ""

    @property
    def terms(self) -> Licence | None:
        return LICENCES[self.licence] if self.licence else None

    @property
    def commercial(self) -> bool | None:
        return self.terms.commercial if self.terms else None


_ZERO123 = "https://huggingface.co/cvlab/zero123-weights"
_UNCHECKED = "The code is MIT; the weights' own page was not checked from here, and Objaverse mixes licences."

MODELS = (
    ModelEntry("starter", "views", "Apache-2.0", "Meshmill", "models/starter", "Trained on procedural products alone."),
    ModelEntry("105000", "views", None, "Zero-1-to-3, Liu et al. 2023", _ZERO123, _UNCHECKED),
    ModelEntry("165000", "views", None, "Zero-1-to-3, Liu et al. 2023", _ZERO123, _UNCHECKED),
    ModelEntry("zero123-xl", "views", None, "Zero-1-to-3 XL, Deitke et al. 2023", _ZERO123, _UNCHECKED),
    ModelEntry(
        "stable-zero123",
        "views",
        "LicenseRef-Stability-AI-Non-Commercial-Research",
        "Stable Zero123, Stability AI",
        "https://huggingface.co/stabilityai/stable-zero123",
    ),
    ModelEntry(
        "stable-zero123-c",
        "views",
        "LicenseRef-Stability-AI-Community",
        "Stable Zero123C, Stability AI",
        "https://huggingface.co/stabilityai/stable-zero123",
        "Trained on objects under CC0 and CC-BY alone.",
    ),
    ModelEntry("starter", "segmenter", "Apache-2.0", "Meshmill", "models/segmenter", "No photograph was used."),
    ModelEntry(
        "isnet-general-use",
        "segmenter",
        "Apache-2.0",
        "ISNet, Qin et al. 2022",
        "https://github.com/xuebinqin/DIS",
        "Trained on DIS5K, whose own terms restrict commercial use: ask a lawyer.",
    ),
    ModelEntry("u2net", "segmenter", "Apache-2.0", "U2-Net, Qin et al. 2020", "https://github.com/xuebinqin/U-2-Net"),
    ModelEntry("u2netp", "segmenter", "Apache-2.0", "U2-Net, Qin et al. 2020", "https://github.com/xuebinqin/U-2-Net"),
    ModelEntry("silueta", "segmenter", "Apache-2.0", "U2-Net, Qin et al. 2020", "https://github.com/xuebinqin/U-2-Net"),
    ModelEntry(
        "birefnet-general",
        "segmenter",
        "MIT",
        "BiRefNet, Zheng et al. 2024",
        "https://github.com/ZhengPeng7/BiRefNet",
        "Trained on DIS5K among others, whose own terms restrict commercial use: ask a lawyer.",
    ),
    ModelEntry(
        "birefnet-general-lite",
        "segmenter",
        "MIT",
        "BiRefNet, Zheng et al. 2024",
        "https://github.com/ZhengPeng7/BiRefNet",
        "As birefnet-general.",
    ),
    ModelEntry("bria-rmbg", "segmenter", "CC-BY-NC-4.0", "RMBG 2.0, BRIA AI", "https://huggingface.co/briaai/RMBG-2.0"),
)
"""Published weights under the names that their files carry."""


def find_model(name: str, kind: str) -> ModelEntry | None:
    """The register's entry of a model's name, path, file name or hub id (``stable_zero123.ckpt`` counts too)."""
    stem = re.sub(r"\.(ckpt|safetensors|onnx|pt)$", "", name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower())
    plain = stem.replace("_", "-").removesuffix("-fp16")
    if plain == "starter":
        return None  # any file can be called that: the shipped ones are known by where they lie
    return next((entry for entry in MODELS if entry.kind == kind and entry.name == plain), None)
