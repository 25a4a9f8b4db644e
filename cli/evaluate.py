"""`meshmill evaluate`: the published protocol on a folder of objects with a known truth."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cli.common import Json, Overrides, RecipeName, open_factory, put_json, say, sentences
from cli.progress import time_left
from core.records import OPTIONAL, to_json

if TYPE_CHECKING:
    from core.parameters import JsonObject
    from evaluation.comparison import Paired
    from evaluation.records import EvaluationDocument, PhotosDocument
    from flows.compare_catalogue import Sides

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Compared:
    """Two recipes or results side by side: on objects with a known truth, or on a shop's own photos."""

    a: str
    b: str
    figures: list[Paired]
    failed: int
    products: list[str] | None = field(default=None, metadata=OPTIONAL)
    statuses: Sides[dict[str, int]] | None = field(default=None, metadata=OPTIONAL)
    sheets: Sides[str | None] | None = field(default=None, metadata=OPTIONAL)
    protocol: JsonObject | None = field(default=None, metadata=OPTIONAL)


@app.command()
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder in the evaluation format (docs/evaluation.md); with --compare also plain photos."),
    ],
    recipe: RecipeName = "starter",
    set_: Overrides = None,
    stages: Annotated[str, typer.Option(help="Which of segmentation,views,shape.")] = "segmentation,views,shape",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many objects.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's seed.")] = None,
    estimate_elevation: Annotated[
        bool, typer.Option("--estimate-elevation", help="Build assets without being told the photo's elevation.")
    ] = False,
    masks: Annotated[
        str, typer.Option(help="Cutouts by these masks: exact, and the segmenter's on white and textured photos.")
    ] = "exact",
    photos: Annotated[
        str | None,
        typer.Option(help="Build each object from so many photos, for example 1,2,4,6; further ones are ring views."),
    ] = None,
    poses: Annotated[
        str,
        typer.Option(
            help="What is told of the further photos' cameras: given, named (no heights), cropped (named, each cropped "
            "on its own), one_unknown (named but for the last), unknown; several with commas."
        ),
    ] = "given",
    lpips: Annotated[
        Path | None, typer.Option(help="lpips_alex.npz; default: beside the folder or in ../weights, else no LPIPS.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two recipes, checkpoint folders, or result files (.json): which is better?"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write report.html and result.json there; with --photos also what is measured so far."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure quality on objects with a known truth: novel views, shape, segmentation, beside controls."""
    with sentences():
        from core.errors import InputError
        from core.recipes import load_recipe
        from evaluation.folder import is_evaluation_folder
        from evaluation.values import STAGES, Options

        asked = tuple(part.strip() for part in stages.split(",") if part.strip())
        unknown = sorted(set(asked) - set(STAGES))
        if unknown or not asked:
            raise InputError(f"--stages takes {', '.join(STAGES)}; not {', '.join(unknown) or 'nothing'}.")
        kinds = tuple(dict.fromkeys(("exact", *(part.strip() for part in masks.split(",") if part.strip()))))
        if wrong := sorted(set(kinds) - {"exact", "white", "textured"}):
            raise InputError(f"--masks takes exact, white, textured; not {', '.join(wrong)}.")
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder.")
        overrides = [*(set_ or []), *([f"seed={seed}"] if seed is not None else [])]
        options = Options(asked, limit, _lpips(folder, lpips), estimate_elevation, masks=kinds)
        kept: list[Path] = []
        if photos is not None:
            _several(folder, load_recipe(recipe, overrides), options, photos, poses, out, json)
            return
        document: EvaluationDocument | Compared
        if compare is not None and not is_evaluation_folder(folder) and not all(map(_result, compare)):
            document = _compare_catalogue(folder, compare, overrides, limit, out)
        elif compare is not None:
            document = _compare(folder, compare, recipe, overrides, options, out, kept)
        else:
            document = _evaluate(folder, load_recipe(recipe, overrides), options, out, kept)
        if json:
            put_json(to_json(document))
        elif isinstance(document, Compared):
            _print_comparison(document)
        else:
            _print(document)
        _handed_out(kept)
    if document.failed:
        raise typer.Exit(1)


def _several(folder: Path, recipe: Any, options: Any, counts: str, poses: str, out: Path | None, json: bool) -> None:
    from core.errors import InputError
    from core.recipes import recipe_hash
    from evaluation.photos import AZIMUTHS, POSES, PhotoOptions, Poses, evaluate_photos, table
    from flows.evaluation_models import load_models

    wanted = tuple(int(part) for part in counts.split(",") if part.strip().isdecimal())
    if not wanted or not set(wanted) <= set(AZIMUTHS):
        raise InputError(f"--photos takes {', '.join(map(str, AZIMUTHS))}, several with commas; not {counts}.")
    kinds = tuple(dict.fromkeys(part.strip() for part in poses.split(",") if part.strip()))
    if not kinds or not set(kinds) <= set(POSES):
        raise InputError(f"--poses takes {', '.join(POSES)}, several with commas; not {poses}.")
    models = load_models(recipe, ("shape",))
    mark = hashlib.sha256(f"{folder.resolve()} {recipe_hash(recipe)}".encode()).hexdigest()[:20]
    keep = _measured_so_far() / mark if out is None else out / "measured"
    asked = PhotoOptions(wanted, cast(tuple[Poses, ...], kinds), keep)
    document = evaluate_photos(folder, recipe, models, asked, options, Counting())
    if out is not None:
        _keep(document, out / "result.json")
    if json:
        put_json(to_json(document))
    else:
        from rich.table import Table

        from cli.common import console

        heading, *lines = table(document)
        shown = Table(*heading, title=f"{recipe.name}: poses {poses}")
        for line in lines:
            shown.add_row(*line)
        console().print(shown)
    if out is None:
        _handed_out([keep])
    if document.failed:
        raise typer.Exit(1)


def _keep(document: PhotosDocument, path: Path) -> None:
    from json import dumps

    from core.whole_file import whole_file

    with whole_file(path) as partial:
        partial.write_text(dumps(to_json(document), indent=1), "utf-8")
    say(f"Figures in {path}")


def _measured_so_far() -> Path:
    """Where figures are kept until they are handed out; with --out they stay beside the report."""
    from tasks.settings import read_settings

    return read_settings().home_path / "measured"


def _handed_out(kept: list[Path]) -> None:
    """What was printed need not be kept."""
    for folder in kept:
        shutil.rmtree(folder, ignore_errors=True)


def _evaluate(folder: Path, recipe: Any, options: Any, out: Path | None, kept: list[Path]) -> EvaluationDocument:
    from evaluation.run import evaluate_folder
    from flows.evaluation_models import load_models

    options = replace(options, keep=_measured_so_far() if out is None else out / "measured")
    result = evaluate_folder(folder, recipe, load_models(recipe, options.stages, options.masks), options, Counting())
    if out is None and result.kept is not None:
        kept.append(result.kept)
    if out is not None:
        from gallery.evaluation import write_report

        write_report(to_json(result.document), {name: vars(shown) for name, shown in result.pictures.items()}, out)
        say(f"Report in {out / 'report.html'}")
    return result.document


def _compare(
    folder: Path,
    pair: tuple[str, str],
    recipe: str,
    overrides: list[str],
    options: Any,
    out: Path | None,
    kept: list[Path],
) -> Compared:
    from evaluation.comparison import compare_results

    first, second = (
        _one_side(folder, side, recipe, overrides, options, None if out is None else out / name, kept)
        for name, side in zip("ab", pair, strict=True)
    )
    figures = compare_results(first, second)
    return Compared(*pair, figures, first.failed + second.failed, protocol=first.protocol)


def _compare_catalogue(
    folder: Path, pair: tuple[str, str], overrides: list[str], limit: int | None, out: Path | None
) -> Compared:
    """Photos without a known truth: both recipes build them, beside the factory."""
    from cli.progress import watch
    from core.recipes import load_recipe
    from flows.compare_catalogue import compare_on_catalogue

    recipes = load_recipe(pair[0], overrides), load_recipe(pair[1], overrides)
    place = out or Path(f"compare-{'-'.join(Path(side).stem for side in pair)}")
    factory = open_factory()
    try:
        found = compare_on_catalogue(factory, str(folder), recipes, place, limit, lambda: watch(quiet=False))
    finally:
        factory.close()
    say(f"Files, pictures and what they were made from: {place}")
    return Compared(*pair, found.figures, found.failed, found.products, found.statuses, found.sheets)


def _one_side(
    folder: Path,
    side: str,
    recipe: str,
    overrides: list[str],
    options: Any,
    out: Path | None,
    kept: list[Path],
) -> EvaluationDocument:
    """A result file is read; a folder of weights is the recipe with them; all else is a recipe."""
    from core.recipes import load_recipe

    if Path(side).is_dir():
        return _evaluate(folder, load_recipe(recipe, [*overrides, f"views.checkpoint={side}"]), options, out, kept)
    return _result(side) or _evaluate(folder, load_recipe(side, overrides), options, out, kept)


def _result(side: str) -> EvaluationDocument | None:
    """An earlier evaluation's document, where that is what the name stands for."""
    import json

    from pydantic import ValidationError

    from core.errors import InputError
    from evaluation.records import EvaluationDocument

    path = Path(side)
    if not path.is_file() or path.suffix != ".json":
        return None
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path.name} is not JSON: {error}.") from error
    if not isinstance(document, dict) or not {"protocol", "objects"} <= document.keys():
        return None
    try:
        return EvaluationDocument.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path.name} is not an evaluation's result: {where}: {first['msg']}.") from error


def _lpips(folder: Path, given: Path | None) -> Path | None:
    if given is not None:
        return given
    places = (folder / "lpips_alex.npz", folder.absolute().parent / "weights" / "lpips_alex.npz")
    return next((path for path in places if path.is_file()), None)


class Counting:
    """Progress for people: which object it is at, and how long the others will take."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._kept = 0

    def __call__(self, step: str, done: int, total: int, **figures: Any) -> None:
        if step != "evaluate" or "object" not in figures:
            return
        note, measured = "", done - self._kept
        if figures.get("kept"):
            self._kept += 1
            note = ": measured before"
        elif measured:
            note = time_left((time.monotonic() - self._began) / measured * (total - done))
        say(f"[{done + 1}/{total}] {figures['object']}{note}")


def _print_comparison(compared: Compared) -> None:
    from rich.table import Table

    from cli.common import console

    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "A", "B", "B - A", "95 %", "B wins", "better"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for row in compared.figures:
        span = f"{row.low:+.4f} .. {row.high:+.4f}"
        wins = f"{row.wins_of_b}/{row.objects}"
        table.add_row(row.figure, f"{row.a:.4f}", f"{row.b:.4f}", f"{row.difference:+.4f}", span, wins, row.better)
    console().print(table)


def _print(document: EvaluationDocument) -> None:
    from rich.table import Table

    from cli.common import console

    table = Table(box=None, pad_edge=False)
    for heading in ("", "PSNR", "SSIM", "mask IoU", "LPIPS", "IoU", "Chamfer", "F 1 %", "F 2 %", "faces", "s"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in document.objects:
        asset = None if row.asset is None else {"faces": row.asset.faces, "seconds": row.asset.seconds}
        table.add_row(row.id, *_cells(row.novel_view, row.shape, asset))
    mean = document.mean
    table.add_row("mean", *_cells(mean.novel_view, mean.shape, mean.asset), style="bold")
    for mask, figures in (document.by_masks or {"exact": mean}).items():
        beside = "" if mask == "exact" else f", {mask} mask"
        if beside:
            table.add_row(f"mean{beside}", *_cells(figures.novel_view, figures.shape, figures.asset))
        if figures.asset_view:
            table.add_row(f"mean, the asset's own renders{beside}", *_cells(figures.asset_view, None, None))
    if mean.shape_aligned:
        table.add_row("mean, aligned by yaw + ICP", *_cells(None, mean.shape_aligned, None))
    if mean.shape_visible:
        table.add_row("mean, visible surface", *_cells(None, mean.shape_visible, None))
    for name, control in document.controls.items():
        table.add_row(f"control: {name.replace('_', ' ')}", *_cells(control, control, None), style="dim")
    console().print(table)
    if gate := document.gate:
        say(f"the gate's score against true quality: rank correlation {gate['rank_correlation']:.2f}")
    for kind, value in (mean.segmentation or {}).items():
        say(f"segmentation on {kind} backgrounds: " + ("not measured" if value is None else f"IoU {value:.4f}"))
    for row in document.objects:
        for stage, sentence in row.errors.items():
            say(f"{row.id}: {stage}: {sentence}")


def _cells(views: Any, shape: Any, asset: Any) -> list[str]:
    def number(source: Any, name: str, form: str) -> str:
        value = (source or {}).get(name)
        return "" if value is None else format(value, form)

    return [
        *(number(views, n, f) for n, f in (("psnr", ".2f"), ("ssim", ".3f"), ("mask_iou", ".3f"), ("lpips", ".3f"))),
        *(number(shape, n, f) for n, f in (("iou", ".3f"), ("chamfer", ".4f"), ("fscore_1", ".3f"))),
        number(shape, "fscore_2", ".3f"),
        number(asset, "faces", ",.0f"),
        number(asset, "seconds", ".0f"),
    ]
