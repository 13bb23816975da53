"""The steps of the system as straight lines: receive an event, drain the spool."""

from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.receive import receive
from shared.flow.retry import retry

__all__ = ["Invocation", "Kit", "drain", "receive", "retry"]
