"""``make fuzz``: case after case of each target in turn until the time is up; the seed of each find is printed.

``--target NAME --seed N --runs 1 --show`` does one again and prints what it was given and what it wrote.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.harness import Verdict, check, written
from tests.fuzz.targets import TARGETS

_MEMORY = 4 * 2**30


def main() -> int:
    """The exit code: 1 where anything was found."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))  # what eats the memory is a find, not the machine's end
    finds: dict[str, list[int]] = collections.defaultdict(list)
    codes: collections.Counter[tuple[str, int | None]] = collections.Counter()
    end = time.monotonic() + options.seconds
    for name, seed in _cases(options):
        if time.monotonic() > end:
            break
        verdict = check(TARGETS[name], seed)
        codes[name, verdict.code] += 1
        if verdict.wrong:
            finds[f"{name}: {verdict.wrong}"].append(seed)
            _tell(name, seed, verdict)
        if options.show:
            _show(name, seed, verdict)
    _sum_up(codes, finds)
    return 1 if finds else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--target", default="", help=f"only this one: {', '.join(TARGETS)}")
    parser.add_argument("--seed", default="", help="the first seed; others follow by one; default: by chance")
    parser.add_argument("--runs", default="", help="so many of each target; default: until the time is up")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--show", action="store_true", help="print each case and all that it wrote")
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    names = [options.target] if options.target else list(TARGETS)
    first = int(options.seed) if options.seed else random.SystemRandom().randrange(10**6) * 10**6
    print(f"seeds from {first}", flush=True)
    for seed in itertools.islice(itertools.count(first), int(options.runs) if options.runs else None):
        yield from ((name, seed) for name in names)


def _tell(name: str, seed: int, verdict: Verdict) -> None:
    lines = verdict.output.strip().splitlines()
    print(f"FOUND {name}, seed {seed}: {verdict.wrong}: {lines[-1][:300] if lines else 'no output'}", flush=True)
    print(f"  again with: make fuzz TARGET={name} SEED={seed} RUNS=1 SHOW=1", flush=True)


def _show(name: str, seed: int, verdict: Verdict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = written(TARGETS[name], seed, Path(folder))
        print(f"--- {name} {seed}: {' '.join(map(ascii, case.argv))}\n{dict(case.environ)}")
        for path in sorted(Path(folder).iterdir()):
            print(f"--- {path.name}\n{path.read_bytes()!r}")
    print(f"--- exit {verdict.code} in {verdict.seconds:.2f} s\n{verdict.output}")


def _sum_up(codes: collections.Counter[tuple[str, int | None]], finds: dict[str, list[int]]) -> None:
    for name in TARGETS:
        own = {str(code): count for (target, code), count in sorted(codes.items(), key=str) if target == name}
        if own:
            print(f"{name:16} {sum(own.values()):6} cases; exits: {own}")
    print(f"{codes.total()} cases, {sum(map(len, finds.values()))} finds")
    for what, seeds in finds.items():
        print(f"  {len(seeds):4} x {what}: {', '.join(map(str, seeds[:8]))}")


if __name__ == "__main__":
    sys.exit(main())
