"""What a run would do with a source, from which shots, how long and how dear: nothing is written, no model loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from urllib.parse import unquote

from core.errors import InputError, PolicyViolation
from core.photos.limits import PhotoLimits
from core.photos.names import display_name
from core.recipes import Recipe
from db import standing
from db.candidates import Candidate
from db.catalogue import known_skus
from db.found import MISSING, FoundPhoto, FoundProduct
from db.planning import DEFAULT_PRIORITY, PAGE, SETTLED
from db.standing import Standing
from storage.places import bucket_of
from tasks.chosen import Recipes
from tasks.estimate import Estimate, Estimator, check_price
from tasks.factory import Factory
from tasks.ingest import nothing_found, scan_source
from tasks.keys import asset_id
from tasks.models import Weights, models_of
from tasks.night import Night, not_shown
from tasks.plan import plan_key, redone
from tasks.policy import check_photo
from tasks.readings import Readings
from tasks.stages import STAGE_NAMES
from tasks.variants import SHAPE_STAGES


@dataclass(frozen=True)
class PlannedProduct:
    """What a run would do with a product."""

    found: FoundProduct
    action: str
    """``build``, ``reuse``, ``wait`` or ``refuse``."""
    reason: str
    stages: tuple[str, ...] = ()
    """What must be computed."""


@dataclass(frozen=True)
class ShotReport:
    """A photo in the document of `plan --json`."""

    file: str
    role: str | None
    azimuth: float | None
    elevation: float | None
    use: str | None


@dataclass(frozen=True)
class ProductReport:
    """A product in the document of `plan --json`."""

    sku: str
    action: str
    reason: str
    size_known: bool
    warnings: list[str]
    photos: list[ShotReport]


@dataclass(frozen=True)
class EstimateReport:
    """What the run takes; None where nobody knows."""

    seconds: float | None
    cost: float | None
    ends_at: str | None
    unknown_stages: list[str]


@dataclass(frozen=True)
class PlanReport:
    """The document of `plan --json`."""

    products: list[ProductReport]
    estimate: EstimateReport
    counts: dict[str, int]
    """Products by action."""
    removed: int
    notes: list[str]


@dataclass(frozen=True)
class Forecast:
    """What a run would do."""

    products: tuple[PlannedProduct, ...]
    notes: tuple[str, ...]
    removed: int
    """Products that the source no longer shows."""
    seconds: float | None
    """None where a stage has never run on this device."""
    cost: float | None
    ends_at: datetime | None
    unknown: tuple[str, ...]
    """Stages without a past run."""
    source: str

    def report(self) -> PlanReport:
        return PlanReport(
            products=[self._product(product) for product in self.products],
            estimate=EstimateReport(
                seconds=None if self.seconds is None else round(self.seconds, 1),
                cost=None if self.cost is None else round(self.cost, 4),
                ends_at=None if self.ends_at is None else self.ends_at.isoformat(timespec="seconds"),
                unknown_stages=list(self.unknown),
            ),
            counts=self.counts(),
            removed=self.removed,
            notes=list(self.notes),
        )

    def counts(self) -> dict[str, int]:
        actions = [product.action for product in self.products]
        return {action: actions.count(action) for action in ("build", "reuse", "wait", "refuse")}

    def _product(self, product: PlannedProduct) -> ProductReport:
        found = product.found
        return ProductReport(
            sku=found.sku,
            action=product.action,
            reason=product.reason,
            size_known=any(side is not None for side in (found.height_cm, found.width_cm, found.depth_cm)),
            warnings=list(found.warnings),
            photos=[
                ShotReport(self.file_of(photo), photo.role, photo.azimuth, photo.elevation, photo.used_for)
                for photo in found.photos
            ],
        )

    def file_of(self, photo: FoundPhoto) -> str:
        """A photo's path inside its source, else its whole address."""
        inside = photo.source_uri.removeprefix(self.source.rstrip("/") + "/")
        folder = self.source.rsplit("/", 1)[0] + "/"  # a manifest's photos lie beside it
        return display_name(unquote(inside.removeprefix(folder)))


def forecast(
    factory: Factory,
    source: str,
    recipe: Recipe,
    *,
    limit: int | None = None,
    force: bool = False,
    group: bool = True,
    night: Night = Night(),  # noqa: B008 - frozen
) -> Forecast:
    """Raises :class:`InputError` for a source that is not there or shows nothing, CheckpointError, PolicyViolation."""
    check_price(factory, night)
    models = models_of(factory, recipe)
    scan, _, uri = scan_source(factory, source, group=group)
    catalogue = factory.retry_database(standing.catalogue_of, uri)
    estimator = Estimator(factory, recipe, models)
    planner = _Forecaster(factory, recipe, models, catalogue, force, estimator)
    products = [product for page in _pages(scan.products) for product in planner.page(page)]
    if not products:
        raise InputError(nothing_found(source, scan.notes, scan.unread))
    shown = {product.found.sku for product in products}
    stood = factory.retry_database(known_skus, uri)
    gone = len(stood - shown)
    notes = [*scan.notes, *([scan.unread] if scan.unread else [])]
    if gone * 5 > len(stood):
        notes.append(f"{gone:,} of {len(stood):,} products are gone: a run ends there, unless told --allow-removal.")
    ordered = _in_order(products, night.first)
    ordered = ordered if limit is None else ordered[:limit]
    ordered, total = _fitting(ordered, estimator, night)
    unknown = estimator.unknown if any(product.action == "build" for product in ordered) else ()
    now = datetime.now().astimezone()
    return Forecast(
        tuple(ordered),
        tuple(notes),
        gone,
        None if unknown else total.seconds,
        None if unknown else total.cost,
        None if unknown else now + timedelta(seconds=total.seconds),
        unknown,
        uri,
    )


def _pages(products: Iterable[FoundProduct]) -> Iterator[list[FoundProduct]]:
    source = iter(products)
    while page := list(islice(source, PAGE)):
        yield page


def _in_order(products: list[PlannedProduct], first: tuple[str, ...]) -> list[PlannedProduct]:
    """As the night goes through them: those that are named, then by the manifest's priority, then by SKU."""
    skus = {product.found.sku for product in products}
    if unknown := [sku for sku in first if sku not in skus]:
        raise not_shown(unknown[0])
    place = {sku: at for at, sku in enumerate(first)}

    def rank(product: PlannedProduct) -> tuple[int, int, str]:
        found = product.found
        priority = DEFAULT_PRIORITY if found.priority is None else found.priority
        return place.get(found.sku, len(place)), priority, found.sku

    return sorted(products, key=rank)


def _fitting(
    products: list[PlannedProduct], estimator: Estimator, night: Night
) -> tuple[list[PlannedProduct], Estimate]:
    """The products, from the first one on that does not fit into the night waiting, and what the night takes."""
    now = datetime.now().astimezone()
    result: list[PlannedProduct] = []
    tally, total = estimator.night(), Estimate(0.0, 0.0)
    why = None
    for product in products:
        if product.action == "build" and why is None:
            with_it = tally.add(product.stages)
            why = night.stop_reason(now, with_it.seconds, with_it.cost)
            total = total if why else with_it
        if product.action == "build" and why is not None:
            product = replace(product, action="wait", reason=why)
        result.append(product)
    return result, total


class _Forecaster:
    """What would become of pages of products."""

    def __init__(
        self,
        factory: Factory,
        recipe: Recipe,
        models: Mapping[str, Weights],
        catalogue: int | None,
        force: bool,
        estimator: Estimator,
    ) -> None:
        self._factory, self._recipe, self._catalogue, self._force = factory, recipe, catalogue, force
        self._recipes = Recipes(factory, recipe, models)
        self._estimator = estimator

    def page(self, page: list[FoundProduct]) -> list[PlannedProduct]:
        readings = Readings(self._factory)
        stands = standing.compare(self._factory.engine, self._catalogue, page, readings.sha256, readings.size)
        known: dict[str, Candidate] = {}
        if self._catalogue is not None:
            skus = [stand.product.sku for stand in stands if stand.state in ("unchanged", "changed")]
            known = self._factory.retry_database(standing.candidates_of, self._catalogue, skus)
        keys = {}
        for sku, candidate in known.items():
            by = self._recipes.of(candidate)
            keys[sku] = asset_id(candidate.product_id, plan_key(candidate, by.key, by.hashes))
        states = self._factory.retry_database(standing.assets_of, list(keys.values()))
        made = self._factory.retry_database(standing.made_of, [candidate.product_id for candidate in known.values()])
        result = []
        for stand in stands:
            lent = SHAPE_STAGES if stand.product.variant_of is not None else ()
            sku = stand.product.sku
            found = known.get(sku)
            state = states.get(keys.get(sku, ""))
            left = STAGE_NAMES
            if found is not None and not self._force and stand.product.photos[0].source_uri not in stand.moved:
                left = self._estimator.stages_left(made.get(found.product_id, {}), found.photo_sha256)
            left = tuple(stage for stage in left if stage not in lent)
            result.append(self._planned(stand, state, left or STAGE_NAMES[-1:]))
        return result

    def _planned(self, stand: Standing, state: standing.AssetState | None, left: tuple[str, ...]) -> PlannedProduct:
        product = stand.product
        if stand.state == "waiting":
            return PlannedProduct(product, "wait", stand.why or "Its photo cannot be read now.")
        if why := self._refusal(stand):
            return PlannedProduct(product, "refuse", why)
        if stand.state == "unchanged" and state is not None and not self._force:
            if state.status in SETTLED and not redone(state.status, state.error_class, state.failed_nights):
                said = f": {state.reason}" if state.reason and state.status != "finished" else "."
                action = "refuse" if state.status == "quarantined" else "reuse"
                return PlannedProduct(product, action, f"Nothing has changed; it is {state.status}{said}")
            how = {"failed": "It failed for a reason that may pass.", "superseded": "A newer version took its place."}
            return PlannedProduct(product, "build", how.get(state.status, "It is queued."), left)
        reasons = {
            "new": "It is new.",
            "changed": "A photo or what the catalogue says of it has changed.",
            "unchanged": "Recipe, weights or program have changed since it was built." if len(left) else "",
        }
        if self._force:
            return PlannedProduct(product, "build", "Everything is built again (--force).", STAGE_NAMES)
        return PlannedProduct(product, "build", reasons[stand.state], left)

    def _refusal(self, stand: Standing) -> str | None:
        """Why a product cannot be built, as far as that is seen without decoding its photo."""
        product, photo = stand.product, stand.product.photos[0]
        if product.problem:
            return product.problem
        if photo.file_stamp == MISSING:
            return "Its photo is missing."
        size = stand.sizes.get(photo.source_uri)
        name = display_name(unquote(photo.source_uri.rsplit("/", 1)[-1]))
        if size is None and photo.bytes == 0:
            return f"{name} is empty: upload it again."
        if size is None and bucket_of(photo.source_uri) is None:
            return f"{name} cannot be read as a picture: save it again."
        smallest = PhotoLimits().min_side
        if size is not None and min(size) < smallest:
            return f"{name} has {size[0]}x{size[1]} pixels; its shorter side needs at least {smallest}."
        try:
            check_photo(self._recipe, _as_candidate(product, photo))
        except PolicyViolation as error:
            return str(error)
        return None


def _as_candidate(product: FoundProduct, photo: FoundPhoto) -> Candidate:
    """A product that is not in the database, as its policy is asked."""
    height, elevation, licence = product.height_cm, product.elevation, product.licence
    return Candidate(0, product.sku, product.name, height, elevation, licence, 0, "", photo.source_uri, photo.licence)
