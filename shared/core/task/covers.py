"""Does one target reach what another asks for: one question, answered here and nowhere else."""

from __future__ import annotations

from shared.core.task.model import Cause, Form, Kind, Lane, Target, Task


def covers(one: Target, other: Target) -> bool:
    """Whether `one` reaches every URL that `other` asks for; what they do there, they may do at different times."""
    if (one.provider, one.account) != (other.provider, other.account):
        return False
    if (one.form, one.url) == (other.form, other.url):
        return True
    bare = other.url.partition("?")[0]
    if one.form is Form.IGNORE_PARAMS:
        return other.form is Form.FILE and one.url == bare
    if one.form is Form.DIRECTORY:
        return other.form is not Form.REGEX and one.url.endswith("/") and bare.startswith(one.url)
    return False


def refreshes_of(target: Target) -> list[Target]:
    """List the refreshes that would reach a target: `covers` holds of each, and of no refresh that is not here."""
    bare = target.url.partition("?")[0]
    is_pattern = target.form is Form.REGEX
    folders = [] if is_pattern else [bare[: end + 1] for end, sign in enumerate(bare) if sign == "/"]
    reaching = [(target.form, target.url), *((Form.DIRECTORY, folder) for folder in folders)]
    if target.form is Form.FILE:
        reaching.append((Form.IGNORE_PARAMS, bare))
    return [
        Target(Kind.REFRESH, form, url, force, target.provider, target.account)
        for form, url in dict.fromkeys(reaching)
        for force in (False, True)
    ]


def source_name(cause: Cause) -> str:
    """A text that names an object, for indexes."""
    return f"object\n{cause.bucket}\n{cause.key}"


def voids(removal: Task, prefetch: Task) -> bool:
    """Whether a refresh is for the removal of an object, at a later time than a prefetch of it is about."""
    return (
        removal.lane is Lane.REMOVED
        and prefetch.target.kind is Kind.PREFETCH
        and removal.cause.source == prefetch.cause.source
        and removal.cause.time > prefetch.cause.time
    )


def names_of(task: Task) -> list[str]:
    """List the names under which a task is found in an index: its target, and of a prefetch its object."""
    if task.target.kind is Kind.PREFETCH:
        return [task.target.name, source_name(task.cause)]
    return [task.target.name]
