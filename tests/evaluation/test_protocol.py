"""The protocol: the truth scores perfectly, knowing nothing does not, and the folder is read strictly."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.evaluate import app as evaluate
from core.artifacts import Cutout, Photo
from core.cameras import Camera
from core.errors import InputError, MeshFailed, NoObject
from core.mesh.gltf import write_glb
from core.mesh.topology import vertex_normals
from core.mesh.values import Model
from core.progress import Progress
from core.quality import images
from core.recipes import Recipe, load_recipe
from core.records import to_json
from core.render import render_mesh
from evaluation import controls, protocol, shape
from evaluation.folder import EvaluationObject, TruthView, list_objects, read_object, read_painted
from evaluation.photos import PhotoOptions, evaluate_photos, table
from evaluation.pictures import PERFECT_PSNR
from evaluation.records import AssetFacts, WeightsUsed
from evaluation.run import evaluate_folder
from evaluation.surfaces import Surface
from evaluation.values import BuiltAsset, Models, Options

PHOTO = {"azimuth_deg": 40, "elevation_deg": 15, "radius": 2.0}
VIEWS = [(40, 15), (130, 15), (220, 40)]


def truth_mesh(variant: int):
    import trimesh

    body = trimesh.creation.box((0.6, 0.8 - 0.3 * variant, 0.4))
    knob = trimesh.creation.icosphere(subdivisions=2, radius=0.2).apply_translation([0.3, 0.2, 0.1])
    mesh = trimesh.util.concatenate([body, knob])
    mesh.vertices = shape.normalised(np.asarray(mesh.vertices))
    level = np.arange(0, 256, 4, np.uint8)
    texture = np.stack([*np.meshgrid(level, level), np.full((64, 64), 90, np.uint8)], -1)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(texture))
    mesh.visual = trimesh.visual.TextureVisuals(0.5 + np.asarray(mesh.vertices)[:, :2] * 0.9, material)
    return mesh


def render(mesh, camera: Camera, size: int) -> np.ndarray:
    u, v = mesh.visual.uv.T
    paint = {"uv": np.stack([u, 1 - v], 1), "texture": np.asarray(mesh.visual.material.baseColorTexture)}
    seen = render_mesh(mesh.vertices, mesh.faces, camera, size, supersample=2, **paint)
    return np.dstack([seen.rgb, seen.alpha])


@pytest.fixture(scope="module", autouse=True)
def fewer_samples():
    """A fifth of the protocol's surface points: the figures are checked loosely, the time is not spent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shape, "SAMPLES", 20_000)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small objects in the evaluation format, without a manifest."""
    root = tmp_path_factory.mktemp("evaluation")
    for variant, name in enumerate(("one", "two")):
        mesh = truth_mesh(variant)
        (root / name / "views").mkdir(parents=True)
        (root / name / "model.glb").write_bytes(mesh.export(file_type="glb"))
        photo = render(mesh, Camera(40, 15), 128)
        Image.fromarray(photo).save(root / name / "photo_rgba.png")
        Image.fromarray(images.over_white(photo)).save(root / name / "photo_white.png")
        records = []
        for index, (azimuth, elevation) in enumerate(VIEWS):
            file = f"views/{index:02d}.png"
            Image.fromarray(render(mesh, Camera(azimuth, elevation), 96)).save(root / name / file)
            records.append({"file": file, "azimuth_deg": azimuth, "elevation_deg": elevation, "radius": 2.0})
        (root / name / "cameras.json").write_text(json.dumps({"photo": PHOTO, "views": records}))
    return root


def as_asset(item: EvaluationObject) -> bytes:
    """The truth as the factory would publish it: azimuth 0 is the photo's, elsewhere and smaller."""
    vertices = shape.turned(item.truth[0], -item.camera.azimuth) * 0.3 + [1, 2, 3]
    normals = vertex_normals(vertices, item.truth[1]).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(item.paint["texture"]).save(file, "PNG")
    uv = item.paint["uv"].astype(np.float32)
    model = Model(vertices.astype(np.float32), normals, item.truth[1], uv, file.getvalue(), "image/png")
    return write_glb(model, item.id)


def oracle(folder: Path, broken: bool = False) -> Models:
    """Models that answer with the truth; the object is known by its photo."""
    known = {name: read_object(folder, name) for name in list_objects(folder)}

    def name_of(cutout: Cutout) -> str:
        def away(item: EvaluationObject) -> float:
            photo = images.over_white(np.array(Image.open(io.BytesIO(item.photo))))
            return float(np.abs(photo.astype(int) - images.over_white(cutout.rgba)).mean())

        return min(known, key=lambda name: away(known[name]))

    def views(cutout: Cutout, elevation: float, targets: list[Camera], seed: int) -> np.ndarray:
        return np.stack([images.over_white(view.rgba) for view in known[name_of(cutout)].views])

    def build(cutout: Cutout, elevation: float | None, recipe: Recipe, progress: Progress):
        if broken:
            raise MeshFailed("No closed surface.")
        item = known[name_of(cutout)]
        return BuiltAsset(as_asset(item), AssetFacts(score=1.0))

    def cut(photo: Photo) -> Cutout:
        return Cutout(photo.rgba, (0, 0, 128, 128), "alpha")

    def find(photo: Photo) -> Cutout:
        rgba = photo.rgba.copy()
        rgba[..., 3] = 255 * images.mask_from_white(rgba[..., :3])
        return Cutout(rgba, (0, 0, 128, 128), "test")

    return Models(views, build, find, cut, WeightsUsed(name="truth"))


@pytest.fixture(scope="module")
def perfect(folder: Path) -> dict:
    return to_json(evaluate_folder(folder, load_recipe(), oracle(folder), Options()).document)


def test_the_truth_as_prediction_is_perfect(perfect: dict):
    views, solid = perfect["mean"]["novel_view"], perfect["mean"]["shape"]
    assert views["psnr"] == PERFECT_PSNR
    assert views["ssim"] == pytest.approx(1)
    assert views["mask_iou"] > 0.97  # the prediction's mask is guessed from white, so not even the truth has 1
    assert solid["iou"] > 0.995
    assert solid["fscore_2"] > 0.99
    assert solid["chamfer"] < 0.01
    assert perfect["mean"]["shape_aligned"]["iou"] > 0.95
    assert perfect["mean"]["shape_visible"]["fscore_2"] > 0.99
    assert perfect["mean"]["segmentation"]["white"] > 0.95
    assert perfect["mean"]["segmentation"]["textured"] is None
    assert perfect["failed"] == 0


def test_truth_against_truth_is_perfect_as_a_customer_sees_it(perfect: dict):
    """Placed where the photo's camera sees it in the photo: neither recentred nor nearer to the camera."""
    seen, ceiling = perfect["mean"]["asset_view"], perfect["controls"]["truth"]
    assert seen["psnr"] > 45
    assert seen["mask_iou"] > 0.995
    assert ceiling["psnr"] > 45
    assert all(row["asset"]["true_quality"] > 0.99 for row in perfect["objects"])


def test_a_wrong_depth_moves_nothing_that_the_photo_shows(folder: Path):
    """Twice as deep, the whole bounding box is another; the photo's camera still sees it where the photo has it."""
    item = read_object(folder, "one")
    exact = np.array(Image.open(io.BytesIO(item.photo)))[..., 3] >= images.MASK_LEVEL
    along = shape.turned(item.truth[0], -item.camera.azimuth) * [1, 1, 2]
    deep = protocol.asset_in_truth_frame((along, item.truth[1]), item.camera)
    seen = TruthView("photo", item.camera, render(truth_mesh(0), item.camera, 128))

    def front(surface: Surface) -> float:
        pictures, alphas = protocol.asset_renders(surface, item.paint, [seen])
        return float(protocol.view_scores(pictures, [seen], None, alphas)["mask_iou"] or 0)

    assert front(protocol.where_photographed(item.truth, exact, item.camera)) == 1
    assert front(protocol.where_photographed(deep, exact, item.camera)) > front(deep) + 0.1


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ycb_mug", "barn_lamp"])
def test_a_scan_reaches_its_own_ceiling(shared_dir: Path, name: str):
    """The folder's pictures hold light, an asset none: the scan itself, unlit, is the most that can be reached."""
    item = read_object(shared_dir / "eval-dev", name)
    ceiling = protocol.view_scores(*_renders(item.truth, item.paint, item))
    surface, paint = read_painted(as_asset(item))
    exact = np.array(Image.open(io.BytesIO(item.photo)))[..., 3] >= images.MASK_LEVEL
    placed = protocol.where_photographed(protocol.asset_in_truth_frame(surface, item.camera), exact, item.camera)
    ours = protocol.view_scores(*_renders(placed, paint, item))
    assert ours["psnr"] == pytest.approx(ceiling["psnr"], abs=0.1)
    assert ours["mask_iou"] > 0.96
    assert ceiling["psnr"] > 19


def _renders(surface, paint, item: EvaluationObject):
    pictures, alphas = protocol.asset_renders(surface, paint, item.views)
    return pictures, item.views, None, alphas


def test_the_segmenter_s_masks_have_a_mean_of_their_own(folder: Path):
    models = oracle(folder)
    options = Options(stages=("views", "shape"), align=False, masks=("exact", "white", "textured"))
    document = to_json(evaluate_folder(folder, load_recipe(), models, options).document)
    assert set(document["by_masks"]) == {"exact", "white", "textured"}
    assert document["by_masks"]["exact"] == document["mean"]
    assert document["by_masks"]["textured"]["shape"] is None  # the folder has no textured photos
    assert document["by_masks"]["white"]["asset_view"]["psnr"] > 45

    def blind(photo: Photo) -> Cutout:
        raise NoObject("No product was found.")

    lost = to_json(evaluate_folder(folder, load_recipe(), replace(models, segment=blind), options).document)
    assert lost["by_masks"]["white"]["shape"] == protocol.NO_SHAPE
    assert lost["mean"]["shape"]["iou"] > 0.99
    assert lost["failed"] == 2
    assert lost["objects"][0]["errors"] == {"segment (white mask)": "No product was found."}


def test_the_document_has_the_published_form(perfect: dict):
    assert {"objects", "mean", "controls", "protocol", "recipe", "checkpoint"} <= set(perfect)
    assert {"psnr", "ssim", "mask_iou", "lpips"} <= set(perfect["mean"]["novel_view"])
    assert {"iou", "chamfer", "fscore_1", "fscore_2"} <= set(perfect["mean"]["shape"])
    assert set(perfect["mean"]["segmentation"]) == {"white", "textured"}
    assert {"copy_input", "shuffled_pose", "extruded_hull", "mean_ellipsoid", "white", "mean_image"} <= set(
        perfect["controls"]
    )
    json.dumps(perfect, allow_nan=False)


def test_controls_that_know_nothing_are_worse(perfect: dict):
    for name in ("copy_input", "shuffled_pose", "white", "mean_image"):
        assert perfect["controls"][name]["psnr"] < 30
    for name in ("extruded_hull", "mean_ellipsoid"):
        assert 0.1 < perfect["controls"][name]["iou"] < 0.9


def test_the_photo_s_own_view_is_not_scored(folder: Path):
    assert [view.name for view in read_object(folder, "one").views] == ["views/01.png", "views/02.png"]


def test_equal_runs_give_equal_figures(folder: Path, perfect: dict):
    again = to_json(evaluate_folder(folder, load_recipe(), oracle(folder), Options()).document)
    for key in ("mean", "controls", "objects", "protocol"):
        assert _without_seconds(again[key]) == _without_seconds(perfect[key])


def _without_seconds(tree):
    if isinstance(tree, dict):
        return {name: _without_seconds(item) for name, item in tree.items() if name != "seconds"}
    return [_without_seconds(item) for item in tree] if isinstance(tree, list) else tree


def test_a_failure_is_listed_and_counts(folder: Path):
    document = to_json(
        evaluate_folder(folder, load_recipe(), oracle(folder, broken=True), Options(stages=("shape",))).document
    )
    assert document["failed"] == 2
    assert document["objects"][0]["errors"] == {"shape": "No closed surface."}
    assert document["mean"]["shape"] == protocol.NO_SHAPE
    assert document["mean"]["novel_view"] is None


ONLY_VIEWS = Options(stages=("views",))
"""The cheapest."""


def counted(models: Models, calls: list[int], interrupted: list[int] = []) -> Models:  # noqa: B006 - not changed
    """The same models; which calls were made, and which of them somebody interrupts."""

    def views(*arguments: Any) -> Any:
        calls.append(len(calls))
        if calls[-1] in interrupted:
            raise KeyboardInterrupt
        assert models.novel_views is not None
        return models.novel_views(*arguments)

    return replace(models, novel_views=views)


def test_an_interrupted_evaluation_goes_on_with_what_it_measured(folder: Path, tmp_path: Path):
    options, calls = replace(ONLY_VIEWS, keep=tmp_path), list[int]()
    with pytest.raises(KeyboardInterrupt):
        evaluate_folder(folder, load_recipe(), counted(oracle(folder), calls, [1]), options)
    told = []
    whole = evaluate_folder(
        folder,
        load_recipe(),
        counted(oracle(folder), calls),
        options,
        lambda *_, **figures: told.append((figures.get("object"), figures.get("kept"))),
    )
    assert len(calls) == 3, "the first object, the second that was interrupted, the second again"
    assert told[:2] == [("one", True), ("two", False)]
    straight = evaluate_folder(folder, load_recipe(), oracle(folder), ONLY_VIEWS)
    assert _without_seconds(to_json(whole.document)) == _without_seconds(to_json(straight.document))
    for name, shown in straight.pictures.items():
        assert shown.names == whole.pictures[name].names
        for kind in ("truth", "ours"):
            assert np.array_equal(getattr(shown, kind), getattr(whole.pictures[name], kind))


def test_what_was_measured_of_another_recipe_or_failed_is_measured_again(folder: Path, tmp_path: Path):
    options = replace(ONLY_VIEWS, keep=tmp_path)
    blind = replace(oracle(folder), novel_views=None)
    assert evaluate_folder(folder, load_recipe(), blind, options).document.failed == 2
    assert evaluate_folder(folder, load_recipe(), oracle(folder), options).document.failed == 0
    told = []
    for seed in (0, 1):
        recipe = load_recipe("starter", [f"seed={seed}"])
        evaluate_folder(folder, recipe, oracle(folder), options, lambda *_, **more: told.append(more.get("kept")))
    assert told == [True, True, None, False, False, None]


def test_the_command_never_loses_what_it_measured(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    models = counted(oracle(folder), [], [1])
    monkeypatch.setattr("flows.evaluation_models.load_models", lambda *_: models)
    command = [str(folder), "--stages", "views", "--json"]
    assert CliRunner().invoke(evaluate, command).exit_code != 0
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    second = CliRunner().invoke(evaluate, command)
    assert second.exit_code == 0, second.output
    assert "[1/2] one: measured before" in second.stderr
    assert len(json.loads(second.stdout)["objects"]) == 2
    assert list(tmp_path.rglob("*.npz")) == [], "what was printed need not be kept"


def test_limit_and_stages_do_less(folder: Path):
    document = to_json(
        evaluate_folder(folder, load_recipe(), oracle(folder), Options(stages=("views",), limit=1)).document
    )
    assert [item["id"] for item in document["objects"]] == ["one"]
    assert document["mean"]["shape"] is None


def test_a_changed_model_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "model.glb").write_bytes(b"other")
    (tmp_path / "manifest.json").write_text(json.dumps({"objects": [{"id": "one", "sha256": "0" * 64}]}))
    with pytest.raises(InputError, match="set was changed"):
        list_objects(tmp_path)
    with pytest.raises(InputError, match="not an evaluation folder"):
        list_objects(tmp_path / "one")


def test_a_missing_file_is_named(folder: Path, tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cameras.json").write_text((folder / "one" / "cameras.json").read_text())
    with pytest.raises(InputError, match=r"lacks views/01\.png"):
        read_object(tmp_path, "one")


def test_shuffled_poses_fit_nowhere():
    for count in (2, 3, 11):
        assert all(a != b for a, b in zip(controls.shuffled(range(count)), range(count), strict=True))


def test_the_hull_of_a_square_is_a_cube():
    alpha = np.zeros((128, 128), np.uint8)
    alpha[30:94, 30:94] = 255
    vertices, _ = controls.extruded_hull(alpha, Camera(0, 0))
    assert np.ptp(vertices, axis=0) == pytest.approx([1, 1, 1], abs=0.03)
    with pytest.raises(ValueError, match="empty"):
        controls.extruded_hull(np.zeros((8, 8), np.uint8), Camera(0, 0))


@pytest.mark.shared
def test_the_frozen_set_is_the_one_of_the_manifest(shared_dir: Path):
    names = list_objects(shared_dir / "eval-dev")
    assert len(names) == 12
    item = read_object(shared_dir / "eval-dev", "ycb_mug")
    assert len(item.views) == 11
    assert set(item.backgrounds) == {"white", "textured"}


@pytest.mark.parametrize("poses", ["given", "named", "cropped", "one_unknown", "unknown"])
def test_further_photos_are_ring_views_and_nothing_given_is_scored(folder: Path, poses: str):
    told: list[list[tuple[float | None, float | None]]] = []
    models = oracle(folder)
    glb = as_asset(read_object(folder, "one"))

    def build(cutout: Cutout, elevation: float | None, recipe: Recipe, progress: Progress, shots=(), size=None):
        assert (size is None) == (not shots), "how large the main photo is, beside others"
        assert (elevation is None) == (poses != "given"), "what is not told of one photo is not told of several"
        told.append([(shot.azimuth, shot.elevation) for shot in shots])
        assert (cutout.rgba.shape[0] < 128) == (poses == "cropped")
        return BuiltAsset(glb, AssetFacts(used=1 + len(shots)))

    asked = PhotoOptions((1, 4), (poses,))
    made = evaluate_photos(folder, load_recipe(), replace(models, build=build), asked, Options(limit=1))
    document = to_json(made)
    assert told == [
        [],
        [{"given": (90, 15), "named": (90, None), "cropped": (90, None)}.get(poses, (None, None))],
    ]
    assert document["failed"] == 0
    assert set(document["by_photos"]) == {"1", "4"}
    assert document["by_photos"]["4"]["shape"]["iou"] > 0.99
    assert document["by_photos"]["4"]["asset"]["used"] == 2
    assert [line[1] for line in table(made)] == ["photos", "1", "4"]


def test_what_was_measured_is_kept_and_not_built_again(folder: Path, tmp_path: Path):
    built: list[int] = []
    models = oracle(folder)
    one = models.build
    assert one is not None

    def build(cutout: Cutout, elevation: float | None, recipe: Recipe, progress: Progress, shots=(), size=None):
        built.append(len(shots))
        if len(built) == 3:
            raise KeyboardInterrupt
        return one(cutout, elevation, recipe, progress)

    asked = PhotoOptions((1, 4), ("given", "unknown", "named"), tmp_path)
    models = replace(models, build=build)
    with pytest.raises(KeyboardInterrupt):
        evaluate_photos(folder, load_recipe(), models, asked, Options(limit=1))
    document = evaluate_photos(folder, load_recipe(), models, asked, Options(limit=1))
    assert built == [0, 1, 0, 0, 1, 1], "the third was cut off; of one photo nothing is said under either"
    assert list(document.by_poses) == ["given", "unknown", "named"]
    assert evaluate_photos(folder, load_recipe(), models, asked, Options(limit=1)) == document
    evaluate_photos(
        folder, load_recipe("starter", ["seed=9"]), models, replace(asked, poses=("given",)), Options(limit=1)
    )
    assert len(built) == 8, "another seed is another measurement"
