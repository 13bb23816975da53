"""The proof that nothing is lost: a seeded simulation of the whole system, and an oracle that judges each run."""
