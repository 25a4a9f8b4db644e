"""What must be built: from the database's products and one recipe to asset rows, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import JsonValue

from core.licences import credit_line
from core.parameters import JsonObject
from core.recipes import Recipe, load_recipe, of_record, overridden, recipe_hash
from core.records import OPTIONAL, to_json
from db import planning, runs
from db.assets import Job, job
from db.candidates import Candidate
from db.planning import ShouldRebuild, Wanted
from tasks.chosen import BuiltBy, Recipes, built_by
from tasks.chosen import remember as remember_chosen
from tasks.factory import Factory
from tasks.failures import is_tried_again
from tasks.keys import asset_id, digest, new_run_id
from tasks.models import Weights, models_of, remember
from tasks.night import not_shown
from tasks.ownership import renew
from tasks.stages import STAGE, VERSIONS

if TYPE_CHECKING:
    from core.mesh.values import AssetAbout


@dataclass(frozen=True)
class Plan:
    """Asset ids of a run or of a page of it, in the night's order."""

    build: tuple[str, ...]
    reused: tuple[str, ...]


@dataclass(frozen=True)
class ProductFacts:
    """What the catalogue says about a product and the finished file repeats; what nobody said is not hashed."""

    sku: str
    height_cm: float | None = field(metadata=OPTIONAL)
    width_cm: float | None = field(metadata=OPTIONAL)
    depth_cm: float | None = field(metadata=OPTIONAL)
    azimuth: float | None = field(metadata=OPTIONAL)
    licence: str | None = field(metadata=OPTIONAL)
    attribution: str | None = field(metadata=OPTIONAL)


def product_facts(candidate: Candidate) -> ProductFacts:
    """The facts of a product and of its photo."""
    return ProductFacts(
        candidate.sku,
        candidate.height_cm,
        candidate.width_cm,
        candidate.depth_cm,
        candidate.azimuth,
        candidate.photo_licence or candidate.product_licence,
        candidate.photo_attribution,
    )


def about_of(job: Job, models: Mapping[str, Weights], photos: int = 1) -> AssetAbout:
    """What the finished file says of itself; part of the finish stage's key (:func:`about_values`)."""
    from core.mesh.values import AssetAbout

    candidate, views = job.candidate, models["views"]
    photo = credit_line("Photo", candidate.photo_licence or candidate.product_licence, candidate.photo_attribution)
    credits = (photo, *(credit_line("Model", w.licence, w.attribution) for w in models.values() if w.attribution))
    return AssetAbout(
        sku=candidate.sku,
        asset_id=job.asset_id,
        recipe_hash=job.recipe_hash,
        checkpoint=views.label,
        checkpoint_licence=views.licence or "not on record",
        copyright="; ".join(credit for credit in credits if credit),
        height_cm=candidate.height_cm,
        photos=photos,
        width_cm=candidate.width_cm,
        depth_cm=candidate.depth_cm,
        azimuth=candidate.azimuth,
    )


def about_values(about: AssetAbout) -> JsonObject:
    """As the key hashes it and the stage gets it.

    A single photo, and sides that nobody measured, are left out: keys are those of before either could be said.
    """
    said = {name: value for name, value in vars(about).items() if value is not None}
    return {name: value for name, value in said.items() if name != "photos" or value > 1}


def plan_key(candidate: Candidate, recipe_hash: str, models: Mapping[str, str]) -> str:
    """Everything that an asset depends on, without building anything. ``models``: role to content hash."""
    problem = {"problem": candidate.problem} if candidate.problem else {}
    several = {"photos": [photo.said for photo in candidate.further], "align": STAGE["align"].version}
    return digest(
        {
            "photo": candidate.photo_sha256,
            "recipe": recipe_hash,
            "models": models,
            "product": to_json(product_facts(candidate)),
            "elevation": candidate.elevation,
            "versions": dict(VERSIONS),
        }
        | problem
        | _shape(candidate.base)
        | (several if candidate.further else {})
    )


def _shape(base: Candidate | None) -> JsonObject:
    """What a variant's shape depends on."""
    if base is None or base.problem:
        return {}
    photos: list[JsonValue] = [base.photo_sha256, base.elevation, *(photo.said for photo in base.further)]
    return {"shape": photos, "recolour": STAGE["recolour"].version, "align": STAGE["align"].version}


def begin_run(factory: Factory, catalogue_id: int, recipe: Recipe, prefect_run_id: str | None = None) -> str:
    """A new run's id, on record with its recipe."""
    key, run_id = recipe_hash(recipe), new_run_id()
    renew(factory)
    factory.retry_database(planning.ensure_recipe, key, recipe.name, recipe.model_dump(mode="json"))
    factory.retry_database(runs.start_run, run_id, catalogue_id, key, prefect_run_id)
    return run_id


def plan_pages(
    factory: Factory,
    catalogue_id: int,
    recipe: Recipe,
    models: Mapping[str, Weights],
    *,
    run_id: str | None = None,
    limit: int | None = None,
    force: bool = False,
    first: Sequence[str] = (),
) -> Iterator[Plan]:
    """Queue what is new or changed, page by page; leave alone what is settled, unless ``force`` is given. ``first``:
    SKUs that come before all others. Raises :class:`InputError` where the catalogue does not show one of them.

    Failed assets are tried again only where the surroundings failed (network, memory, time), for three nights;
    `meshmill retry` tries the others.
    """

    def should_rebuild(status: str, error_class: str | None, failed_nights: int) -> bool:
        return force or redone(status, error_class, failed_nights)

    planner = _Planner(factory, recipe, models, should_rebuild, run_id, Recipes(factory, recipe, models))
    for page in _one_ahead(map(planner.wanted, _candidates(factory, catalogue_id, limit, first))):
        yield planner.plan(page)


def redone(status: str, error_class: str | None, failed_nights: int) -> bool:
    """Whether a run tries a settled asset again by itself."""
    return status == "failed" and is_tried_again(error_class, failed_nights)


class _Planner:
    """How the pages of one recipe are planned, or of ``recipes``: product by product, as people chose."""

    def __init__(
        self,
        factory: Factory,
        recipe: Recipe,
        models: Mapping[str, Weights],
        should_rebuild: ShouldRebuild,
        run_id: str | None = None,
        recipes: Recipes | None = None,
    ) -> None:
        self._factory, self._should_rebuild, self._run_id = factory, should_rebuild, run_id
        self._all = built_by(recipe, models)
        self._recipes = recipes
        self._on_record: set[str] = set()
        factory.retry_database(remember, models.values())
        self._record(self._all)

    def wanted(self, page: Sequence[Candidate]) -> list[Wanted]:
        keys = [plan_key(candidate, by.key, by.hashes) for candidate, by in zip(page, self._by(page), strict=True)]
        return [Wanted(c, asset_id(c.product_id, k), k) for c, k in zip(page, keys, strict=True)]

    def plan(self, page: Sequence[Wanted]) -> Plan:
        built = self._by([wanted.candidate for wanted in page])
        must: dict[str, bool] = {}
        for by in {by.key: by for by in built}.values():
            self._record(by)
            must |= self._factory.retry_database(
                planning.plan_page,
                [wanted for wanted, own in zip(page, built, strict=True) if own.key == by.key],
                recipe_hash=by.key,
                run_id=self._run_id,
                model=by.label,
                should_rebuild=self._should_rebuild,
            )
        ids = [wanted.asset_id for wanted in page]
        return Plan(tuple(id_ for id_ in ids if must[id_]), tuple(id_ for id_ in ids if not must[id_]))

    def _by(self, page: Sequence[Candidate]) -> list[BuiltBy]:
        return [self._all if self._recipes is None else self._recipes.of(candidate) for candidate in page]

    def _record(self, by: BuiltBy) -> None:
        if by.key not in self._on_record:
            parameters = by.recipe.model_dump(mode="json")
            self._factory.retry_database(planning.ensure_recipe, by.key, by.recipe.name, parameters)
            self._on_record.add(by.key)


def _candidates(
    factory: Factory, catalogue_id: int, limit: int | None, first: Sequence[str] = ()
) -> Iterator[list[Candidate]]:
    """Pages in the night's order."""
    if unknown := factory.retry_database(planning.unknown_skus, catalogue_id, first):
        raise not_shown(unknown[0])
    ordered = factory.retry_database(planning.in_order, catalogue_id, first)
    if ordered is not None:
        ordered = ordered[:limit]
        for start in range(0, len(ordered), planning.PAGE):
            yield factory.retry_database(planning.candidates_by_id, ordered[start : start + planning.PAGE])
        return
    after, left = "", limit
    while page := factory.retry_database(
        planning.candidates, catalogue_id, after, planning.PAGE if left is None else min(planning.PAGE, left)
    ):
        yield page
        after = page[-1].sku
        left = None if left is None else left - len(page)


def plan_with_changes(factory: Factory, asset_ids: Sequence[str], recipe: str | None, overrides: Sequence[str]) -> Plan:
    """Queue another version of each settled asset: the same product and photo, by a named recipe or by its own, with
    overrides, by which later nights build it, too."""
    jobs = [factory.retry_database(job, name) for name in asset_ids]
    plans = []
    for own in dict.fromkeys(found.recipe_hash for found in jobs):
        alike = [found for found in jobs if found.recipe_hash == own]
        chosen = load_recipe(recipe, overrides) if recipe else overridden(of_record(alike[0].parameters), overrides)
        planner = _Planner(factory, chosen, models_of(factory, chosen), lambda status, *_: status == "failed")
        for start in range(0, len(alike), planning.PAGE):
            page = [found.candidate for found in alike[start : start + planning.PAGE]]
            plans.append(planner.plan(planner.wanted(page)))
        for found in alike:
            remember_chosen(factory, found, found.candidate.photo_sha256, recipe, overrides, "meshmill retry")
    return _together(plans)


def plan_candidates(
    factory: Factory, page: Sequence[Candidate], recipe: Recipe, models: Mapping[str, Weights], *, again: bool
) -> Plan:
    """Queue these products' assets; ``again``: also where they are settled."""
    planner = _Planner(factory, recipe, models, lambda *_: again)
    return planner.plan(planner.wanted(page))


def _one_ahead(pages: Iterator[list[Wanted]]) -> Iterator[list[Wanted]]:
    """The next page is read and hashed while the database writes this one."""
    with ThreadPoolExecutor(1, "plan") as pool:
        coming = pool.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = pool.submit(next, pages, None)
            yield page


def plan_catalogue(
    factory: Factory,
    catalogue_id: int,
    recipe: Recipe,
    models: Mapping[str, Weights],
    *,
    run_id: str | None = None,
    limit: int | None = None,
    force: bool = False,
    first: Sequence[str] = (),
) -> Plan:
    """All pages at once, for runs of one machine."""
    pages = plan_pages(factory, catalogue_id, recipe, models, run_id=run_id, limit=limit, force=force, first=first)
    return _together(pages)


def _together(plans: Iterable[Plan]) -> Plan:
    plans = list(plans)
    return Plan(
        tuple(id_ for plan in plans for id_ in plan.build),
        tuple(id_ for plan in plans for id_ in plan.reused),
    )
