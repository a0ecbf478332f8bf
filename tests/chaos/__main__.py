"""``make chaos``: run after run on a control plane of its own, each from a seed, until the time is up.

A run that broke a rule is kept: its plan, all that the step wrote, and its records, to be judged anew with ``--judge``.
"""

from __future__ import annotations

import argparse
import pickle
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.history import History
from tests.chaos.oracle import judge, unwell
from tests.chaos.plan import Plan, derive
from tests.chaos.record import Record
from tests.chaos.run import play
from tests.controlplane import build
from tests.controlplane import cluster as clusters


def main() -> int:
    """The exit code: 1 where any run broke a rule."""
    options = _options()
    if options.judge:
        return _judge_again(Path(options.judge))
    if options.plan:
        print("\n".join(str(derive(seed, deadly=not options.gentle)) for seed in _seeds(options)))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="k8s-step-chaos-"))
    try:
        return _run(options, folder)
    except build.UnavailableError as reason:
        print(f"the control plane can't be started: {reason}", file=sys.stderr)
        return 1
    finally:
        clusters.release(folder / "plane")
        time.sleep(1.0)  # the servers end, then their folder can go
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", default="", help="the first seed; others follow by one; default: by chance")
    parser.add_argument("--runs", default="", help="so many; default: until the time is up")
    parser.add_argument("--seconds", type=float, default=1200, help="no run begins later than this")
    parser.add_argument("--keep", default="chaos-kept", help="the folder for runs that broke a rule")
    parser.add_argument("--keep-all", action="store_true", help="keep the good runs, too")
    parser.add_argument("--gentle", action="store_true", help="the plans of the tests: no server is killed")
    parser.add_argument("--plan", action="store_true", help="print the plans and do nothing")
    parser.add_argument("--judge", default="", help="judge kept records (a .pickle) again")
    return parser.parse_args()


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    first = int(options.seed) if options.seed else random.SystemRandom().randrange(10**6) * 1000
    count = int(options.runs) if options.runs else (1 if options.plan else 10**6)
    yield from range(first, first + count)


def _run(options: argparse.Namespace, folder: Path) -> int:
    cluster = clusters.start(folder / "plane", build.find(), "tests.chaos.plane")
    history = History(cluster.etcd)
    end, broken, runs = time.monotonic() + options.seconds, [], 0
    for seed in _seeds(options):
        if time.monotonic() > end:
            break
        runs += 1
        if not _one(
            derive(seed, deadly=not options.gentle),
            cluster,
            history,
            folder / "runs",
            Path(options.keep),
            options.keep_all,
        ):
            broken.append(seed)
        history.forget(history.revision)
    print(f"{runs} runs, {len(broken)} broke a rule{': seeds ' if broken else ''}{', '.join(map(str, broken))}")
    return 1 if broken else 0


def _one(plan: Plan, cluster: clusters.Cluster, history: History, folder: Path, keep: Path, keep_all: bool) -> bool:
    """Whether all its stages were as they had to be; one that could not be played is told, and counts as broken."""
    records: list[Record] = []
    is_good = True
    try:
        for record in play(plan, cluster, history, folder):
            records.append(record)
            is_good = _tell(plan.seed, record) and is_good
    except Exception:
        print(f"seed {plan.seed}: could not be played\n{traceback.format_exc()}", flush=True)
        is_good = False
    if keep_all or not is_good:
        _keep(plan, records, folder, keep)
    shutil.rmtree(folder, ignore_errors=True)
    return is_good


def _tell(seed: int, record: Record) -> bool:
    acts = ", ".join(deed.what for deed in record.deeds) or "quiet"
    print(
        f"seed {seed}: {record.conditions.verb} ended {record.ended.code} in {record.seconds:.1f} s ({acts})",
        flush=True,
    )
    if record.ended.code == 3:
        print(f"  at its end not well: {', '.join(map(str, unwell(record))) or 'nothing'}", flush=True)
    violations = judge(record)
    for violation in violations:
        print(f"  BROKEN {violation}", flush=True)
    return not violations


def _keep(plan: Plan, records: list[Record], folder: Path, keep: Path) -> None:
    target = keep / str(plan.seed)
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, target)
    (target / "plan.json").write_text(str(plan))
    (target / "records.pickle").write_bytes(pickle.dumps(records))
    print(f"  kept in {target}; again with: make chaos SEED={plan.seed} RUNS=1", flush=True)


def _judge_again(path: Path) -> int:
    records = pickle.loads(path.read_bytes())
    return 0 if sum([_tell(0, record) for record in records]) == len(records) else 1


if __name__ == "__main__":
    sys.exit(main())
