"""A JSON list of rules goes in; the rules of each service come out, or a `ValueError` with a sentence for each fault.

A rule is an object: `service` (oss, cdn or sls), which calls it is about, and what is answered. See the README.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn import answers as cdn_answers
from scripts.localcloud.cloud import LocalCloud
from scripts.localcloud.oss import answers as oss_answers
from scripts.localcloud.sls import answers as sls_answers

KINDS: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list of texts",
    dict: "an object of texts",
}
ABOUT: Mapping[str, Mapping[str, type]] = {
    "cdn": {"operations": list, "urls": list, "domains": list, "times": int},
    "oss": {"methods": list, "buckets": list, "prefix": str, "params": list, "times": int},
    "sls": {"operations": list, "logstores": list, "record": dict, "times": int},
}
SAID: Mapping[str, type] = {
    "code": str,
    "status": int,
    "message": str,
    "details": dict,
    "body": str,
    "headers": dict,
    "redirect_to": str,
    "dropped": bool,
    "carried_out": bool,
}
SIZE_LIMIT = "bytes_max"
"""Of a rule for the CDN: only calls whose ObjectPath is larger."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a file, by service."""

    cdn: list[cdn_answers.CdnRule] = field(default_factory=list)
    oss: list[oss_answers.OssRule] = field(default_factory=list)
    sls: list[sls_answers.SlsRule] = field(default_factory=list)

    def apply(self, cloud: LocalCloud) -> None:
        """Let them hold, after those that hold already."""
        for each in fields(self):
            getattr(cloud, each.name).answers.extend(getattr(self, each.name))


def read_rules(text: str) -> Rules:
    """Read a file's text."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f"The rules are not JSON: {error}.") from None
    if not isinstance(given, list):
        raise ValueError("The rules are a JSON list.")  # noqa: TRY004 - a fault of the file, not of the program
    faults = [f"Rule {place}: {fault}" for place, each in enumerate(given, 1) for fault in _faults(each)]
    if faults:
        raise ValueError("\n".join(faults))
    rules = Rules()
    for each in given:
        getattr(rules, each["service"]).append(_MAKERS[each["service"]](each, _answer(each)))
    return rules


def _faults(given: Any) -> list[str]:
    if not isinstance(given, dict) or given.get("service") not in ABOUT:
        return [f"it is an object whose service is one of {', '.join(ABOUT)}."]
    known = {**ABOUT[given["service"]], **SAID}
    if given["service"] == "cdn":
        known[SIZE_LIMIT] = int
    return [
        f"{name} is {KINDS[known[name]]}." if name in known else f"{name} is unknown; {', '.join(known)} are known."
        for name, value in given.items()
        if name != "service" and (name not in known or not _is(value, known[name]))
    ]


def _is(value: Any, kind: type) -> bool:
    """Tell whether a value is of a kind; true is no number here, and what a list or an object holds is text."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return False
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(isinstance(each, str) for each in held)


def _answer(given: Mapping[str, Any]) -> Answer:
    said = {name: value for name, value in given.items() if name in SAID}
    return Answer(**{**said, "body": said.get("body", "").encode()})


def _about(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in ABOUT[given["service"]]}


def _cdn(given: Mapping[str, Any], answer: Answer) -> cdn_answers.CdnRule:
    most = given.get(SIZE_LIMIT)
    larger = cdn_answers.larger_than(most) if most is not None else None
    return cdn_answers.rule(answer, when=larger, **_about(given))


def _oss(given: Mapping[str, Any], answer: Answer) -> oss_answers.OssRule:
    return oss_answers.rule(answer, **_about(given))


def _sls(given: Mapping[str, Any], answer: Answer) -> sls_answers.SlsRule:
    about = _about(given)
    wanted = about.pop("record", None)
    if wanted is not None:
        about["record"] = lambda record: all(record.get(name) == value for name, value in wanted.items())
    return sls_answers.rule(answer, **about)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Answer], Any]] = {"cdn": _cdn, "oss": _oss, "sls": _sls}
