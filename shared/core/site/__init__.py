"""Which objects are served under which URLs."""
