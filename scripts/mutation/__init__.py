"""Mutation testing of the pure modules that decide: what no test notices must be tested, or explained.

Our own, on the syntax tree, since neither well-kept tool fits (both looked at in 2026): mutmut 3.8 leaves out what is
decorated (each property here) and what stands outside functions (each limit and table), and knows no explanations but
comments in the source; cosmic-ray 8.7 rewrites the sources on disk, starts the whole test command for each mutant and
needs thirteen packages, a database among them. Here a mutant is injected as it is imported, in a fork of a
process that has all else imported, and only tests that reach the changed statement run.
"""
