"""The vendor's own client against an OSS that keeps versions, deletes in part, refuses or has another clock."""

from __future__ import annotations

import time

import oss2
import pytest
from oss2.models import BatchDeleteObjectVersion, BatchDeleteObjectVersionList, BucketVersioningConfig

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.oss.answers import QPS_LIMITED, in_other_region, rule
from scripts.localcloud.oss.service import ObjectStore

# The client asks for the time in a way that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

REGION = "cn-hangzhou"
ONLY_NEW = {"x-oss-forbid-overwrite": "true"}


@pytest.fixture
def clock() -> VirtualClock:
    """Stand still at the machine's time, by which the client dates its signatures."""
    return VirtualClock(time.time())


@pytest.fixture
def store(clock: VirtualClock) -> ObjectStore:
    """Make a store with one bucket."""
    made = ObjectStore(clock, keys={"id": "secret"}, tokens={}, account_id="42", region=REGION)
    made.create_bucket("site")
    return made


@pytest.fixture
def bucket(store: ObjectStore, clock: VirtualClock) -> oss2.Bucket:
    """Give the client of that bucket."""
    session = oss2.Session(adapter=RequestsAdapter(store.handle, clock))
    auth = oss2.AuthV4("id", "secret")
    return oss2.Bucket(auth, f"http://oss-{REGION}.aliyuncs.com", "site", session=session, region=REGION)


def test_versioning_is_switched_by_the_client(bucket: oss2.Bucket) -> None:
    """The client enables and suspends versioning and reads which it is; at first it is neither."""
    said = [bucket.get_bucket_versioning().status]
    for status in ("Enabled", "Suspended"):
        bucket.put_bucket_versioning(BucketVersioningConfig(status))
        said.append(bucket.get_bucket_versioning().status)
    assert said == [None, "Enabled", "Suspended"]


def test_the_client_sees_every_version(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """Writes give version ids, all of them can be read and listed page by page, and put-if-absent is ignored."""
    store.bucket("site").versioning = "Enabled"
    ids = [bucket.put_object("a", body, headers=ONLY_NEW).versionid for body in (b"1", b"2", b"3")]
    bucket.delete_object("a")
    read = [bucket.get_object("a", params={"versionId": each}).read() for each in ids]
    first = bucket.list_object_versions(max_keys=2)
    second = bucket.list_object_versions(key_marker=first.next_key_marker, versionid_marker=first.next_versionid_marker)
    listed = [each.versionid for each in (*first.versions, *second.versions)]
    assert (read, listed, second.is_truncated) == ([b"1", b"2", b"3"], ids[::-1], False)
    assert [each.is_latest for each in first.delete_marker] == [True]


def test_the_client_deletes_versions(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """Deleting the versions of a key, its marker too, leaves nothing."""
    store.bucket("site").versioning = "Enabled"
    version_id = bucket.put_object("a", b"1").versionid
    marker = bucket.batch_delete_objects(["a"]).delete_versions[0]
    assert marker.delete_marker
    both = BatchDeleteObjectVersionList()
    for each in (version_id, marker.delete_marker_versionid):
        both.append(BatchDeleteObjectVersion("a", each))
    deleted = bucket.delete_object_versions(both).delete_versions
    assert [each.versionid for each in deleted] == [version_id, marker.delete_marker_versionid]
    assert (bucket.list_object_versions().versions, len(store.bucket("site").history)) == ([], 0)


@pytest.mark.parametrize("told", [False, True])
def test_the_client_is_told_what_was_deleted(bucket: oss2.Bucket, store: ObjectStore, told: bool) -> None:  # noqa: FBT001 - a column of the table
    """The client's list of deleted keys lacks those that are still there, whether or not errors name them."""
    store.habits.undeleted = lambda _bucket, key: key == "b"
    store.habits.undeleted_are_told = told
    for key in ("a", "b"):
        bucket.put_object(key, b"x")
    assert bucket.batch_delete_objects(["a", "b"]).deleted_keys == ["a"]
    assert bucket.object_exists("b")


def test_the_client_names_the_endpoint_of_another_region(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """The client's error has the code, the request id and the endpoint to use."""
    store.answers.append(rule(in_other_region("site", "oss-cn-shanghai.aliyuncs.com")))
    with pytest.raises(oss2.exceptions.AccessDenied) as refused:
        bucket.put_object("a", b"x")
    assert refused.value.details["Endpoint"] == "oss-cn-shanghai.aliyuncs.com"
    assert refused.value.request_id


def test_the_client_keeps_the_words_of_a_refusal(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """503 `QpsLimitExceeded` reaches the caller with its code."""
    store.answers.append(rule(QPS_LIMITED))
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        bucket.put_object("a", b"x")
    assert (refused.value.status, refused.value.code) == (503, "QpsLimitExceeded")


def test_the_client_is_refused_by_a_wrong_clock(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """An OSS whose clock is 16 minutes behind refuses signatures that are dated rightly; 14 minutes it bears."""
    store.clock_ahead_seconds = -14 * 60
    bucket.put_object("a", b"x")
    store.clock_ahead_seconds = -16 * 60
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        bucket.put_object("a", b"x")
    assert refused.value.code == "RequestTimeTooSkewed"


@pytest.mark.parametrize("page_keys", [1, 2, 3, 100])
def test_the_client_walks_folders(bucket: oss2.Bucket, page_keys: int) -> None:
    """With a delimiter the second listing gives keys and folders once, whatever the page and wherever it starts."""
    for key in ("a", "b/1", "b/2", "c", "d/1", "e"):
        bucket.put_object(key, b"")

    def walked(after: str) -> list[str]:
        found = oss2.ObjectIteratorV2(bucket, delimiter="/", start_after=after, max_keys=page_keys)
        return [each.key for each in found]

    starts = ("", "a", "b/", "b/1", "c")
    expected = [["a", "b/", "c", "d/", "e"], ["b/", "c", "d/", "e"], *[["c", "d/", "e"]] * 2, ["d/", "e"]]
    assert [walked(after) for after in starts] == expected
