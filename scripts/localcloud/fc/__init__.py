"""Function Compute: what a template deploys, its triggers, and the processes that run it."""
