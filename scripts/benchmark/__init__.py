"""The figures of the README, by command; ratios are of one run on the same work, since machines are noisy."""
