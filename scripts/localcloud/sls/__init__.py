"""The log service: records are written and searched."""
