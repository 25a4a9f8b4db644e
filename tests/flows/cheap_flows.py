"""The flows of prefect.yaml with stages that cost nothing, for workers that a test starts: the entry points of its
deployments."""

from __future__ import annotations

import functools
from unittest.mock import patch

import fake_stages

import flows.build_assets
import flows.ingest
import flows.retry_failed
from tasks.factory import open_factory

opened = functools.partial(open_factory, compute=fake_stages.compute)
for module in (flows.ingest, flows.build_assets, flows.retry_failed):
    patch.object(module, "open_factory", opened).start()

ingest = flows.ingest.ingest
build_assets = flows.build_assets.build_assets
retry_failed = flows.retry_failed.retry_failed
