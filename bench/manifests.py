"""Mutate manifests and read them: no crash, no hang, every product read or named; and how much a long one takes.

python bench/manifests.py [--count 2000] [--seed 0] [--limit-seconds 20] [--rows 0]

A manifest ends as products, as products with a problem, or as one InputError. Where cells alone were mutated every SKU
has its product, or a line with a problem stands where it stood, or the whole file is refused by a sentence.
``--rows``: instead write a CSV of so many rows and read it through; prints seconds and peak memory.
"""

from __future__ import annotations

import argparse
import collections
import csv
import io
import json
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.memory import peak_memory
from tasks.manifests import scan_manifest

Rows = list[list[str]]

OTHERS = (
    *("Artikelnummer", "BILD", "Höhe (mm)", "heigth", "photo", " SKU ", "Handle", "Variant Image", "parent_child"),
    *("parent_sku", "other_image_url2", "height unit", "ean", "unit", "Image Position"),
)
"""Headings that take another one's place."""
HEADINGS = ["sku", "photo", "name", "height_cm", "price"]
ODD = [
    "",
    " ",
    "\0",
    '"',
    "'",
    ";",
    ",",
    "\t",
    "\r",
    "\n",
    "=1+1",
    "@SUM(A1)",
    "#REF!",
    "1E+05",
    "4,5",
    "٣",
    "\u202e",
    "\ufeff",
]
ODD += [
    "x" * 100_000,
    "9" * 500,
    "-1",
    "NaN",
    "null",
    "{}",
    "[]",
    "<b>",
    "../..",
    "C:\\x.jpg",
    "https://x/y.jpg",
    "\ud800",
    "é" * 300,
]


def rows(random_: random.Random) -> Rows:
    """A shop's table of one to thirty products."""
    count = random_.randint(1, 30)
    body = [[f"SKU-{n:03}", f"photo{n % 3}.jpg", f"Tasse {n} ü", f"{n + 1}.5", "9.90"] for n in range(count)]
    return [list(HEADINGS), *body]


def as_text(table: Rows, random_: random.Random) -> tuple[bytes, str]:
    """The table in some delimiter, quoting, line ending and encoding; its ending."""
    delimiter = random_.choice([",", ";", "\t", "|"])
    out = io.StringIO()
    quoting = random_.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=random_.choice(["\n", "\r\n", "\r"]))
    writer.writerows([[cell.replace("\0", "\ue000") for cell in row] for row in table])
    text = out.getvalue().replace("\ue000", "\0")
    if random_.random() < 0.1:
        text = f"sep={delimiter}\n{text}"
    encoding = random_.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "mac_roman"])
    return text.encode(encoding, "replace"), ".csv"


def as_json(table: Rows, random_: random.Random) -> tuple[bytes, str]:
    entries = [dict(zip(table[0], row, strict=False)) for row in table[1:]]
    if random_.random() < 0.3:
        return "\n".join(json.dumps(entry) for entry in entries).encode(), ".jsonl"
    return json.dumps(entries, ensure_ascii=random_.random() < 0.5).encode("utf-8", "surrogatepass"), ".json"


def as_sheet(table: Rows, random_: random.Random) -> tuple[bytes, str]:
    from openpyxl import Workbook
    from openpyxl.utils.exceptions import IllegalCharacterError

    book = Workbook()
    for row in table:
        try:
            book.active.append([cell[:30_000] for cell in row])
        except (IllegalCharacterError, ValueError, UnicodeEncodeError):
            book.active.append([cell.encode("ascii", "ignore").decode().replace("\0", "")[:9] for cell in row])
    if random_.random() < 0.3:
        top, left = random_.randint(1, len(table)), random_.randint(1, 4)
        bottom, right = top + random_.randint(0, 3), left + random_.randint(0, 2)
        book.active.merge_cells(start_row=top, start_column=left, end_row=bottom, end_column=right)
        first = table[top - 1][left - 1 : left]
        for row in table[top - 1 : bottom]:  # what the others held is gone from the file
            row[left - 1 : right] = first * len(row[left - 1 : right])
    out = io.BytesIO()
    try:
        book.save(out)
    except UnicodeEncodeError:  # half a character: no spreadsheet can hold it
        return as_text(table, random_)
    return out.getvalue(), ".xlsx"


def mutate_cells(table: Rows, random_: random.Random) -> Rows:
    """Other cells, rows and headings."""
    for _ in range(random_.randint(0, 4)):
        kind = random_.choice(["cell", "cell", "heading", "drop", "double", "blank", "wide"])
        at = random_.randrange(1, len(table)) if len(table) > 1 else 0
        column = random_.randrange(len(HEADINGS))
        if kind == "cell" and len(table[at]) > column and at:
            table[at][column] = random_.choice(ODD)
        elif kind == "heading":
            table[0][column] = random_.choice([*OTHERS, *ODD])
        elif kind == "drop" and table[at]:
            table[at] = table[at][:-1]
        elif kind == "double":
            table.insert(at, list(table[at]))
        elif kind == "blank":
            table.insert(at, [""] * len(HEADINGS))
        elif kind == "wide":
            table[at] = [*table[at], *["x"] * random_.randint(1, 300)]
    if random_.random() < 0.2:
        aside = random_.choice([list(table[0]), ["Total", "3"], ["", "", "", "mm"], ["string"] * 5])
        table.insert(random_.randint(1, len(table)), aside)
    return table


def mutate_bytes(data: bytes, random_: random.Random) -> bytes:
    """Flipped, cut, doubled and foreign bytes."""
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(data) + 1)
        kind = random_.choice(["flip", "cut", "insert", "quote", "nul", "double"])
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([random_.randrange(256)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + random_.randbytes(random_.randint(1, 64)) + data[at:]
        elif kind == "quote":
            data = data[:at] + b'"' + data[at:]
        elif kind == "nul":
            data = data[:at] + b"\0" * random_.randint(1, 9) + data[at:]
        elif kind == "double":
            data = data[:at] + data
    return data


WRITERS: tuple[Callable[[Rows, random.Random], tuple[bytes, str]], ...] = (as_text, as_text, as_text, as_json, as_sheet)


def read(folder: Path, data: bytes, ending: str) -> tuple[str, list[Any]]:
    """What became of a manifest, and its products."""
    path = folder / f"shop{ending}"
    path.write_bytes(data)
    try:
        products = list(scan_manifest(path).products)
    except InputError as error:
        return ("refused" if str(error).strip() else "refused without a sentence"), []
    for product in products:
        assert product.sku.isprintable()
        assert 0 < len(product.sku) <= 200
        assert product.photos
        product.sku.encode("utf-8")
        (product.problem or "").encode("utf-8")
    return ("named" if any(product.problem for product in products) else "read"), products


def lost(table: Rows, products: list[Any]) -> set[str]:
    """SKUs of the table that are neither a product nor behind a line with a problem."""
    column = next((at for at, heading in enumerate(table[0]) if heading == "sku"), None)
    if column is None:
        return set()
    wanted = {row[column] for row in table[1:] if len(row) > column and row[column].startswith("SKU-")}
    found = {product.sku for product in products}
    missing = wanted - found
    return missing if len(missing) > sum(1 for product in products if product.problem) else set()


def run(count: int, seed: int = 0, limit_seconds: float = 20.0) -> dict[str, Any]:
    """Outcomes of ``count`` mutated manifests. Raises on a crash, a hang, or a product neither read nor named."""
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    signal.signal(signal.SIGALRM, _hangs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in range(3):
            (folder / f"photo{n}.jpg").write_bytes(b"photo")
        for number in range(count):
            random_ = random.Random(seed * 1_000_003 + number)
            table = mutate_cells(rows(random_), random_)
            data, ending = random_.choice(WRITERS)(table, random_)
            whole = random_.random() < 0.5
            if not whole:
                data = mutate_bytes(data, random_)
            signal.setitimer(signal.ITIMER_REAL, limit_seconds)
            started = time.monotonic()
            try:
                outcome, products = read(folder, data, ending)
                if whole and outcome != "refused" and (gone := lost(table, products)):
                    raise AssertionError(f"neither read nor named: {sorted(gone)[:5]}")
            except Exception as error:
                (Path(tempfile.gettempdir()) / f"manifest-{number}{ending}").write_bytes(data)
                raise RuntimeError(f"mutation {number} of seed {seed} ({ending})") from error
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            slowest = max(slowest, time.monotonic() - started)
            outcomes[f"{outcome} {ending}"] += 1
    return {"outcomes": dict(sorted(outcomes.items())), "slowest_seconds": round(slowest, 2)}


def _hangs(number: int, frame: Any) -> None:
    raise TimeoutError("it takes too long")


def stream(count: int) -> dict[str, Any]:
    """Seconds and peak memory of a manifest of so many rows, two of each SKU, far from one another."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "shop.csv"
        (Path(name) / "photo.jpg").write_bytes(b"photo")
        with path.open("w") as out:
            out.write("sku,photo,name,height_cm\n")
            for n in range(count):
                out.write(f"SKU-{n % ((count + 1) // 2):07},photo.jpg,Cup {n},9.5\n")
        before, started = peak_memory(), time.process_time()
        products = sum(1 for _ in scan_manifest(path).products)
        seconds = time.process_time() - started
        grown = (peak_memory() - before) / (1 << 20)
        return {"rows": count, "products": products, "cpu_seconds": round(seconds, 1), "grown_mib": round(grown, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-seconds", type=float, default=20.0)
    parser.add_argument("--rows", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(stream(given.rows) if given.rows else run(given.count, given.seed, given.limit_seconds), indent=1))


if __name__ == "__main__":
    main()
