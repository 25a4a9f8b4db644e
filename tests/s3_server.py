"""What tests need of a real S3 server beside its fixture."""

from __future__ import annotations

import hashlib
import time

from core.errors import StoreDown
from storage.s3 import S3Store

ACCESS, SECRET = "meshmill", "not-a-secret"


def ready(store: S3Store) -> S3Store:
    """A server that answers may still be choosing its master: its first writes are tried for a while."""
    sha256 = hashlib.sha256(b"probe").hexdigest()
    deadline = time.monotonic() + 30
    while True:
        try:
            store.ensure_bucket()
            store.put(b"probe", "probe", sha256, "text/plain")
            store.delete("probe")
        except StoreDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return store
