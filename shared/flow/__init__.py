"""The steps of the system as straight lines: receive, drain, settle, report."""

from shared.flow.drain import drain
from shared.flow.finished import finished
from shared.flow.kit import Invocation, Kit
from shared.flow.receive import receive
from shared.flow.report import report
from shared.flow.retry import retry
from shared.flow.settle import settle

__all__ = ["Invocation", "Kit", "drain", "finished", "receive", "report", "retry", "settle"]
