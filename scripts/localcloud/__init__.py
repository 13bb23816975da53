"""Alibaba Cloud on loopback, as far as functions and tests need it: OSS, the CDN and its edges, SLS, a function host."""
