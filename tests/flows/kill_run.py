"""`python kill_run.py FOLDER`: the embedded run on a folder with stages that cost nothing. Killed by its test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tasks"))


def main() -> None:
    import fake_stages

    from core.recipes import load_recipe
    from flows.run import run_folder
    from tasks.house import open_house
    from tasks.settings import Settings

    folder = Path(sys.argv[1])
    places = [f"views.checkpoint={folder}/views", f"segment.model={folder}/segmenter.onnx"]
    house = open_house(Settings(home=folder / "home"), compute=fake_stages.compute)
    document = run_folder(house, str(folder / "photos"), load_recipe("starter", places), out=folder / "out")
    house.close()
    print(json.dumps(document["counts"]))  # noqa: T201


if __name__ == "__main__":
    main()
