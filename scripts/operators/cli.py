"""The root of the operators' program: options that all commands share, and one sentence for each thing that fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from scripts.operators.check import check
from scripts.operators.dead import dead
from scripts.operators.desk import Connect, Desk, connect
from scripts.operators.faults import Fault, plain, sentence_of
from scripts.operators.links import links
from shared.cloud.credentials import MissingCredentials
from shared.core.checked import Invalid
from shared.core.errors import CdnError, StoreError


class OneSentence(click.Group):
    """A group whose commands fail with one sentence and status 1, never with a traceback of what is outside."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(plain(error.message), error.ctx) from error
        except BrokenPipeError:
            raise  # whoever reads has had enough, of which click says nothing
        except OSError as error:
            raise Fault(f"what was found cannot be written: {error.strerror}") from error
        except (StoreError, CdnError, Invalid, MissingCredentials, msgspec.DecodeError) as error:
            raise Fault(sentence_of(error)) from error


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--local",
    type=click.Path(path_type=Path),
    metavar="READY_FILE",
    help="Work on a running local cloud instead: the file that its `serve` wrote.",
)
@click.pass_context
def cli(context: click.Context, local: Path | None) -> None:
    """Check a site file; see and put right what the CDN refresh functions left behind.

    Settings come from the functions' environment variables (SPOOL_BUCKET, REGION, LOG_PROJECT, LOGSTORE, ...), keys
    from ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN.
    """
    connected: Connect = context.obj or connect
    context.obj = Desk(lambda: connected(os.environ, local))


cli.add_command(check)
cli.add_command(dead)
cli.add_command(links)
