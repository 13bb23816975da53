"""The command line goes in; what an operator asked for comes out, or one sentence about why not."""

from scripts.operators.cli import cli

if __name__ == "__main__":
    cli(prog_name="cdnctl")
