"""`python -m flows.server PORT PARENT`: Prefect's API on loopback until the parent process ends."""

from __future__ import annotations

import os
import sys
import threading
import time


def main() -> None:
    port, parent = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(ephemeral=True, final=True), host="127.0.0.1", port=port, log_level="error", lifespan="on")


def _leave_with(parent: int) -> None:
    """A killed run must not leave a server behind."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
