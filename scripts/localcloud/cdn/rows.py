"""How the vendor shows rows of tasks, where that is an assumption: a row goes in, its row in a reply comes out.

The defaults are complete, verbatim and prompt. Each field is a switch, and may be changed at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import unquote

from scripts.localcloud.cdn.auth import TIME_FORMAT
from scripts.localcloud.cdn.tasks import Row


@dataclass(frozen=True, slots=True)
class Spelling:
    """In what ways the URLs of rows differ from those that were sent."""

    percent_decoded: bool = False
    host_lower: bool = False
    http_scheme: bool = False
    scheme_dropped: bool = False
    slash_dropped: bool = False
    """A directory's last slash is not shown."""
    slash_added: bool = False
    """A path without a query ends with a slash."""

    def written(self, url: str) -> str:
        """Write a URL so."""
        scheme, _, rest = url.partition("://")
        host, _, target = rest.partition("/")
        if self.host_lower:
            host = host.lower()
        if self.percent_decoded:
            target = unquote(target)
        if self.slash_dropped:
            target = target.removesuffix("/")
        if self.slash_added and "?" not in target and not target.endswith("/"):
            target += "/"
        bare = f"{host}/{target}" if target or not self.slash_dropped else host
        if self.scheme_dropped:
            return bare
        return f"{'http' if self.http_scheme else scheme}://{bare}"


VERBATIM = Spelling()


@dataclass(slots=True)
class RowHabits:
    """The switches. Forms are named as rows name them: `file`, `directory`, `preload` and so on."""

    by_id_rows_max: int | None = None
    """Rows of one reply of DescribeRefreshTaskById, which has no pages; its TotalCount stays honest."""
    listed_rows_max: int | None = None
    """Rows of one reply of DescribeRefreshTasks: the page size is at most this, whatever was asked for."""
    type_names: Mapping[str, str] = field(default_factory=dict)
    """Other names for forms, such as `path` for `directory`."""
    spelling: Spelling = VERBATIM
    paths_match_as_shown: bool = False
    """A query by ObjectPath is compared with the URL as rows show it, not as it was sent."""
    visible_after_seconds: Mapping[str, float] = field(default_factory=dict)
    """How late the rows of a form appear."""
    vanish_after_seconds: float | None = None
    """How long after its acceptance a row is gone, long before the look-back."""
    hidden: Callable[[Row, float], bool] | None = None
    """Which rows are not shown, by row and time of the CDN."""
    statuses: Mapping[str, str] = field(default_factory=dict)
    """Other names for statuses, such as `Pending` for `Refreshing` or `Timeout` for `Failed`."""
    status_of: Callable[[Row, float], str] | None = None
    """The status that a row shows, by row and time of the CDN; an empty one is the true one."""

    @property
    def shows_all(self) -> bool:
        """Whether no row is ever hidden."""
        return not self.visible_after_seconds and self.vanish_after_seconds is None and self.hidden is None

    def shows(self, row: Row, now: float) -> bool:
        """Tell whether a row can be seen."""
        age = now - row.accepted
        gone = self.vanish_after_seconds is not None and age >= self.vanish_after_seconds
        if gone or age < self.visible_after_seconds.get(row.form, 0.0):
            return False
        return self.hidden is None or not self.hidden(row, now)

    def status(self, row: Row, now: float) -> str:
        """Return the status that a row shows."""
        chosen = self.status_of(row, now) if self.status_of is not None else ""
        return chosen or self.statuses.get(row.status, row.status)

    def path(self, row: Row) -> str:
        """Return the URL that a row shows."""
        return row.path if self.spelling is VERBATIM else self.spelling.written(row.path)

    def described(self, row: Row, now: float) -> dict[str, str]:
        """Write a row as the vendor does: every value is text."""
        return {
            "TaskId": row.task_id,
            "ObjectPath": self.path(row),
            "ObjectType": self.type_names.get(row.form, row.form),
            "Status": self.status(row, now),
            "Process": f"{row.percent(now)}%",
            "CreationTime": datetime.fromtimestamp(row.accepted, timezone.utc).strftime(TIME_FORMAT),
            "Description": row.description,
        }
