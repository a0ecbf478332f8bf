"""The conditions of an object's status, in whatever form its controller writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from k8s_step.objects.metadata import Object, metadata_of

_LONGEST = 20  # one more than the digits of the largest int64
# Status fields in which the Gateway API nests conditions of routes, policies and a gateway's listeners, and the field
# in each entry that names the parent or ancestor (empty: the entry has a name itself).
# Source: RouteParentStatus, PolicyAncestorStatus and ListenerStatus of sigs.k8s.io/gateway-api.
_NESTED = {"parents": "parentRef", "ancestors": "ancestorRef", "listeners": ""}


class Condition(NamedTuple):
    """One condition. ``of``: the name of the parent, ancestor or listener that it is about, if any."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None
    of: str = ""

    @property
    def is_true(self) -> bool:
        """Whether its status is ``True``."""
        return self.status == "True"

    @property
    def told(self) -> str:
        """Its message, or ``Ready is False: Reason`` where it has none."""
        because = f": {self.reason}" if self.reason else ""
        text = self.message or f"{self.type} is {self.status or 'not set'}{because}"
        return f"{self.of}: {text}" if self.of else text

    def is_stale(self, obj: Object) -> bool:
        """Whether it is about an older generation of ``obj``."""
        seen, at = self.observed_generation, generation(obj)
        return seen is not None and at is not None and seen < at

    def is_unversioned(self, obj: Object) -> bool:
        """Whether it may be about an older generation of ``obj``, since no observedGeneration says otherwise."""
        if (generation(obj) or 1) == 1:
            return False
        return self.observed_generation is None and names_no_generation(obj)


def conditions(obj: Object) -> list[Condition]:
    """The object's own conditions, then those about its parents, ancestors and listeners."""
    found = status(obj)
    own = list(_read(found.get("conditions")))
    return own + [
        one for field, owner in _NESTED.items() for entry in _entries(found.get(field)) for one in _nested(entry, owner)
    ]


def condition(obj: Object, kind: str) -> Condition:
    """The object's own condition of type ``kind``; one with an empty status where it has none."""
    return next((one for one in _read(status(obj).get("conditions")) if one.type == kind), Condition(kind, ""))


def mapping(value: Any) -> Mapping[str, Any]:
    """``value``, or an empty mapping where it is of another type, as a custom resource's field may be."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in ``value``, a list; none where it is of another type."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def spec(obj: Object) -> Mapping[str, Any]:
    """The object's spec."""
    return mapping(obj.get("spec"))


def status(obj: Object) -> Mapping[str, Any]:
    """The object's status."""
    return mapping(obj.get("status"))


def generation(obj: Object) -> int | None:
    """``metadata.generation``."""
    return number(metadata_of(obj).get("generation"))


def names_no_generation(obj: Object) -> bool:
    """Whether the status does not name the generation that it is about."""
    return number(status(obj).get("observedGeneration")) is None


def number(value: Any) -> int | None:
    """``value`` as an int, also from decimal text, which some custom resources write; ``None`` for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _LONGEST:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _nested(entry: Mapping[str, Any], owner: str) -> Iterator[Condition]:
    named = mapping(entry.get(owner)) if owner else entry
    return _read(entry.get("conditions"), str(named.get("name") or ""))


def _read(found: Any, of: str = "") -> Iterator[Condition]:
    for entry in _entries(found):
        reason, message = (str(entry.get(name) or "") for name in ("reason", "message"))
        seen = number(entry.get("observedGeneration"))
        yield Condition(str(entry.get("type") or ""), _word(entry.get("status")), reason, message, seen, of)


def _entries(found: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _word(value: Any) -> str:
    """``True``, ``False`` or ``Unknown``, also for controllers that write JSON's booleans or another letter case."""
    text = "" if value is None else str(value)
    return text.capitalize() if text.lower() in ("true", "false", "unknown") else text
