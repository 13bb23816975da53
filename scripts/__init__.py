"""The commands of the README and of CI, and the local cloud they run against."""
