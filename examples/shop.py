"""A shop's night and morning, as another team would script it: photos in, decisions over HTTP, a folder for a channel.

    python examples/shop.py PHOTOS OUT --api http://127.0.0.1:8000 --token TOKEN --channel shopify [run's options …]

Beside it runs `meshmill gallery --serve 8000 --review --users users.json`; the token is a reviewer's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request
from typing import Any

MESHMILL = [sys.executable, "-m", "cli.main"]


def ask(api: str, token: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to `/api/v1`; with a body it is a POST."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + path, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("out")
    parser.add_argument("--api", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--channel", default="plain")
    parser.add_argument("--good-enough", type=float, default=0.5, help="Scores from here on are approved.")
    given, options = parser.parse_known_args()

    subprocess.run([*MESHMILL, "run", given.photos, *options], check=True)

    cursor = ""
    while cursor is not None:
        page = ask(given.api, given.token, f"/api/v1/assets?status=review&cursor={cursor}")
        for asset in page["assets"]:
            decision = "approve" if (asset["score"] or 0) >= given.good_enough else "reject"
            ask(given.api, given.token, f"/api/v1/assets/{asset['asset_id']}/decisions", {"decision": decision})
            print(f"{asset['sku']}: {decision}", file=sys.stderr)
        cursor = page["next"]

    subprocess.run([*MESHMILL, "deliver", "--for", given.channel, "-o", given.out], check=True)
    for asset in ask(given.api, given.token, "/api/v1/assets?status=finished")["assets"]:
        print(given.api + ask(given.api, given.token, f"/api/v1/assets/{asset['asset_id']}")["embed_url"])


if __name__ == "__main__":
    main()
