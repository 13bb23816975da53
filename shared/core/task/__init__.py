"""A task: its life, its stored forms, and what the CDN says of it."""
