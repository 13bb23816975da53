"""The CDN's API: refreshes, prefetches, quotas, limits and the task list."""
