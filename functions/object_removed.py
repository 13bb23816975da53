"""OSS trigger: objects were deleted, so the URLs that served them are refreshed before anything else."""

from shared import flow, wiring

initialize = wiring.initialize
handler = wiring.entry(flow.receive)
