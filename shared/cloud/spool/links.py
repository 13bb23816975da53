"""What is known of symlinks, as objects in the spool; and the content buckets, which are asked where a link leads.

    asks/DUE-NAME   a link whose target is to be asked for, from when on
    index/links     which links lead to which objects; rewritten by the holder of the lease `links` only

Why no change is lost by it stands in core/site/links.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from shared.cloud.clock import OssClock
from shared.cloud.spool.bucket import Bucket
from shared.core.errors import StoreError
from shared.core.site.links import INDEX_KEPT_SECONDS
from shared.core.task.codec import Undecodable
from shared.core.task.links import Ask, Links, ask_key, decode_ask, decode_links, due_of, encode_ask, encode_links

INDEX_KEY = "index/links"
SYMLINK = "Symlink"
_NO_LINK = frozenset({"NoSuchKey", "NotSymlink"})

SetAside = Callable[[str, bytes, Undecodable], None]


class LinkStore:
    """The links of one spool. Methods raise `StoreError`.

    `content` gives a bucket by its name; `set_aside` keeps what cannot be decoded; `tell` gets a sentence and details.
    """

    def __init__(
        self,
        bucket: Bucket,
        content: Callable[[str], Bucket],
        time: OssClock,
        set_aside: SetAside,
        tell: Callable[..., object],
    ) -> None:
        self._bucket, self._content, self._time = bucket, content, time
        self._set_aside, self._tell = set_aside, tell
        self._known, self._read_at = Links(), float("-inf")

    # -- the index -----------------------------------------------------------------------------------

    def known(self) -> Links:
        """Give the index as it was at most `INDEX_KEPT_SECONDS` ago, by this machine's own clock, which nobody sets."""
        now = self._time.own()
        if not 0 <= now - self._read_at < INDEX_KEPT_SECONDS:
            self._known, self._read_at = self._read(), now
        return self._known

    def index(self) -> Links:
        """Read the index, for the holder of the lease; one that cannot be decoded is set aside, and a new one begun."""
        body = self._bucket.get(INDEX_KEY)
        try:
            return decode_links(body) if body else Links()
        except Undecodable as fault:
            self._set_aside(INDEX_KEY, body or b"", fault)
            self._bucket.delete([INDEX_KEY])
            self._tell_of_loss(fault)
            return Links()

    def write(self, links: Links) -> None:
        """Write the index in place of the last one."""
        self._bucket.put(INDEX_KEY, encode_links(links))

    def _read(self) -> Links:
        """Read the index, for whoever may not write it; without one that can be decoded nothing is known."""
        body = self._bucket.get(INDEX_KEY)
        try:
            return decode_links(body) if body else Links()
        except Undecodable as fault:
            self._tell_of_loss(fault)
            return Links()

    def _tell_of_loss(self, fault: Undecodable) -> None:
        self._tell(
            "alarm",
            alarm="the index of links cannot be read: a change of an object reaches no link that leads to it",
            remedy="run `./scripts/cdnctl links scan`: it makes the index anew and has its links refreshed",
            reason=str(fault),
        )

    # -- asks ----------------------------------------------------------------------------------------

    def put(self, asks: Iterable[tuple[Ask, float]]) -> set[str]:
        """Make asks durable, each with when it is due; returns their keys."""
        bodies = {ask_key(ask, due): encode_ask(ask) for ask, due in asks}
        if bodies:
            self._bucket.put_many({f"asks/{key}": body for key, body in bodies.items()})
        return set(bodies)

    def due(self, most: int) -> list[str]:
        """List the first asks that are due, by their keys."""
        entries = self._bucket.list("asks/", most=most).entries
        keys = [entry.key.removeprefix("asks/") for entry in entries]
        return [key for key in keys if due_of(key) <= self._time.now()]

    def waiting(self) -> tuple[list[float], bool]:
        """List when the first asks are due, in epoch seconds, and tell whether there are more: one look."""
        listing = self._bucket.list("asks/")
        return [due_of(entry.key.removeprefix("asks/")) for entry in listing.entries], listing.more

    def asks(self, keys: Iterable[str]) -> dict[str, Ask]:
        """Read asks, by key; those that are gone are absent, those that cannot be decoded are set aside."""
        found = {}
        for name, body in self._bucket.get_many(f"asks/{key}" for key in keys).items():
            try:
                found[name.removeprefix("asks/")] = decode_ask(body)
            except Undecodable as fault:  # noqa: PERF203 - each for itself
                self._set_aside(name, body, fault)
                self._bucket.delete([name])
        return found

    def delete(self, keys: Iterable[str]) -> None:
        """Delete asks that were answered."""
        self._bucket.delete(f"asks/{key}" for key in keys)

    # -- content buckets -----------------------------------------------------------------------------

    def targets(self, bucket: str, keys: Sequence[str]) -> Mapping[str, str | StoreError | None]:
        """Ask where links lead, several at a time: the key of the target, None where there is no link, or the error."""
        content = self._content(bucket)

        def target(key: str) -> str | StoreError | None:
            try:
                return content.symlink(key)
            except StoreError as error:
                return None if error.code in _NO_LINK else error

        return dict(zip(keys, content.each(target, keys), strict=True))

    def symlinks(self, bucket: str, prefix: str) -> Iterator[list[str]]:
        """List the keys of all links below a prefix, page by page."""
        content, after, more = self._content(bucket), "", True
        while more:
            listing = content.list(prefix, after)
            yield [entry.key for entry in listing.entries if entry.kind == SYMLINK]
            after, more = listing.last, listing.more
