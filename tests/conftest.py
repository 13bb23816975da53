"""Hypothesis settings of the whole tree: the same examples in every run, so that what is red here is red everywhere."""

from __future__ import annotations

from hypothesis import settings

# No deadline: shared machines stumble, and slowness has its own benchmarks. No database: nothing to remember.
settings.register_profile("deterministic", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("deterministic")
