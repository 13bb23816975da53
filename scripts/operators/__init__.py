"""The operators' program `cdnctl`: what stands in the spool can be seen and put right by a person."""
