"""What goes now, what waits, and why."""
