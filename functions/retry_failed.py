"""Timer: submissions are followed to their end, and what failed or had to wait goes again once it is due."""

from shared import flow, wiring

initialize = wiring.initialize
handler = wiring.entry(flow.retry)
