"""Alibaba Cloud on loopback, as far as functions and tests need it: OSS, CDN and edges, SLS, a function host."""
