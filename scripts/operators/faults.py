"""What can fail at an operator's desk in; one sentence that says what to do about it out."""

from __future__ import annotations

from typing import IO, Any

import click
import msgspec

from shared.core.checked import Invalid
from shared.core.errors import StoreError
from shared.core.foreign import escaped

_BAD_KEYS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSecurityToken",
        "SecurityTokenExpired",
        "InvalidAccessKeySecret",
    }
)


class Fault(click.ClickException):
    """Ends the program with a sentence on stderr and status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence."""
        say(self.format_message(), file)


def say(sentence: str, file: IO[Any] | None = None) -> None:
    """Print one line on stderr."""
    click.echo(f"cdnctl: {plain(sentence)}", file=file, err=file is None)


def plain(text: str) -> str:
    """Make a text of any origin fit for one line of a terminal: what could move the cursor is spelled out."""
    return escaped(text)


def sentence_of(error: Exception) -> str:
    """Say what is wrong and what to look at."""
    if isinstance(error, Invalid):
        return "; ".join(error.faults)
    if isinstance(error, StoreError):
        # What the client says of a network that is not there is its own inside, a paragraph of it.
        detail = str(error).partition(": Unreachable: ")[0]
        return f"the spool cannot be used, {_look_at(error)} ({detail})"
    if isinstance(error, msgspec.DecodeError):
        return f"an object of the spool is not one that this version wrote: {error}"
    return str(error)


def _look_at(error: StoreError) -> str:
    if error.code == "NoSuchBucket":
        return "there is no such bucket: check SPOOL_BUCKET and REGION"
    if error.code in _BAD_KEYS:
        return "the access key is not good: check ALIBABA_CLOUD_ACCESS_KEY_ID, _SECRET and _SECURITY_TOKEN"
    if error.code == "AccessDenied":
        return "this access key may not do that there: it needs to list, read, write and delete objects"
    if error.code == "Unreachable":
        return "nothing answers: check REGION, OSS_ENDPOINT and the network"
    return "OSS refuses"
