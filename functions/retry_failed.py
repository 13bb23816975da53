"""Timer: what could not be submitted when its event came is submitted once it is due."""

from shared import flow, wiring

initialize = wiring.initialize
handler = wiring.entry(flow.retry)
