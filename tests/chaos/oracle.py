"""What the verdict of a run had to be, by the cluster's own records alone.

Each rule yields what it can prove to be wrong; where the records leave a doubt (an answer of a rival that was lost, a
moment that was too near) it keeps silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.chaos.currency import broken, content, holds, in_effect, is_current, managers
from tests.chaos.record import Key, Object, Record, State, Wanted

MANAGER = "k8s-step"
TOLD_SECONDS = 2.0  # from an event that was sent to the step until it has surely read it
SEEN_SECONDS = 5.0  # from a change in etcd until a step whose watches are up has surely been told
CALM_SECONDS = 12.0  # without any fault, until all watches are surely up again
CANCEL_SECONDS = 8.0  # promised is one; the machine may be busy
PATIENCE_SECONDS = 20.0  # a server that is away for less than this is waited for
TIMEOUT_SLACK = 1.0
RESULTS = {
    0: "succeeded",
    1: "failed",
    2: "invalid",
    3: "timed_out",
    4: "refused",
    5: "unreachable",
    6: "rolled_back",
    130: "cancelled",
    143: "cancelled",
}
REFUSALS = (400, 405, 409, 413, 415, 422)
SIGNALS = {130: "signal-int", 143: "signal-term"}
KEPT = ("CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim")
_OWNED_BY_NOBODY = ("ConfigMap", "Secret", "Service", "Deployment", "StatefulSet", "DaemonSet", "Job", "Widget")


@dataclass(frozen=True)
class Violation:
    """A rule that a run broke."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.message}"


def judge(record: Record) -> list[Violation]:
    """All that is surely wrong with a run."""
    return [Violation(rule.__name__, where, message) for rule in RULES for where, message in rule(record)]


def unwell(record: Record) -> list[Key]:
    """What was not as wanted, or not current, when the run ended."""
    return [wanted.key for wanted in record.wanted if not _is_well(record, wanted, _window(record, wanted.key)[-1])]


Found = Iterator[tuple[str, str]]


# -- the process


def ended(record: Record) -> Found:
    code = record.ended.code
    if code is None:
        yield "process", f"hung: killed after {record.seconds:.0f} s"
    elif code not in RESULTS:
        yield "process", f"exit code {code}"
    elif code == 2:
        yield "process", "called the input bad, which is good"


def clean(record: Record) -> Found:
    for name, text in record.ended.texts.items():
        if "Traceback (most recent call last)" in text or "a bug of k8s-step" in text:
            yield name, "a traceback"
    yield from ((one, "was left behind") for one in record.ended.left)


def secret(record: Record) -> Found:
    for name, text in record.ended.texts.items():
        shown = "\n".join(line for line in text.splitlines() if not line.startswith("::add-mask::"))
        yield from ((name, f"a secret came out: {one[:4]}…") for one in record.secrets if one in shown)


def reported(record: Record) -> Found:
    report, code = record.ended.report, record.ended.code
    if code is None:
        return
    if report is None:
        yield "report.json", "not there, or no JSON"
    elif (report.get("exit_code"), report.get("result")) != (code, RESULTS.get(code)):
        yield "report.json", f"says {report.get('result')} {report.get('exit_code')}, the exit code is {code}"


# -- exit 0


def true_green(record: Record) -> Found:
    """Each object was as wanted and current after the last write, and nothing known before the end said otherwise."""
    if record.ended.code != 0:
        return
    for wanted in record.wanted:
        if any(deed.key == wanted.key and deed.unsure for deed in record.deeds):
            continue
        yield from _green(record, wanted)


def _green(record: Record, wanted: Wanted) -> Found:
    states = _since_last_write(record, wanted.key)
    if not any(_is_well(record, wanted, state) for state in states):
        yield str(wanted.key), "exit 0, but never as it had to be: neither when it was written nor later"
    elif record.conditions.wait and not wanted.gone:
        yield from _told_otherwise(record, wanted)
        yield from _fell_back(record, wanted)


def _told_otherwise(record: Record, wanted: Wanted) -> Found:
    """The last event that the step was sent of it, some time before its end."""
    told = [one for one in record.heard if one.key == wanted.key and one.at <= record.ended.at]
    if not told or record.ended.at - told[-1].at < TOLD_SECONDS or _was_read_since(record, wanted.key, told[-1].at):
        return
    if told[-1].revision < _last_write(record, wanted.key):
        return
    state = _state_at(record, wanted.key, told[-1].revision)
    if told[-1].type == "DELETED" or (state and not _is_well(record, wanted, state)):
        seconds = record.ended.at - told[-1].at
        yield str(wanted.key), f"exit 0, {seconds:.1f} s after an event ({told[-1].type}) that it is not well"


def _fell_back(record: Record, wanted: Wanted) -> Found:
    """It has not been well for the last seconds, in which nothing kept the step from seeing it."""
    end = record.ended.at
    if _faults_between(record, end - CALM_SECONDS, end):
        return
    states = in_effect(record.states, wanted.key, record.first, record.last)
    recent = [one for one, after in pairwise([*states, None]) if after is None or after.at > end - SEEN_SECONDS]
    recent = [one for one in recent if one.at <= end]
    if recent and end - recent[0].at > SEEN_SECONDS and not any(_is_well(record, wanted, one) for one in recent):
        yield str(wanted.key), f"exit 0, but it had not been well for {end - recent[0].at:.1f} s"


def _is_well(record: Record, wanted: Wanted, state: State) -> bool:
    if wanted.gone:
        return state.object is None or bool(state.object["metadata"].get("deletionTimestamp"))
    if state.object is None:
        return False
    scaled = any(deed.key == wanted.key and deed.what == "rival-scale" for deed in record.deeds)
    is_held = holds(wanted.body, state.object, without=("replicas",) if scaled else ())
    return is_held and (is_current(state.object) or not record.conditions.wait)


# -- exit 1


def true_red(record: Record) -> Found:
    """Something of the release was really broken, and so was each object that is blamed."""
    if record.ended.code != 1 or _went_back_badly(record):
        return
    reasons = {wanted.key: _reasons(record, wanted.key) for wanted in record.wanted}
    if not any(reasons.values()):
        yield "release", "exit 1, but nothing of it was broken"
        return
    for failure in _failures(record):
        key = _key_of_path(str(failure.get("object")))
        is_late = record.seconds >= record.conditions.timeout and key in unwell(record)
        if key in reasons and not reasons[key] and not is_late:
            yield str(key), f"blamed for {failure.get('reason')}, but it was not broken"


def _reasons(record: Record, key: Key) -> list[str]:
    deeds = [deed.what for deed in record.deeds if deed.key == key]
    return [*broken(record.states, key, record.first, record.last), *deeds]


def _went_back_badly(record: Record) -> bool:
    rollback = (record.ended.report or {}).get("rollback")
    return bool(rollback) and not rollback.get("complete")


def _failures(record: Record) -> list[Any]:
    return list((record.ended.report or {}).get("failures") or ())


# -- exits 3, 4, 5, 130, 143


def true_timeout(record: Record) -> Found:
    if record.ended.code != 3:
        return
    if record.seconds < record.conditions.timeout - TIMEOUT_SLACK:
        yield "release", f"timed out after {record.seconds:.1f} s of {record.conditions.timeout:.0f} s"
    end = record.ended.at
    if _faults_between(record, end - CALM_SECONDS, end) or not record.conditions.wait:
        return
    if all(_was_well_for(record, wanted, SEEN_SECONDS) for wanted in record.wanted):
        yield "release", f"timed out, but all had been well for {SEEN_SECONDS:.0f} s"


def _was_well_for(record: Record, wanted: Wanted, seconds: float) -> bool:
    since = record.ended.at - seconds
    states = in_effect(record.states, wanted.key, record.first, record.last)
    recent = [one for one, after in pairwise([*states, None]) if after is None or after.at > since]
    return all(_is_well(record, wanted, one) for one in recent)


def true_refusal(record: Record) -> Found:
    """The server really said no. The token may do all: 401 and 403 are of a server that has only just started."""
    if record.ended.code != 4:
        return
    reads = () if record.conditions.verb == "apply" else (404,)
    codes = [one.code for one in record.asked if one.code and (one.method != "GET" or one.code in (*REFUSALS, *reads))]
    refused = [code for code in codes if code in REFUSALS or code == 404]
    if not refused and not any(one.code == 500 and one.method == "POST" for one in record.asked):
        yield "release", f"refused, but the server only said {sorted(set(codes))}"


def nothing_half_done(record: Record) -> Found:
    """What the server's dry run refuses changes nothing."""
    if record.conditions.invalid and record.conditions.preflight and record.conditions.verb == "apply":
        for wanted in record.wanted:
            if _own_changes(record, wanted.key):
                yield str(wanted.key), "was written, though one manifest of the release is invalid"


def true_unreachable(record: Record) -> Found:
    """A server that has never answered is soon given up: it is more likely a wrong address."""
    has_answered = any(one.code and one.code < 500 and not one.fault for one in record.asked)
    if record.ended.code == 5 and has_answered and record.seconds < record.conditions.timeout - TIMEOUT_SLACK:
        longest = _longest_outage(record)
        if longest < PATIENCE_SECONDS:
            yield "release", f"unreachable, but the server was never away for more than {longest:.1f} s"


def _longest_outage(record: Record) -> float:
    """The longest time in which requests of the step came, and none was answered well."""
    good = [one.at for one in record.asked if one.code and one.code < 500 and not one.fault]
    marks = [record.ended.begun, *sorted(good), record.ended.at]
    return max(after - before for before, after in pairwise(marks))


def true_cancel(record: Record) -> Found:
    signals = [deed for deed in record.deeds if deed.what in SIGNALS.values()]
    code = record.ended.code
    if code in SIGNALS and SIGNALS[code] not in [deed.what for deed in signals]:
        yield "process", f"exit {code}, but nobody sent that signal"
    for deed in signals:
        seconds = record.ended.at - deed.at
        if seconds > CANCEL_SECONDS:
            yield "process", f"went on for {seconds:.1f} s after a signal"
        elif code not in SIGNALS and seconds > CANCEL_SECONDS / 2:
            yield "process", f"exit {code}, {seconds:.1f} s after a signal"


# -- what was written


def true_actions(record: Record) -> Found:
    """The report's word for each object, against what the history shows of this run's own writes."""
    if record.ended.report is None:
        return
    for entry in record.ended.report.get("objects") or ():
        key = _key_of_entry(entry)
        if any(deed.key == key and deed.unsure for deed in record.deeds):
            continue
        message = _ACTIONS.get(str(entry.get("action")), _nothing)(record, key, str(entry.get("action")))
        if message:
            yield str(key), message


def _nothing(record: Record, key: Key, action: str) -> str:
    return f"an action that is not known: {action}"


def _untouched(record: Record, key: Key, action: str) -> str:
    changes = _own_changes(record, key)
    return f"reported {action}, but this run wrote it (revision {changes[0].revision})" if changes else ""


def _made(record: Record, key: Key, action: str) -> str:
    made = [after for before, after in _transitions(record, key) if before.object is None and after.object is not None]
    return "" if made else "reported created, but it was not"


def _changed(record: Record, key: Key, action: str) -> str:
    return "" if _own_changes(record, key) else f"reported {action}, but this run did not write it"


def _removed(record: Record, key: Key, action: str) -> str:
    return "" if any(_is_gone(one) for one in _window(record, key)) else f"reported {action}, but it was never gone"


def _unsure(record: Record, key: Key, action: str) -> str:
    """Of what is unknown, an answer must have been missing."""
    asked = [one for one in record.asked if one.is_write and (one.code is None or one.code >= 500 or one.fault)]
    is_cancelled = record.ended.code in SIGNALS
    return "" if asked or is_cancelled else "reported unknown, but each write was answered"


_ACTIONS: dict[str, Callable[[Record, Key, str], str]] = {
    "none": _untouched,
    "unchanged": _untouched,
    "created": _made,
    "configured": _changed,
    "replaced": _changed,
    "deleted": _removed,
    "pruned": _removed,
    "unknown": _unsure,
}


def nothing_else(record: Record) -> Found:
    """What is not of this release is as it was, but for what others did."""
    wanted = {one.key for one in record.wanted}
    others = {one.key for one in record.states if one.key.kind in _OWNED_BY_NOBODY} - wanted
    for key in others:
        if key.name == "kube-root-ca.crt" or any(deed.key == key for deed in record.deeds):
            continue
        if _is_owned(record, key):
            continue
        for before, after in _transitions(record, key):
            if content(before.object) != content(after.object):
                yield str(key), f"is not of this release, and was changed (revision {after.revision})"


def true_rollback(record: Record) -> Found:
    """After exit 6 all is as before; of what else was said to be back, that is so."""
    entries = (record.ended.report or {}).get("objects") or ()
    back = {_key_of_entry(entry) for entry in entries if entry.get("rolled_back") in ("restored", "deleted")}
    keys = {one.key for one in record.wanted} if record.ended.code == 6 else back
    for key in sorted(keys):
        if key.kind in KEPT or any(deed.key == key for deed in record.deeds):
            continue
        window = _window(record, key)
        if content(window[0].object) != content(window[-1].object):
            yield str(key), "is said to be as before, but is not"
    if record.ended.code == 6 and not record.conditions.rollback:
        yield "release", "rolled back, which nobody asked for"


# -- reading the records


def _window(record: Record, key: Key) -> list[State]:
    return in_effect(record.states, key, record.first, record.last)


def _transitions(record: Record, key: Key) -> list[tuple[State, State]]:
    return list(pairwise(_window(record, key)))


def _own_changes(record: Record, key: Key) -> list[State]:
    """The states that this run wrote: changes that are neither a rival's nor a controller's."""
    theirs = {number for deed in record.deeds if deed.key == key for number in deed.revisions}
    deleted = any(deed.key == key and deed.what == "rival-delete" for deed in record.deeds)
    found = []
    for before, after in _transitions(record, key):
        if after.revision in theirs or (deleted and _is_gone(after)):
            continue
        was, now = managers(before.object, MANAGER), managers(after.object, MANAGER)
        is_other = content(before.object) != content(after.object) or _generation(before) != _generation(after)
        if was != now or is_other:
            found.append(after)
    return found


def _generation(state: State) -> Any:
    """A write that looks like none: nothing is there where an empty list was."""
    return state.object["metadata"].get("generation") if state.object is not None else None


def _last_write(record: Record, key: Key) -> int:
    changes = _own_changes(record, key)
    return changes[-1].revision if changes else record.first


def _since_last_write(record: Record, key: Key) -> list[State]:
    return in_effect(record.states, key, _last_write(record, key), record.last)


def _state_at(record: Record, key: Key, revision: int) -> State | None:
    return next((one for one in record.states if one.key == key and one.revision == revision), None)


def _is_gone(state: State) -> bool:
    return state.object is None or bool(state.object["metadata"].get("deletionTimestamp"))


def _is_owned(record: Record, key: Key) -> bool:
    states = [one.object for one in _window(record, key) if one.object is not None]
    return any(one["metadata"].get("ownerReferences") for one in states)


def _was_read_since(record: Record, key: Key, at: float) -> bool:
    """Whether the step asked for it otherwise after that: what it was answered then is not in the events."""
    ends = (f"/{key.kind.lower()}s", f"/{key.name}")
    return any(one.at >= at - TOLD_SECONDS and one.path.endswith(ends) for one in record.asked)


def _faults_between(record: Record, first: float, last: float) -> bool:
    deeds = any(deed.key is None and first <= deed.at <= last for deed in record.deeds)
    return deeds or any(first <= one.at <= last and (one.fault or (one.code or 500) >= 429) for one in record.asked)


def _key_of_entry(entry: Object) -> Key:
    return Key(str(entry.get("kind")), str(entry.get("namespace") or ""), str(entry.get("name")))


def _key_of_path(path: str) -> Key:
    """``apps/v1/Deployment/shop/web``, without a namespace of what has none."""
    parts = path.split("/")
    versions = 1 if parts[0] == "v1" else 2
    kind, *rest = parts[versions:]
    return Key(kind, "" if len(rest) == 1 else rest[0], rest[-1])


RULES: tuple[Callable[[Record], Found], ...] = (
    ended,
    clean,
    secret,
    reported,
    true_green,
    true_red,
    true_timeout,
    true_refusal,
    nothing_half_done,
    true_unreachable,
    true_cancel,
    true_actions,
    nothing_else,
    true_rollback,
)
