"""What a site is: which objects of a bucket are served under which URLs, and what a change asks for."""

from __future__ import annotations

from enum import Enum
from functools import cached_property

import msgspec

from shared.core.site.globs import matches
from shared.core.site.patterns import Index
from shared.core.site.spelling import Encode, Spelling, encoders
from shared.core.task.model import Action, ObjectChange

EXCLUDE, INDEX, INCLUDE = "exclude", "index", "include"
"""Names of the rules that short forms of a site file stand for."""


class Then(str, Enum):
    """What a change asks for."""

    REFRESH = "refresh"
    PREFETCH = "prefetch"
    REFRESH_THEN_PREFETCH = "refresh-then-prefetch"
    IGNORE = "ignore"


class ThenRemoved(str, Enum):
    """What a removal asks for: there is nothing left to prefetch."""

    REFRESH = "refresh"
    IGNORE = "ignore"


class WhenSpent(str, Enum):
    """What becomes of a refresh of every query once its units of the day are spent."""

    WAIT = "wait"
    DIRECTORY = "directory"


class Domain(msgspec.Struct, frozen=True):
    """An accelerated domain. With a custom cache key the CDN cannot refresh single URLs of it."""

    name: str
    custom_cache_key: bool = False


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What else goes stale with some keys (no patterns: with all), and what a change of these asks for.

    `urls`, `every_query` and `directories` are templates, see templates.py; None leaves a decision to later rules.
    """

    name: str = ""
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    every_query: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    created: Then | None = None
    removed: ThenRemoved | None = None
    new: Then | None = None

    def then(self, change: ObjectChange) -> Then | None:
        """Tell what this rule says that a change asks for, if it says so; `created` is about new objects too."""
        if change.action is Action.REMOVED:
            return None if self.removed is None else Then(self.removed.value)
        return self.new if change.is_new and self.new is not None else self.created

    def pattern_for(self, key: str) -> str:
        """Name the pattern by which this rule is about a key."""
        return next((pattern for pattern in self.keys if matches(pattern, key)), "")


class Site(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """Objects of one bucket below one key prefix, and how they are served.

    `path` takes the place of `prefix` in URLs; "" means that URLs show whole keys. `new` is None where new objects are
    treated like all created ones. Without `whole_domain` no task may be a whole domain. With `follow_links` a change of
    an object is one of the symlinks that lead to it, too (links.py).
    """

    name: str
    bucket: str
    domains: tuple[Domain, ...]
    prefix: str = ""
    scheme: str = "https"
    path: str = ""
    rules: tuple[Rule, ...] = ()
    created: Then = Then.REFRESH
    removed: ThenRemoved = ThenRemoved.REFRESH
    new: Then | None = None
    spellings: tuple[Spelling, ...] = (Spelling.BROWSER, Spelling.STRICT)
    whole_domain: bool = False
    when_spent: WhenSpent = WhenSpent.WAIT
    follow_links: bool = False

    @cached_property
    def encoders(self) -> tuple[Encode, ...]:
        """The functions that write paths as this site's clients do; the first is what is prefetched."""
        return encoders(self.spellings)

    @cached_property
    def _index(self) -> Index:
        return Index(rule.keys for rule in self.rules)

    @property
    def folder(self) -> str:
        """The folder that URLs of its keys lie in at least; `/` where some lie at the top."""
        path = self.path or "/" + self.prefix
        return path[: path.rfind("/") + 1]

    def serves(self, bucket: str, key: str) -> bool:
        """Whether an object is one of this site's."""
        return bucket == self.bucket and key.startswith(self.prefix)

    def rules_for(self, key: str) -> list[Rule]:
        """List the rules that are about a key, in the order of the file."""
        return [self.rules[number] for number in self._index.matching(key)]

    def then(self, change: ObjectChange, rules: list[Rule]) -> tuple[Then, Rule | None]:
        """Tell what a change asks for, and the rule that says so: of those about its key the first that names it."""
        for rule in rules:
            then = rule.then(change)
            if then is not None:
                return then, rule
        if change.action is Action.REMOVED:
            return Then(self.removed.value), None
        return (self.new if change.is_new and self.new is not None else self.created), None


def why_ignored(change: ObjectChange, rule: Rule | None) -> str:
    """Say why nothing is done about a change."""
    what = "new" if change.is_new and (rule is None or rule.new is not None) else change.action.value
    if rule is None:
        return f"the site ignores {what} objects that no rule names"
    pattern = rule.pattern_for(change.key)
    return f"rule {rule.name} ignores {what} objects" + (f" that match {pattern!r}" if pattern else "")
