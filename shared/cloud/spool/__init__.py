"""The state, as objects in OSS."""
