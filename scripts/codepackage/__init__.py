"""The locked requirements, `functions/` and `shared/` go in; the code package for Function Compute comes out."""
