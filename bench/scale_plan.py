"""How long a night of many assets takes, and what is full first: a plan on paper, checked by a simulation.

    python bench/scale_plan.py [--assets 10000 100000 1000000] [--gpus 4 32 256] [--seconds 60] [--night 8]
                               [--cores 8] [--in-flight 500]

Every resource is a queue with so many servers and a time a piece; the times are those of docs/results.md and
docs/lab/2026-11-27-the-first-line.md, measured on two shared cores, so that they are bounds rather than promises:

    plan       one process plans                                        0.052 ms an asset (1,000,000 rows in 51.8 s)
    dispatch   one night sends and watches shards, 500 in flight        0.15 s a shard (assumed)
    start      a worker's process, Prefect and the models               12 s a shard, on its GPU (assumed)
    compute    a GPU, or a core                                         60 s an asset unless said otherwise
    database   leases, stage runs, artifacts through one PostgreSQL     90 ms of one of its cores an asset: six stages,
               PostgreSQL's 28.4 ms less SQLite's 13.4, the clients' part included
    prefect    task runs through one server                             65 ms an asset: six times 39.2 less 28.4 ms
    store      objects through one S3 server                            70 ms an asset: 10 MB of 200 MB in 1.4 s

The plan: a resource's busy time is pieces * time / servers, the night is at least the largest of them. The simulation:
shards go through dispatch to the GPUs, whose assets take exponentially distributed times and pass database, Prefect and
store one after the other. One JSON line for each pair of counts.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Times:
    """Seconds a piece; see the head of this file."""

    plan: float = 52e-6
    dispatch: float = 0.15
    start: float = 12.0
    compute: float = 60.0
    database: float = 0.090
    prefect: float = 0.065
    store: float = 0.070


SHARD = 50
"""Assets of a shard."""
CORES = 8
"""Of the database's host."""
IN_FLIGHT = 500
"""Shards of a night that are sent at once (flows/pool.py)."""


def planned(assets: int, gpus: int, times: Times, cores: int = CORES, in_flight: int = IN_FLIGHT) -> dict[str, float]:
    """Hours that each resource is busy."""
    shards = -(-assets // SHARD)
    workers = min(gpus, in_flight)
    return {
        "plan": assets * times.plan / 3600,
        "dispatch": shards * times.dispatch / 3600,
        "gpus": (assets * times.compute + shards * times.start) / workers / 3600,
        "database": assets * times.database / cores / 3600,
        "prefect": assets * times.prefect / 3600,
        "store": assets * times.store / 3600,
    }


def simulated(
    assets: int, gpus: int, times: Times, cores: int = CORES, in_flight: int = IN_FLIGHT, seed: int = 0
) -> float:
    """Hours until the last asset is through. Assets of a shard one after the other; each then waits for the three
    servers in turn, in the order in which it comes to them."""
    rng = np.random.default_rng(seed)
    workers = [0.0] * min(gpus, in_flight)
    heapq.heapify(workers)
    sent, ends = 0.0, []
    for shard in range(-(-assets // SHARD)):
        size = min(SHARD, assets - shard * SHARD)
        sent = max(sent + times.dispatch, (shard * SHARD + size) * times.plan)
        begun = max(heapq.heappop(workers), sent) + times.start
        done = begun + np.cumsum(rng.exponential(times.compute, size))
        heapq.heappush(workers, float(done[-1]))
        ends.append(done)
    moments = np.sort(np.concatenate(ends))
    for service in (times.database / cores, times.prefect, times.store):
        # Lindley: an asset leaves a server a service after it came, or after the one before it left.
        steps = np.arange(len(moments)) * service
        moments = np.maximum.accumulate(moments - steps) + steps + service
    return float(moments[-1]) / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--gpus", type=int, nargs="*", default=[4, 32, 256])
    parser.add_argument("--seconds", type=float, default=Times.compute, help="of a GPU, an asset")
    parser.add_argument("--night", type=float, default=8.0, help="hours")
    parser.add_argument("--cores", type=int, default=CORES, help="of the database's host")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT, help="shards that are sent at once")
    options = parser.parse_args()
    times = Times(compute=options.seconds)
    for assets in options.assets:
        for gpus in options.gpus:
            plan = planned(assets, gpus, times, options.cores, options.in_flight)
            first = max(plan, key=lambda name: plan[name])
            hours = simulated(assets, gpus, times, options.cores, options.in_flight)
            line = {"assets": assets, "gpus": gpus, "planned_hours": round(max(plan.values()), 2)}
            line |= {"simulated_hours": round(hours, 2), "full_first": first, "fits": hours <= options.night}
            print(json.dumps(line | {"busy_hours": {name: round(value, 2) for name, value in plan.items()}}))


if __name__ == "__main__":
    main()
