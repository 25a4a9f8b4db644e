"""An object that is gone or damaged, made again from what stands: by running its stage once more, or from the photo's
own place. Its bytes must come out as they were recorded; no row changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.errors import (
    DatabaseDown,
    InputError,
    MeshmillError,
    ObjectDamaged,
    ObjectMissing,
    PhotoUnavailable,
    StoreDown,
)
from db import leases, objects, planning, stage_runs
from db.objects import Origin
from db.stage_runs import Stored
from tasks.artifacts import kind_of, load, put, whole
from tasks.factory import Factory
from tasks.models import Weights, models_of
from tasks.ownership import owners
from tasks.photo_bytes import fetch_source
from tasks.renewal import POLL_SECONDS, Renewal
from tasks.stages import STAGE
from tasks.worker import StageCall

T = TypeVar("T")


class NotRepairable(Exception):
    """The object cannot be made again here as it was. One sentence in ``str(error)``."""


@dataclass
class Remaker:
    """Makes objects again. Called by one thread."""

    factory: Factory
    _models: list[Weights] | None = field(default=None, init=False)

    def remake(self, artifact: Stored) -> None:
        """The object stands, whole, when this returns. Raises :class:`NotRepairable`, and what a store or database
        that is down raises."""
        if whole(self.factory, artifact):
            return
        origins = self.factory.retry_database(objects.origins, artifact.key)
        if not origins:
            self._from_its_place(artifact)
            return
        why = NotRepairable("Nobody knows how it was made.")
        for origin in origins:
            try:
                self._from_its_stage(origin)
            except NotRepairable as error:
                why = error
            else:
                return
        raise why

    def _from_its_place(self, photo: Stored) -> None:
        for uri in self.factory.retry_database(objects.photo_places, photo.sha256):
            try:
                data = fetch_source(self.factory, uri)
            except (InputError, PhotoUnavailable):
                continue
            if hashlib.sha256(data).hexdigest() == photo.sha256:
                put(self.factory, data, photo.key, photo.sha256, photo.media_type)
                return
        raise NotRepairable("The photo is not where it was taken from any more: put it back there.")

    def _from_its_stage(self, origin: Origin) -> None:
        stage = STAGE.get(origin.stage)
        if stage is None or stage.version != origin.version:
            raise NotRepairable(f"This version of Meshmill makes its {origin.stage} stage in another way: {AGAIN}")
        for stored in origin.inputs.values():
            self.remake(stored)
        owner = f"{self.factory.owner}/remake"
        while not self.factory.retry_database(leases.claim, origin.key, owner, self.factory.settings.lease_seconds):
            if self.factory.stopping.wait(POLL_SECONDS):
                raise NotRepairable("It was stopped.")
        try:
            files = self._computed(origin, owner)
            for stored in origin.made:
                data = files.get(stored.kind, b"")
                if hashlib.sha256(data).hexdigest() == stored.sha256:
                    put(self.factory, data, stored.key, stored.sha256, stored.media_type)
        finally:
            self.factory.retry_database(leases.release, origin.key, owner)
        if not all(whole(self.factory, stored) for stored in origin.made):
            self.factory.retry_database(
                stage_runs.invalidate, origin.key
            )  # so that the next build of it does not rely on this one
            raise NotRepairable(f"Its {origin.stage} stage makes other bytes on this machine: {AGAIN}")

    def _computed(self, origin: Origin, owner: str) -> dict[str, bytes]:
        """Kinds to bytes."""
        stage, said = STAGE[origin.stage], origin.parameters
        weights = {role: self._weights(role, sha256) for role, sha256 in said["models"].items()}
        params: dict[str, Any] = dict(said["params"])
        if stage.weights_parameter and stage.weights:
            params[stage.weights_parameter] = weights[stage.weights].name
        try:
            call = StageCall(
                stage.name,
                {role: load(self.factory, stored) for role, stored in origin.inputs.items()},
                stage.step_down(params, origin.ladder),
                said["seed"] or 0,
                {role: found.path for role, found in weights.items()},
                said.get("about", {}),
                self.factory.settings.device,
                ladder=origin.ladder,
            )
            output = self.factory.worker(stage.name).call(
                call,
                lambda *_, **__: None,
                self.factory.settings.stage_timeout,
                Renewal(self.factory, origin.key, owner),
            )
        except (ObjectMissing, ObjectDamaged) as error:
            raise NotRepairable(str(error)) from error
        except (StoreDown, DatabaseDown):
            raise
        except MeshmillError as error:
            raise NotRepairable(f"Its {stage.name} stage failed: {error}") from error
        return {kind_of(name): data for name, data in output.files.items()}

    def _weights(self, role: str, sha256: str) -> Weights:
        if self._models is None:
            self._models = []
            for recipe in self.factory.retry_database(planning.recipes):
                try:
                    self._models += models_of(self.factory, recipe).values()
                except DatabaseDown:
                    raise
                except MeshmillError:  # weights that are gone
                    continue
        for found in self._models:
            if (found.role, found.sha256) == (role, sha256):
                return found
        raise NotRepairable(f"The {role} weights that it was made with are not on this machine: put them back.")


def read_whole(factory: Factory, stored: Stored, read: Callable[[], T]) -> T:
    """What ``read`` makes of an object that is handed to somebody: made again first where it is not there, whole.
    Raises as :func:`heal` does."""
    try:
        return factory.retry_store(read)
    except (ObjectMissing, ObjectDamaged):
        heal(factory, [stored])
        return factory.retry_store(read)


AGAIN = "`meshmill retry --status finished SKU` builds the asset anew."
"""What a person can do where bytes cannot be made as they were."""


def heal(factory: Factory, artifacts: Iterable[Stored]) -> None:
    """Make again what a stage, or a person, is about to read and is not there, whole. Raises ``ObjectDamaged`` where
    that cannot be done, ``StoreDown`` where it is the store that is gone."""
    if owners(factory).ours is None:
        raise StoreDown(f"The store {factory.settings.store} does not bear this database's marker: check its mount.")
    remaker = Remaker(factory)
    for stored in artifacts:
        try:
            remaker.remake(stored)
        except NotRepairable as error:
            raise ObjectDamaged(f"The object {stored.key} is gone or damaged. {error}") from error
