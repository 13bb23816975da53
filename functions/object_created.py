"""OSS trigger: objects were written, so the URLs that serve them are refreshed."""

from shared import flow, wiring

initialize = wiring.initialize
handler = wiring.entry(flow.receive)
