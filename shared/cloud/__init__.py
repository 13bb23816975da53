"""I/O: one module per outside thing, domain types in and out."""
