"""View models by their hub id (`owner/name` or `owner/name@revision`): fetched once, pinned to a commit."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from core.errors import CheckpointError

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?:@[\w./-]+)?")
_SAFE = ("*.json", "*.safetensors", "*.yaml", "*.yml", "*.txt")
_PICKLES = ("*.ckpt", "*.bin", "*.pt")


@dataclass(frozen=True)
class Snapshot:
    """A model of the hub as it lies on this machine."""

    path: Path
    revision: str
    """The commit."""


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub id. Paths that exist go first: ask for them before."""
    return _ID.fullmatch(name) is not None and ".." not in name


def fetch(name: str) -> Snapshot:
    """The model's files in the hub's own cache, downloaded where they are not there yet.

    A model with safetensors files is fetched without its pickles. A repository with a single weights file and no
    ``model_index.json`` is that file. Raises :class:`CheckpointError` with a sentence: no network, no such model, a
    licence that was not accepted.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repository, _, revision = name.partition("@")
    try:
        patterns = _patterns(repository, revision or None)
        folder = snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
    except GatedRepoError as error:
        raise CheckpointError(
            f"The model {repository} asks you to accept its licence first: do so on its page, then `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"The model {repository} has no revision '{revision}' on the hub.") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"There is no model '{repository}', neither here nor on the hub.") from error
    except _unreachable() as error:
        raise CheckpointError(
            f"The model {repository} is not on this machine and the hub cannot be reached. Fetch it where there is a "
            f"network, then `meshmill models add {repository} PATH`."
        ) from error
    return Snapshot(_weights_in(Path(folder), repository), Path(folder).name)


def _patterns(repository: str, revision: str | None) -> list[str]:
    """What to download. Without a network the cache's own files decide."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        names = HfApi().list_repo_files(repository, revision=revision)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except _unreachable():
        return [*_SAFE, *_PICKLES]
    safe = any(name.endswith(".safetensors") for name in names)
    return list(_SAFE) if safe else [*_SAFE, *_PICKLES]


def _unreachable() -> tuple[type[Exception], ...]:
    """What the hub's client raises where there is no network; its own HTTP library has another name in each version."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (OSError, HfHubHTTPError, OfflineModeIsEnabled, *(library.HTTPError for library in libraries))


def _weights_in(folder: Path, repository: str) -> Path:
    if (folder / "model_index.json").is_file():
        return folder
    single = [p for p in sorted(folder.iterdir()) if p.suffix in (".safetensors", ".ckpt")]
    if len(single) == 1:
        return single[0]
    if single:
        names = ", ".join(path.name for path in single)
        raise CheckpointError(
            f"The repository {repository} holds several models ({names}): `meshmill models add NAME {folder}/FILE`."
        )
    raise CheckpointError(f"The repository {repository} holds no weights that are known here.")
