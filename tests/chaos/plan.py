"""The plan of a run, derived whole from its seed before anything happens; ``str`` of a plan prints it.

Moments are counted in the step's own requests, or named by what it says or what the cluster holds, not by the clock.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

GOOD = ("shop/web:{n}", "shop/api:{n}", "shop/ready-after-1s:{n}", "shop/crash-once:{n}", "shop/pull-retry:{n}")
BROKEN = ("shop/pull-fail:{n}", "shop/crash:{n}", "shop/oom:{n}", "shop/invalid-name:{n}", "shop/pull-denied:{n}")
STUCK = ("shop/never-ready:{n}", "shop/pull-rate-limited:{n}")
FICKLE = ("shop/crash-ready:{n}",)
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
PLAIN = ("ConfigMap", "Secret", "Service")
LONG, SHORT = 40.0, 8.0  # seconds a release is given: the short ones are those that can't make it


@dataclass(frozen=True)
class Item:
    """One object of a release. ``tone`` is its data, ``image`` its pods' play, ``delay`` until they are ready."""

    kind: str
    name: str
    tone: str = "a"
    image: str = ""
    replicas: int = 1
    delay: str = ""
    settles: str = ""  # of a custom resource: what its controller writes, ready, stalled or nothing
    invalid: bool = False


@dataclass(frozen=True)
class When:
    """The moment of an act: a request by count, a write by count, words that it says, an object that is current."""

    on: str
    count: int = 1
    words: str = ""


@dataclass(frozen=True)
class Act:
    """One thing that happens meanwhile. ``target`` is ``Kind/name``; ``count`` and ``seconds`` say how much of it."""

    what: str
    when: When
    target: str = ""
    count: int = 1
    seconds: float = 0.0
    code: int = 0


@dataclass(frozen=True)
class Stage:
    """One call of the step. ``objects`` are what its manifests hold, or what KIND/NAME words name."""

    verb: str
    objects: tuple[Item, ...]
    options: tuple[str, ...] = ()
    timeout: float = LONG
    github: bool = False
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True)
class Plan:
    """One run: releases one after the other into a namespace of its own."""

    seed: int
    stages: tuple[Stage, ...] = field(default=())

    def __str__(self) -> str:
        kept = {"seed": self.seed, "stages": [_brief(asdict(stage)) for stage in self.stages]}
        return json.dumps(kept, indent=1)


def _brief(value: object) -> object:
    """Without what is empty or as usual."""
    if isinstance(value, Mapping):
        return {key: _brief(one) for key, one in value.items() if one not in ("", (), [], False, 0, 0.0, None)}
    return [_brief(one) for one in value] if isinstance(value, list | tuple) else value


def derive(seed: int, *, deadly: bool = True) -> Plan:
    """The plan of a seed; not ``deadly``: no server is killed, no history compacted (others use the cluster too)."""
    dice = random.Random(seed)
    first = _release(dice, 1)
    second = _changed(dice, first)
    stages = [
        Stage("apply", first, acts=_acts(dice, first, deadly, 0 if dice.random() < 0.6 else 1)),
        _second(dice, second, deadly),
    ]
    if dice.random() < 0.6:
        stages.append(_other(dice, second, deadly))
    return Plan(seed, tuple(stages))


# -- what is released


def _release(dice: random.Random, number: int) -> tuple[Item, ...]:
    items = [Item(kind, f"{kind.lower()[:3]}-{n}") for n in range(dice.randint(1, 3)) for kind in _some(dice, PLAIN)]
    for n in range(dice.randint(1, 3)):
        kind = dice.choice((*WORKLOADS, "Deployment"))
        delay = dice.choice(("", "", "1s", "2s"))
        image = dice.choice(GOOD).format(n=number)
        items.append(Item(kind, f"{kind.lower()[:3]}-{n}", image=image, replicas=dice.randint(1, 3), delay=delay))
    if dice.random() < 0.4:
        items.append(Item("Job", f"job-{number}", image=dice.choice(("shop/job-ok:1", "shop/migrate:1"))))
    if dice.random() < 0.35:
        items += [
            Item("CustomResourceDefinition", "widgets"),
            Item("Widget", "one", settles=dice.choice(("", "ready"))),
        ]
    return tuple(items)


def _changed(dice: random.Random, before: Sequence[Item]) -> tuple[Item, ...]:
    """The next release of the same: some are changed, some break, some are as they were."""
    fate = dice.choices(("good", "broken", "stuck", "fickle", "mixed"), (45, 25, 10, 10, 10))[0]
    after = [_next(dice, item, fate) for item in before if item.kind != "Job" or dice.random() < 0.5]
    if dice.random() < 0.3:
        after.append(Item("Job", "job-2", image="shop/job-fail:2" if fate in ("broken", "mixed") else "shop/job-ok:2"))
    if dice.random() < 0.3:
        after.append(Item("ConfigMap", "new-1", tone="new"))
    if dice.random() < 0.06:
        after.append(Item("Deployment", "wrong", image="shop/web:2", invalid=True))
    return tuple(after)


def _next(dice: random.Random, item: Item, fate: str) -> Item:
    if item.kind == "CustomResourceDefinition" or dice.random() < 0.2:
        return item
    if item.kind == "Widget":
        return replace(item, tone="b", settles="stalled" if fate == "broken" and dice.random() < 0.5 else item.settles)
    if item.kind not in WORKLOADS:
        return item if item.kind == "Job" else replace(item, tone="b")
    kinds = {"good": GOOD, "broken": BROKEN, "stuck": STUCK, "fickle": FICKLE, "mixed": (*GOOD, *BROKEN, *STUCK)}
    images = kinds[fate] if fate in ("good", "mixed") or dice.random() < 0.7 else GOOD
    replicas = dice.choice((item.replicas, item.replicas, dice.randint(1, 4)))
    return replace(item, image=dice.choice(images).format(n=2), replicas=replicas)


def _some(dice: random.Random, words: Sequence[str]) -> list[str]:
    return [word for word in words if dice.random() < 0.6]


# -- how


def _second(dice: random.Random, objects: tuple[Item, ...], deadly: bool) -> Stage:
    options = [word for word in ("--rollback-on-failure", "--no-preflight", "--no-fail-fast") if dice.random() < 0.3]
    if dice.random() < 0.06:
        options = ["--no-wait"]
    verb = dice.choices(("apply", "replace"), (93, 7))[0]
    if verb == "replace":
        objects, options = (
            tuple(one for one in objects if one.kind not in ("Job", "Service") and one.name != "new-1"),
            [],
        )
    timeout = _time_for(objects, options)
    acts = _acts(dice, objects, deadly, dice.choices((0, 1, 2, 3), (5, 45, 35, 15))[0])
    return Stage(verb, objects, tuple(options), timeout, dice.random() < 0.3, acts)


def _time_for(objects: Sequence[Item], options: Sequence[str]) -> float:
    """Short for what may never be ready, and for the server's own verdict: its deadline is ten minutes."""
    slow = (*STUCK, *FICKLE) if "--no-fail-fast" not in options else (*STUCK, *FICKLE, *BROKEN)
    words = [image.partition(":")[0] for image in slow]
    return SHORT if any(one.image.partition(":")[0] in words for one in objects) else LONG


def _other(dice: random.Random, objects: tuple[Item, ...], deadly: bool) -> Stage:
    """Another verb, on one object or some."""
    workloads = [one for one in objects if one.kind in WORKLOADS and not one.invalid]
    verbs = ["create", "run", "delete"] + (["scale", "restart", "patch", "status"] if workloads else [])
    verb = dice.choice(verbs)
    count = dice.choices((0, 1, 2), (20, 50, 30))[0]
    if verb in ("scale", "restart", "patch", "status"):
        one = dice.choice(workloads)
        if verb == "scale" and one.kind == "DaemonSet":
            verb = "restart"
        return _on_one(dice, verb, one, _acts(dice, (one,), deadly, count))
    if verb == "run":
        job = Item(
            "Job", "run-3", image=dice.choice(("shop/job-ok:3", "shop/job-fail:3", "shop/migrate:3")), delay="1s"
        )
        return Stage("run", (job,), acts=_acts(dice, (job,), deadly, count))
    if verb == "create":
        made = (Item("ConfigMap", "made-1", tone="c"), Item("Deployment", "made-2", image="shop/web:3", replicas=2))
        return Stage("create", made, acts=_acts(dice, made, deadly, count))
    some = tuple(one for one in objects if one.kind in (*PLAIN, *WORKLOADS) and not one.invalid)[:4]
    return Stage("delete", some, acts=_acts(dice, some, deadly, count))


def _on_one(dice: random.Random, verb: str, one: Item, acts: tuple[Act, ...]) -> Stage:
    changed = replace(one, replicas=dice.randint(1, 4)) if verb == "scale" else one
    if verb == "patch":
        changed = replace(one, image=dice.choice((*GOOD, *BROKEN)).format(n=3))
    return Stage(verb, (changed,), timeout=_time_for((changed,), ()), acts=acts)


# -- what happens meanwhile

_WIRES = ("burst", "cut-before", "cut-after", "cut-midway", "cut-bytes", "hang-up", "html", "gone", "slow")
_DEADLY = ("kill-apiserver", "kill-etcd", "compact")
_RIVALS = ("rival-apply", "rival-update", "rival-delete", "rival-scale", "rival-annotate", "rival-image")
_PODS = ("delete-pod", "unready", "crash", "fail-pod")


def _acts(dice: random.Random, objects: Sequence[Item], deadly: bool, count: int) -> tuple[Act, ...]:
    groups = ("wires", "deadly", "rivals", "pods", "signal")
    made = []
    for group in dice.choices(groups, (35, 25, 15, 20, 12), k=count):
        made.append(_act(dice, "wires" if group == "deadly" and not deadly else group, objects))
    signals = [act for act in made if act.what.startswith("signal")]
    return tuple(act for act in made if act not in signals[1:])


def _act(dice: random.Random, group: str, objects: Sequence[Item]) -> Act:
    return {"wires": _wire, "deadly": _death, "rivals": _rival, "pods": _pod, "signal": _signal}[group](dice, objects)


def _moment(dice: random.Random, objects: Sequence[Item]) -> When:
    """Early requests are reads and dry runs, later ones writes, lists and watches."""
    return dice.choice(
        (
            When("request", dice.randint(1, 4 * len(objects) + 6)),
            When("write", dice.randint(1, max(1, len(objects)))),
            When("said", words="waiting for"),
            When("watch", dice.randint(1, 4)),
        )
    )


def _wire(dice: random.Random, objects: Sequence[Item]) -> Act:
    what = dice.choice(_WIRES)
    times = dice.randint(1, 4) if what != "burst" else dice.randint(1, 8)
    code = dice.choice((429, 429, 500, 503, 503)) if what == "burst" else 0
    times = min(times, 3) if code == 500 else times
    return Act(what, _moment(dice, objects), count=dice.randint(0, 900) if what == "cut-bytes" else times, code=code)


def _death(dice: random.Random, objects: Sequence[Item]) -> Act:
    what = dice.choices(_DEADLY, (50, 35, 15))[0]
    return Act(what, _moment(dice, objects), seconds=round(dice.uniform(0.1, 4.0), 1))


def _rival(dice: random.Random, objects: Sequence[Item]) -> Act:
    what = dice.choice(_RIVALS)
    fit = [one for one in objects if one.kind in _FIT[what] and not one.invalid]
    if not fit:
        return _wire(dice, objects)
    one = dice.choice(fit)
    return Act(what, _moment(dice, objects), f"{one.kind}/{one.name}")


_FIT: Mapping[str, Sequence[str]] = {
    "rival-apply": ("ConfigMap",),
    "rival-update": ("ConfigMap", "Secret"),
    "rival-delete": ("ConfigMap", "Secret", "Deployment", "StatefulSet", "Job"),
    "rival-scale": ("Deployment", "StatefulSet"),
    "rival-annotate": (*PLAIN, *WORKLOADS),
    "rival-image": ("Deployment", "StatefulSet"),
}


def _pod(dice: random.Random, objects: Sequence[Item]) -> Act:
    fit = [one for one in objects if one.kind in WORKLOADS and not one.invalid]
    if not fit:
        return _wire(dice, objects)
    one = dice.choice(fit)
    target = f"{one.kind}/{one.name}"
    when = dice.choice(
        (When("said", words="waiting for"), When("current", words=target), When("current", words=target))
    )
    return Act(dice.choice(_PODS), when, target, seconds=round(dice.uniform(0.2, 3.0), 1))


def _signal(dice: random.Random, objects: Sequence[Item]) -> Act:
    return Act(dice.choice(("signal-term", "signal-int")), _moment(dice, objects))
