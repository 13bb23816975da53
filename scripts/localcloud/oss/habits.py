"""What OSS does otherwise than expected, where that is an assumption. Each field may be changed at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class OssHabits:
    """The switches that belong to no bucket and no single call."""

    event_ahead_seconds: float = 0.0
    """How far the times in events are ahead of OSS's own clock."""
    untold: Callable[[str, str], bool] | None = None
    """Of which changes no event comes, by the event's name (`ObjectCreated:PutObject`) and key: none is promised."""
    undeleted: Callable[[str, str], bool] | None = None
    """Which keys of which bucket a deletion of many leaves where they are, by bucket and key."""
    undeleted_are_told: bool = False
    """Such keys stand in the result as `Error` elements; else the result lists what was deleted and is silent."""

    def tells(self, event_name: str, key: str) -> bool:
        """Tell whether an event comes of a change."""
        return self.untold is None or not self.untold(event_name, key)

    def keeps(self, bucket: str, key: str) -> bool:
        """Tell whether a deletion of many leaves a key."""
        return self.undeleted is not None and self.undeleted(bucket, key)
