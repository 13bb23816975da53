"""The CDN: its API, and what is particular to it."""
