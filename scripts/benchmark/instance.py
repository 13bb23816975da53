"""Addresses of a local cloud in; a function instance of ours that uses it comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared import wiring
from shared.cloud.credentials import Credentials
from shared.core.sitefile import read_sites
from shared.settings import read_settings


def make_instance(ready: Mapping[str, str], settings: Mapping[str, str], **replaced: Any) -> wiring.Instance:
    """Make one for the bucket and domain that `ready` names. `replaced` goes to the composition root as it is."""
    environment = {
        "SPOOL_BUCKET": ready["spool_bucket"],
        "LOG_PROJECT": ready["log_project"],
        "LOGSTORE": ready["logstore"],
        "REGION": ready["region"],
        "OSS_ENDPOINT": ready["oss"],
        "CDN_ENDPOINT": ready["cdn"],
        "LOG_ENDPOINT": ready["sls"],
    }
    sites = read_sites(json.dumps({"sites": [{"bucket": ready["bucket"], "domains": [ready["domain"]]}]}))
    parts = wiring.build(read_settings({**environment, **settings}), sites, **replaced)
    parts.keys.use(lambda: Credentials(ready["access_key_id"], ready["access_key_secret"]))
    return parts
