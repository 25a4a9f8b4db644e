"""Call every command with arguments and settings that no program expects: a sentence and an exit code, no traceback.

python bench/fuzz_commands.py [--count 300] [--seed 0] [--all]

Each case runs in a forked process of its own, in a folder of its own with some odd files; prints one JSON document and
exits 1 where a case ended in a traceback, or did not end within a minute.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

SECONDS = 60

ODD = [
    "", " ", "\udcff", "🦄", "x" * 5000, "/" + "y" * 300, "~nobody/x", ".", "..", "-", "--", "%", "[", "[a", "*", "\\",
    "'", "\u202e", "a\nb", "a\0b", "a/b", "nan", "1e999", "-1", "9" * 30, "2026-13-45", "null", "{}", "[]", "s3://",
    "s3://b", "s3://bucket/x", "s3://[x/y", "S3://bucket", "file:///", "file://x", "http://x",
    "postgresql://u:p@h:x/d", "nosuch", "/dev/null", "/proc/self/mem", "photos", "empty", "loop", "fifo", "text.json",
    "deep.json", "list.json", "null.json", "surrogates.json", "recipe.json", "recipe-surrogate.json",
    "recipe-huge.json", "recipe-number.json", "folder.csv", "bytes.csv", "model.glb", "empty.glb", "x.onnx",
]  # fmt: skip

COMMANDS = """
--{}
assets --catalogue {}
assets --limit {}
assets --since {}
assets --sku {}
assets --sort {}
assets --status {}
db {}
deliver plain {}
deliver {} out
doctor --recipe {}
evaluate empty --compare {} starter
evaluate empty --lpips {}
evaluate empty --out {}
evaluate empty --recipe {}
evaluate empty --seed {}
evaluate empty --stages {}
evaluate {}
fetch x --kind {} -o out.glb
fetch x -o {}
fetch {} -o out.glb
fsck --window {}
gallery --out pages --status {}
gallery --out {}
gallery --serve {}
gc --older-than {}
models add mine {}
models add {} x.onnx
models assets {}
models verify {}
plan empty --first {}
plan empty --max-cost {}
plan empty --until {}
plan {}
recipes show {}
recipes {}
reproduce {}
retry --recipe {}
retry --set {}
retry --status {}
retry x --catalogue {}
retry {}
review --calibrate gate.json --recipe {}
review --calibrate {}
review x --reject --note {}
review {}
review {} --approve
run empty --deliver {}
run empty --out {}
run photos --limit {}
run photos --recipe {}
run photos --set segment.model={}
run photos --set views.checkpoint={}
run photos --set views.steps={}
run photos --set {}
run {}
show x --catalogue {}
show {}
users add {}
verify model.glb --profile {}
verify {}
{}
""".strip().splitlines()
"""A command a line; an odd text stands in place of the braces."""

Case = tuple[tuple[str, ...], dict[str, str], str]
"""Arguments, variables, and the text of `meshmill.toml`."""


def cases() -> list[Case]:
    """All of them: every command with every odd text, every setting as a variable and in the file."""
    from tasks.settings import Settings

    found: list[Case] = [
        (tuple(word.replace("{}", odd) for word in line.split()), {}, "") for line in COMMANDS for odd in ODD
    ]
    for name in Settings.model_fields:
        for odd in ODD:
            if "\0" not in odd:
                found.append((("assets", "--json"), {f"MESHMILL_{name.upper()}": odd}, ""))
            if "\udcff" not in odd:
                found.append((("assets", "--json"), {}, f"{name} = {json.dumps(odd)}\n"))
    found += [
        (("assets", "--json"), {}, text) for text in ("{", "home =", "[home]\nx = 1", "home = 7", "\0", "x" * 10_000)
    ]
    return found


def write_odd_files(folder: Path) -> None:
    """Files that arguments name."""
    files: dict[str, bytes] = {
        "photos/a.png": b"no picture",
        "text.json": b"{",
        "deep.json": b"[" * 100_000,
        "list.json": b"[1, 2]",
        "null.json": b"null",
        "surrogates.json": rb'[{"sku": "a\u0000b", "photo": ["x.png"], "name": "\ud800", "licence": "a\u0000"}]',
        "recipe.json": rb'{"name": "a\u0000b"}',
        "recipe-surrogate.json": rb'{"name": "\ud800"}',
        "recipe-huge.json": b'{"seed": ' + b"9" * 6000 + b"}",
        "recipe-number.json": b'{"seed": 1e999}',
        "bytes.csv": b"\x00\xff\xfe,\n1,2\x00",
        "model.glb": b"glTF" + bytes(60),
        "empty.glb": b"",
        "x.onnx": b"x",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    for name in ("empty", "folder.csv"):
        (folder / name).mkdir()
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")


def attempt(case: Case, outcome: Any) -> None:
    """Call the command in this (forked) process and tell how it ended."""

    from cli.main import LazyCommands

    arguments, variables, file = case
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory(prefix="meshmill-fuzz-") as name:
        os.chdir(name)
        write_odd_files(Path(name))
        os.environ.update({"MESHMILL_HOME": f"{name}/home", "PREFECT_API_URL": "http://127.0.0.1:9/api"} | variables)
        if file:
            os.environ.pop("MESHMILL_HOME") if file.startswith("home") else None
            Path("meshmill.toml").write_bytes(file.encode())
        result = _invoke(LazyCommands(name="meshmill"), arguments)
        outcome.put(result)


def _invoke(group: Any, arguments: tuple[str, ...]) -> tuple[str, str]:
    """``(how it ended, the traceback's end)``."""
    import contextlib
    import io

    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            group.main(list(arguments), prog_name="meshmill")
    except SystemExit as end:
        said.flush()
        text = said.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
        return ("traceback", text[-1500:]) if "Traceback (most" in text else (f"exit {end.code}", "")
    except BaseException:  # noqa: BLE001 - exactly what is looked for
        return "traceback", traceback.format_exc()[-1500:]
    return "exit 0", ""


def run(count: int | None, seed: int) -> dict[str, Any]:
    """How many cases ended how, and those that ended badly."""
    import tasks.factory  # noqa: F401 - imported once, before the forks

    chosen = cases() if count is None else random.Random(seed).sample(cases(), count)
    context = multiprocessing.get_context("fork")
    outcomes: collections.Counter[str] = collections.Counter()
    bad: list[dict[str, Any]] = []
    for case in chosen:
        queue = context.Queue()
        process = context.Process(target=attempt, args=(case, queue))
        process.start()
        try:
            how, trace = queue.get(timeout=SECONDS + 5)
        except Exception:  # noqa: BLE001 - the alarm ended it
            how, trace = "no end", ""
        process.join(5)
        process.kill()
        outcomes[how] += 1
        if how in ("traceback", "no end"):
            arguments, variables, file = case
            bad.append({"arguments": arguments, "variables": variables, "file": file[:200], "how": how, "trace": trace})
            print(
                ascii((how, [a[:80] for a in arguments], variables, file[:80], trace[-600:])),
                file=sys.stderr,
                flush=True,
            )
    return {"cases": len(chosen), "outcomes": dict(outcomes), "bad": bad}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="Every case, not a sample")
    options = parser.parse_args()
    result = run(None if options.all else options.count, options.seed)
    print(json.dumps(result | {"bad": len(result["bad"])}))
    sys.exit(1 if result["bad"] else 0)


if __name__ == "__main__":
    main()
