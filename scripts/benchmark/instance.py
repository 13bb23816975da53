"""Addresses of a local cloud in; a function instance of ours that uses it comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.cloudprocess import environment_of, site_file_of
from shared import wiring
from shared.cloud.credentials import Credentials
from shared.core.site.sitefile import read_sites
from shared.settings import read_settings


def make_instance(ready: Mapping[str, str], settings: Mapping[str, str], **replaced: Any) -> wiring.Instance:
    """Make one for the bucket and domain that `ready` names. `replaced` goes to the composition root as it is."""
    sites = read_sites(site_file_of(ready))
    parts = wiring.build(read_settings({**environment_of(ready), **settings}), sites, **replaced)
    parts.keys.use(lambda: Credentials(ready["access_key_id"], ready["access_key_secret"]))
    return parts
