"""The vendor's own clients against a whole local cloud whose services answer by rules, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import oss2
import pytest
from alibabacloud_cdn20180510 import models
from alibabacloud_cdn20180510.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from alibabacloud_tea_openapi.utils_models import Config
from aliyun.log import LogClient, LogException, LogItem, PutLogsRequest

from scripts.localcloud import server
from scripts.localcloud.answers import Answer, redirect
from scripts.localcloud.cdn import answers as cdn_answers
from scripts.localcloud.clock import Clock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.oss import answers as oss_answers
from scripts.localcloud.sls import answers as sls_answers

# The vendor's clients ask for the time in a way that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

OPTIONS = Options()
KEYS = {"access_key_id": OPTIONS.access_key_id, "access_key_secret": OPTIONS.access_key_secret}
URL = f"https://{OPTIONS.domains[0]}/a"


@dataclass(frozen=True)
class Served:
    """A local cloud behind sockets, and the vendor's clients of it."""

    cloud: LocalCloud
    cdn: Any
    bucket: oss2.Bucket
    log: Any
    addresses: Mapping[str, str]

    def refresh(self, *urls: str) -> Any:
        """Refresh URLs, without the client's own second tries."""
        return self.cdn.refresh_object_caches(models.RefreshObjectCachesRequest(object_path="\n".join(urls))).body

    def write_log(self, **contents: str) -> None:
        """Write a log of one record."""
        item = LogItem(contents=list(contents.items()))
        self.log.put_logs(PutLogsRequest(OPTIONS.log_project, OPTIONS.logstore, "", "", [item]))


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a fresh local cloud while a test runs."""
    cloud = LocalCloud(OPTIONS, Clock())
    with server.running(cloud) as addresses:
        cdn = Client(Config(endpoint=urlsplit(addresses["cdn"]).netloc, protocol="http", **KEYS))
        auth = oss2.Auth(OPTIONS.access_key_id, OPTIONS.access_key_secret)
        bucket = oss2.Bucket(auth, addresses["oss"], OPTIONS.bucket, connect_timeout=2)
        log: Any = LogClient(addresses["sls"], OPTIONS.access_key_id, OPTIONS.access_key_secret, source="10.0.0.1")
        log._isRowIp = True  # noqa: SLF001 - the SDK does not recognise an IP with a port
        yield Served(cloud, cdn, bucket, log, addresses)


def test_the_cdns_client_reads_a_refusal_by_rule(served: Served) -> None:
    """Code, status and request id reach the caller as they do for the API's own refusals."""
    served.cloud.cdn.answers.append(cdn_answers.rule(Answer("ServiceBusy", 403, "Busy."), domains=[OPTIONS.domains[0]]))
    with pytest.raises(ClientException) as refused:
        served.refresh(URL)
    assert (refused.value.code, refused.value.status_code) == ("ServiceBusy", 403)
    assert refused.value.request_id == served.cloud.cdn.calls[-1].request_id


def test_the_cdns_client_sees_a_failure_of_what_was_carried_out(served: Served) -> None:
    """503 although the task was made: the client raises, the row is there."""
    served.cloud.cdn.answers.append(cdn_answers.rule(Answer("ServiceUnavailable", carried_out=True)))
    with pytest.raises(ServerException) as refused:
        served.refresh(URL)
    assert (refused.value.code, refused.value.status_code) == ("ServiceUnavailable", 503)
    assert [row.path for row in served.cloud.cdn.submissions] == [URL]


def test_the_cdns_client_reads_rows_that_were_cut(served: Served) -> None:
    """Fewer rows than TotalCount says reach the caller, and a status that nobody documented."""
    task_id = served.refresh(*(f"{URL}{n}" for n in range(30))).refresh_task_id
    served.cloud.cdn.rows.by_id_rows_max = 10
    served.cloud.cdn.rows.statuses = {"Refreshing": "Preloading"}
    reply = served.cdn.describe_refresh_task_by_id(models.DescribeRefreshTaskByIdRequest(task_id=task_id)).body
    assert (reply.total_count, len(reply.tasks), {row.status for row in reply.tasks}) == (30, 10, {"Preloading"})


def test_a_dropped_connection_looks_like_one(served: Served) -> None:
    """The client of OSS finds the connection closed after its object was written."""
    served.cloud.oss.answers.append(oss_answers.rule(Answer(dropped=True, carried_out=True), methods=["PUT"]))
    with pytest.raises(oss2.exceptions.RequestError):
        served.bucket.put_object("a", b"x")
    served.cloud.oss.answers.clear()
    assert served.bucket.get_object("a").read() == b"x"


def test_a_redirect_lets_the_client_of_oss_take_a_read_for_a_write(served: Served) -> None:
    """The vendor's client follows a 302 of a PUT by a GET, here at an edge, and calls the 200 of that a success."""
    served.cloud.oss.put(OPTIONS.bucket, f"{OPTIONS.bucket}/lease/1", b"a page")
    elsewhere = served.addresses["edge"].replace("127.0.0.1", "localhost")
    served.cloud.oss.answers.append(oss_answers.rule(redirect(elsewhere, 302), methods=["PUT"]))
    reply = served.bucket.put_object("lease/1", b"mine", headers={"x-oss-forbid-overwrite": "true"})
    assert (reply.status, served.bucket.object_exists("lease/1")) == (200, False)


def test_the_log_services_client_reads_a_refusal_by_content(served: Served) -> None:
    """One record's batch is refused with the vendor's code, every other is taken."""
    served.cloud.sls.answers.append(sls_answers.refuse_records(lambda record: record.get("url") == "bad"))
    with pytest.raises(LogException) as refused:
        served.write_log(url="bad")
    assert (refused.value.get_error_code(), refused.value.get_resp_status()) == ("PostBodyInvalid", 400)
    served.write_log(url="good")
    assert [each["url"] for each in served.cloud.sls.logs(OPTIONS.log_project, OPTIONS.logstore)] == ["good"]


def test_the_log_services_client_is_redirected(served: Served) -> None:
    """A 307 is followed by the client, body and all, and the write arrives where it leads."""
    served.cloud.sls.answers.append(sls_answers.rule(redirect(served.addresses["sls"]), times=1))
    served.write_log(url="a")
    assert len(served.cloud.sls.logs(OPTIONS.log_project, OPTIONS.logstore)) == 1
