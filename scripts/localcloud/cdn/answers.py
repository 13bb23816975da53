"""What a call of the CDN's API is about goes in; a rule for such calls comes out. See `scripts.localcloud.answers`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scripts.localcloud.answers import Answer, Rule
from scripts.localcloud.cdn.errors import ERRORS, RefusedError
from scripts.localcloud.cdn.paths import split_items, split_url

STATUS_OF_UNKNOWN_CODES = 400
TOO_LARGE_PAGE = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    b"<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n"
)
TOO_LARGE = Answer(status=413, body=TOO_LARGE_PAGE, headers={"Content-Type": "text/html"})


@dataclass(frozen=True)
class CdnCall:
    """One call: its operation and its parameters as they were sent."""

    operation: str
    params: Mapping[str, str]

    @cached_property
    def urls(self) -> frozenset[str]:
        """The URLs of its ObjectPath."""
        return frozenset(split_items(self.params.get("ObjectPath", "")))

    @cached_property
    def domains(self) -> frozenset[str]:
        """The domains of its URLs, and the one that a query names."""
        named = self.params.get("DomainName", "").lower()
        return frozenset(filter(None, {named, *map(_host, self.urls)}))


CdnRule = Rule[CdnCall]


def _host(url: str) -> str:
    try:
        return split_url(url)[0]
    except ValueError:
        return ""


def rule(
    answer: Answer,
    *,
    operations: Collection[str] = (),
    urls: Collection[str] = (),
    domains: Collection[str] = (),
    when: Callable[[CdnCall], bool] | None = None,
    times: int | None = None,
) -> CdnRule:
    """Answer so each call of one of `operations` that names one of `urls` or `domains`; what is empty fits every call.

    `when` narrows that further.
    """
    wanted_operations, wanted_urls = frozenset(operations), frozenset(urls)
    wanted_domains = frozenset(domain.lower() for domain in domains)

    def fits(call: CdnCall) -> bool:
        return (
            (not wanted_operations or call.operation in wanted_operations)
            and (not wanted_urls or not wanted_urls.isdisjoint(call.urls))
            and (not wanted_domains or not wanted_domains.isdisjoint(call.domains))
            and (when is None or when(call))
        )

    return Rule(answer, fits, times)


def size_limit(bytes_max: int, answer: Answer = TOO_LARGE) -> CdnRule:
    """Refuse each call whose ObjectPath has more than `bytes_max` bytes; by default as a proxy does, in HTML."""
    return rule(answer, when=larger_than(bytes_max))


def larger_than(bytes_max: int) -> Callable[[CdnCall], bool]:
    """Tell calls whose ObjectPath has more than `bytes_max` bytes."""
    return lambda call: len(call.params.get("ObjectPath", "").encode()) > bytes_max


def json_answer(document: Any, status: int = 200, *, carried_out: bool = False) -> Answer:
    """Answer with any document, such as `{"Code": "Throttling"}` or `{"Tasks": [None]}`."""
    body = json.dumps(document).encode()
    return Answer(status=status, body=body, headers={"Content-Type": "application/json"}, carried_out=carried_out)


def refusal_of(answer: Answer) -> RefusedError:
    """Turn an answer with a code into the refusal that it is; status and message default to those of the code."""
    status, message = ERRORS.get(answer.code, (STATUS_OF_UNKNOWN_CODES, f"{answer.code}."))
    return RefusedError.stated(answer.code, answer.status or status, answer.message or message)
