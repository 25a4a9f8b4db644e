"""In the search path of a work pool's processes it makes their stages cost nothing; all else is as on any host."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import patch

if "MESHMILL_TEST_POOL" in os.environ:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tasks"))

    import fake_stages

    import tasks.factory

    patch.object(tasks.factory.open_factory, "__defaults__", (None, fake_stages.compute, None)).start()
