"""An instance before its first event: without a spool it fails with a sentence, and all else that is wrong is told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response
from shared import flow, logs, wiring
from shared.core.checked import Invalid
from shared.core.errors import LogStoreDown
from shared.core.site.compiled import compiled
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Domain
from shared.core.task.model import Outcome, Result
from tests.flow.world import SITES, START, Context, World


def context(world: World, timeout: int = 60) -> Context:
    """A context whose function has a time limit."""
    found = world.context()
    found.function.timeout = timeout
    return found


class Deployment:
    """An instance put together from an environment and a site file, as a function's is, on a local cloud."""

    def __init__(self, folder: Path, site_file: str = SITES, **env: str) -> None:
        self.world = World()
        self.log = io.StringIO()
        self.oss: Callable[[Request], Response] | None = None
        (folder / "sites.yml").write_text(site_file, encoding="utf-8")
        facts = self.world.options.facts_in_process()
        self.environ: dict[str, str] = {
            "FC_REGION": facts["region"],
            "FC_FUNC_CODE_PATH": str(folder),
            "SPOOL_BUCKET": facts["spool_bucket"],
            "LOG_PROJECT": facts["log_project"],
            "LOGSTORE": facts["logstore"],
            "OSS_ENDPOINT": facts["oss"],
            "CDN_ENDPOINT": facts["cdn"],
            "LOG_ENDPOINT": facts["sls"],
            **env,
        }

    def instance(self, **replaced: Any) -> wiring.Instance:
        """Put it together."""
        clock, cloud = self.world.clock, self.world.cloud
        return wiring.assemble(
            self.environ,
            **replaced,
            cdn_transport=HttpxTransport(cloud.handle_for("cdn"), clock),
            oss_adapter=RequestsAdapter(self._answer, clock),
            log_adapter=RequestsAdapter(cloud.handle_for("sls"), clock),
            clock=clock.now,
            sleep=clock.advance,
            report=logs.logger("INFO", self.log),
            readers=1,
        )

    def checked(self) -> wiring.Instance:
        """Put it together and check it."""
        made = self.instance()
        made.check(context(self.world))
        return made

    def fault(self) -> str:
        """Check it, which must fail; the one fault."""
        with pytest.raises(Invalid) as caught:
            self.checked()
        (fault,) = caught.value.faults
        return fault

    def alarms(self) -> list[tuple[str, str]]:
        """What was told, with what to do."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [(line["alarm"], line["remedy"]) for line in lines if line["event"] == "alarm"]

    def _answer(self, request: Request) -> Response:
        answer = self.oss or self.world.cloud.handle_for("oss")
        response = answer(request)
        assert isinstance(response, Response)
        return response


# In order


def test_a_deployment_in_order_passes(tmp_path: Path) -> None:
    """The spool can be listed and written, and nothing is told."""
    deployment = Deployment(tmp_path)
    instance = deployment.checked()
    assert ("", ()) == (deployment.log.getvalue(), instance.kit.faults)
    assert ("refresh-spool", "cdn-refresh/") == instance.kit.own
    assert [(Domain("static.example.com"),)] == [site.domains for site in instance.kit.sites]


def test_a_start_is_written_down(tmp_path: Path) -> None:
    """Who looks into the spool sees which function started last, and when."""
    deployment = Deployment(tmp_path)
    deployment.checked()
    assert {"time": START, "function": "object_created", "request_id": "request-1"} == deployment.world.spooled(
        wiring.STARTED_KEY
    )


def test_a_lease_shorter_than_an_invocation_is_warned_of() -> None:
    """Nothing is lost by it, but two would drain at once now and then, and spend units twice."""
    world = World(env={"LEASE_SECONDS": "90"})
    world.instance.check(context(world, timeout=60))
    assert [] == world.lines()
    world.instance.check(context(world, timeout=120))
    (line,) = world.lines()
    assert ("warning", 90, 120) == (line["level"], line["lease_seconds"], line["timeout_seconds"])


# A spool that cannot be used


def test_a_spool_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The sentence names the setting, the bucket and what to do."""
    told = Deployment(tmp_path, SPOOL_BUCKET="nowhere").fault()
    assert told.startswith("SPOOL_BUCKET 'nowhere' at http://oss-cn-hangzhou.aliyuncs.com does not exist; create it or")


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_spool_that_keeps_versions_is_refused(tmp_path: Path, status: Any) -> None:
    """Put-if-absent is ignored there, so the lease would be everybody's."""
    deployment = Deployment(tmp_path)
    options = deployment.world.options
    deployment.world.cloud.oss.bucket(options.spool_bucket).versioning = status
    assert "keeps versions, so OSS ignores put-if-absent" in deployment.fault()


ELSEWHERE = "The bucket you are attempting to access must be addressed using the specified endpoint."


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        ("AccessDenied", ELSEWHERE, "lies in another region than cn-hangzhou"),
        ("InvalidArgument", "Invalid signing region in Authorization header.", "lies in another region"),
        ("SecurityTokenExpired", "The security token you provided has expired.", "whose time is over"),
        ("InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist.", "give the function a role"),
        ("SignatureDoesNotMatch", "no match", "give the function a role"),
        ("AccessDenied", "Access denied by bucket policy.", "let the policy of the bucket, or of the VPC"),
        ("AccessDenied", "Access denied by VPC endpoint policy.", "let the policy of the bucket, or of the VPC"),
        ("AccessDenied", "You have no right to access this object.", "grant it oss:ListObjects on it"),
        ("RequestTimeTooSkewed", "The difference is too large.", "refuses the time that requests are signed by"),
        ("UserDisable", "UserDisable", "look at the account's balance"),
        ("SomethingNew", "whatever", "cannot be used (SomethingNew: whatever)"),
    ],
)
def test_each_refusal_has_its_own_sentence(tmp_path: Path, code: str, message: str, told: str) -> None:
    """What is wrong, what to do, and the id by which the vendor finds the request."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    deployment = Deployment(tmp_path)
    deployment.oss = lambda _: Response(403, {"x-oss-request-id": "R1"}, body)
    fault = deployment.fault()
    assert told in fault
    assert fault.endswith("(request R1)")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Response(302, {"location": "http://elsewhere.example.com/"}), "points to elsewhere.example.com; no redirect"),
        (Response(200, {}, b"<html>Please log in.</html>"), "does not answer as OSS does"),
        (Response(200, {}, b"", lost=True), "cannot be reached"),
    ],
)
def test_what_is_not_oss_is_told(tmp_path: Path, answer: Response, told: str) -> None:
    """A redirect, a page, no answer: each names what to look at."""
    deployment = Deployment(tmp_path)
    deployment.oss = lambda _: answer
    fault = deployment.fault()
    assert told in fault
    assert "PROXY" in fault


def test_a_right_that_only_writing_needs_is_named(tmp_path: Path) -> None:
    """Listing is allowed and writing is not: events could not be kept."""
    deployment = Deployment(tmp_path)
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"

    def read_only(request: Request) -> Response:
        if request.method == "PUT":
            return Response(403, {"x-oss-request-id": "R1"}, body)
        return deployment.world.cloud.oss.handle(request)

    deployment.oss = read_only
    assert "grant it oss:PutObject, oss:GetObject and oss:DeleteObject on it" in deployment.fault()


@pytest.mark.parametrize(
    "env", [{"SPOOL_BUCKET": ""}, {"SPOOL_PREFIX": "x"}, {"OSS_ENDPOINT": "x"}, {"FC_REGION": ""}, {"PROXY": "x"}]
)
def test_without_the_spools_own_settings_there_is_no_instance(tmp_path: Path, env: Mapping[str, str]) -> None:
    """Nothing could be kept."""
    (name,) = env
    with pytest.raises(Invalid, match="REGION" if name == "FC_REGION" else name):
        Deployment(tmp_path, **env).instance()


# All else


def test_what_is_wrong_elsewhere_is_told_at_once(tmp_path: Path) -> None:
    """Settings and site file: each fault is an alarm, and the instance lives, so that events can be kept."""
    file = "sites:\n  - bucket: content\n    domain: [static.example.com]\n"
    deployment = Deployment(tmp_path, file, RESERVE_PERCENT="five", LOGSTORE="")
    instance = deployment.checked()
    assert () == instance.kit.sites
    told = [alarm for alarm, _ in deployment.alarms()]
    assert instance.kit.faults == tuple(told)
    for part in ("RESERVE_PERCENT expected", "LOGSTORE is missing", "sites.yml: line 3", "did you mean 'domains'"):
        assert 1 == sum(part in each for each in told), part
    assert {"mend it and deploy again; until then events are kept, and nothing is sent"} == {
        remedy for _, remedy in deployment.alarms()
    }


def test_a_site_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Its path is named."""
    deployment = Deployment(tmp_path, SITES_FILE="none.yml")
    (fault,) = deployment.checked().kit.faults
    assert f"SITES_FILE {tmp_path}/none.yml: No such file" in fault


def test_a_site_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """The byte is named."""
    deployment = Deployment(tmp_path)
    (tmp_path / "sites.yml").write_bytes(b"sites: \xff")
    (fault,) = deployment.checked().kit.faults
    assert "not UTF-8 at byte 7" in fault


def test_a_site_file_that_makes_its_reader_fail_is_told(tmp_path: Path) -> None:
    """A fault of our own is one like any other: the instance lives, so that events can be kept."""

    def fail(_path: Path) -> tuple[Any, ...]:
        raise KeyError("surprise")

    (fault,) = Deployment(tmp_path).instance(read=fail).kit.faults
    assert fault.endswith("could not be read: KeyError: 'surprise'")


def test_an_event_outlives_a_wrong_site_file(tmp_path: Path) -> None:
    """The initializer tells and goes on, the event is kept as its bytes, and the mended file's first tick sends it."""
    wrong = Deployment(tmp_path, SITES.replace("domains", "domain"))
    instance = wrong.checked()
    assert any("sites.yml: line" in alarm for alarm, _ in wrong.alarms())
    event = json.dumps(wrong.world.put("a.html")).encode()
    assert {"kept": 1} == wiring.run(instance, flow.receive, event, context(wrong.world))
    (key,) = wrong.world.spool("events/")
    stored = wrong.world.cloud.oss.read("refresh-spool", f"cdn-refresh/{key}")
    assert stored is not None
    assert event == stored.data
    (tmp_path / "sites.yml").write_text(SITES, encoding="utf-8")
    wiring.run(wrong.checked(), flow.retry, b"{}", context(wrong.world))
    assert ["https://static.example.com/a.html"] == wrong.world.submitted_urls()
    assert [] == wrong.world.spool("events/")


def test_a_site_that_watches_the_spool_is_told(tmp_path: Path) -> None:
    """Its notes would wake the functions for ever, so nothing is sent; events are still kept."""
    deployment = Deployment(tmp_path, SITES.replace("bucket: content", "bucket: refresh-spool"))
    instance = deployment.checked()
    assert () == instance.kit.sites
    (fault,) = instance.kit.faults
    assert "use another bucket, or a prefix that no site and no trigger covers" in fault


@pytest.mark.parametrize(("name", "setting"), [("nowhere", "LOG_PROJECT"), ("no-such-store", "LOGSTORE")])
def test_a_log_store_that_is_not_there_is_alarmed_at_its_first_write(tmp_path: Path, name: str, setting: str) -> None:
    """The check passes, since tasks can go on; the first record tells, once, with the remedy."""
    deployment = Deployment(tmp_path, **{setting: name})
    instance = deployment.checked()
    assert [] == deployment.alarms()
    for _ in range(2):
        with pytest.raises(LogStoreDown):
            instance.kit.outcomes.write([Outcome(time=START, result=Result.SKIPPED)])
    ((alarm, remedy),) = deployment.alarms()
    assert f"{setting} {name!r} does not exist" in alarm
    assert setting in remedy


def test_limits_and_days_reach_the_steps(tmp_path: Path) -> None:
    """What is set is what is obeyed."""
    kit = Deployment(tmp_path, DEAD_DAYS="7", CALLS_PER_SECOND="3", LINGER_SECONDS="1").instance().kit
    assert (7, 3.0, 1.0) == (kit.dead_days, kit.limits.calls_per_second, kit.linger_seconds)


def test_what_the_build_made_of_the_site_file_is_read(tmp_path: Path) -> None:
    """As long as the file is the one that it was made of; else the file itself."""
    deployment = Deployment(tmp_path)
    named = read_sites(SITES.replace("static.example.com", "compiled.example.com"))
    (tmp_path / "sites.yml.json").write_bytes(compiled(SITES.encode(), named))
    assert named == deployment.instance().kit.sites
    (tmp_path / "sites.yml").write_text(SITES + "# another\n", encoding="utf-8")
    assert read_sites(SITES) == deployment.instance().kit.sites
