"""Changes in: what OSS and the CDN tell."""
