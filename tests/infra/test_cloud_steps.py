"""Protective steps of the cloud path, each taken out once: the test that stands for it turns red."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

import chalicelib.aws.failures as failures
import chalicelib.runtime.errors as errors
from chalicelib.backend import Backend
from chalicelib.domain import budget, quotas
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.ports import HandOverFailed
from chalicelib.runtime.rates import Buckets
from infra import deploy
from infra.local.model.server import ScriptedModel
from infra.template.parts import functions_of
from tests.data.mutants import swapped
from tests.doors import test_http as calls
from tests.functions import test_budget as budgets
from tests.functions.conftest import model
from tests.infra import test_shares as shares
from tests.infra import test_template as shape
from tests.infra.resolved import Resolved
from tests.runtime import test_after_commit as after
from tests.runtime import test_faults as faults
from tests.runtime.test_faults import Records, records
from tests.store.test_dynamodb import _error, test_every_failure_has_one_name

__all__ = ["model", "records"]

Template = dict[str, Any]


def _kept(template: Template, *, kind: str = "AWS::Serverless::Function") -> Iterator[Template]:
    return (each["Properties"] for each in template["Resources"].values() if each["Type"] == kind)


# The template ---------------------------------------------------------------------------------------------------------------


def _no_loops(template: Template) -> None:
    for each in _kept(template):
        each.pop("RecursiveLoop", None)


def _key_in_environments(template: Template) -> None:
    for each in _kept(template):
        each["Environment"]["Variables"]["SIGNING_KEY"] = {"Fn::Sub": "{{resolve:secretsmanager:${SigningKeySecret}}}"}


def _push_key_for_all(template: Template) -> None:
    for each in _kept(template):
        each["Environment"]["Variables"]["PUSH_KEY_SECRET"] = {"Ref": "PushKeySecret"}


def _without_alarm(name: str) -> Callable[[Template], None]:
    return lambda template: template["Resources"].pop(f"{name}Alarm") and None


def _of_the_region(template: Template) -> None:
    for each in _kept(template, kind="AWS::CloudWatch::Alarm"):
        each.pop("Dimensions", None)


def _unthrottled(template: Template) -> None:
    for field in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
        template["Resources"]["WebsocketAPIStage"]["Properties"]["DefaultRouteSettings"].pop(field)


def _unreserved(template: Template) -> None:
    for each in _kept(template):
        each.pop("ReservedConcurrentExecutions", None)


def _http_unthrottled(template: Template) -> None:
    template["Resources"]["RestAPI"]["Properties"]["MethodSettings"][0].pop("ThrottlingRateLimit")


def _nobody_is_told(template: Template) -> None:
    for each in _kept(template, kind="AWS::CloudWatch::Alarm"):
        each.pop("AlarmActions", None)


def _noisy(template: Template) -> None:
    template["Resources"]["StoreThrottledAlarm"]["Properties"]["Threshold"] = 0


def _no_web_acl(template: Template) -> None:
    template["Resources"]["Edge"]["Properties"]["DistributionConfig"].pop("WebACLId")


def a_web_acl_that_is_given_stands_before_everything(template: Template) -> None:
    """Without one there is none; with one the edge has it."""
    resolved = Resolved(template, {"WebAclArn": "arn:of:an:acl"}, {"OriginSecret": "said"})
    assert resolved.properties("Edge")["DistributionConfig"]["WebACLId"] == "arn:of:an:acl"


def _all_jobs_at_once(template: Template) -> None:
    for each in _kept(template, kind="AWS::Lambda::EventSourceMapping"):
        each.pop("ScalingConfig", None)


def _sockets_at_the_region(template: Template) -> None:
    for each in _kept(template):
        each["Environment"]["Variables"]["WS_ENDPOINT"] = "https://api.execute-api.us-east-1.amazonaws.com/api"


def posts_go_where_the_deployment_says(template: Template) -> None:
    """An address that is given counts for each function."""
    resolved = Resolved(template, {"ApiEndpoint": "https://private.example/apis"}, {"OriginSecret": "said"})
    for each in functions_of(template).values():
        variables = resolved.properties(each.logical)["Environment"]["Variables"]
        assert variables["WS_ENDPOINT"].startswith("https://private.example/apis/")


WRITTEN: dict[str, tuple[Callable[[Template], None], Callable[[Template], None]]] = {
    "a chain's seventeenth link is dropped": (_no_loops, shape.test_functions_that_start_one_another_are_not_taken_for_a_loop),
    "the signing key stands in environments": (_key_in_environments, shape.test_no_key_that_signs_is_resolved_into_a_template),
    "every function knows the push key": (
        _push_key_for_all,
        shape.test_only_who_sends_push_messages_can_read_their_key_and_it_stands_in_no_environment,
    ),
    **{
        f"{name} rings nowhere": (_without_alarm(name), shape.test_the_runbook_says_what_to_do_about_each_alarm)
        for name in (*shape.ALARMS, "SweepDead")
    },
    "alarms watch the whole region": (_of_the_region, shape.test_no_alarm_watches_a_whole_region),
    "alarms tell nobody": (_nobody_is_told, shape.test_each_thing_that_people_must_know_of_has_an_alarm_that_tells_them),
    "one throttle rings": (_noisy, shape.test_each_thing_that_people_must_know_of_has_an_alarm_that_tells_them),
    "sockets are not throttled": (_unthrottled, shares.test_both_doors_are_throttled_below_what_posts_need),
    "requests are not throttled": (_http_unthrottled, shares.test_both_doors_are_throttled_below_what_posts_need),
    "a web ACL is not put before the edge": (_no_web_acl, a_web_acl_that_is_given_stands_before_everything),
    "nothing is kept for the door": (_unreserved, shares.test_environments_are_kept_for_the_door_and_replies_are_limited),
    "a wave of jobs takes all there is": (_all_jobs_at_once, shares.test_a_wave_of_jobs_waits_in_its_queue),
    "posts go to the region's address": (_sockets_at_the_region, posts_go_where_the_deployment_says),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_protects_the_template_is_missed_when_it_is_gone(name: str, template: Template) -> None:
    mutate, rule = WRITTEN[name]
    rule(template)
    without = copy.deepcopy(template)
    mutate(without)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        rule(without)


class _Elsewhere:
    """An account whose S3 is at another address."""

    class meta:
        endpoint_url = "http://127.0.0.1:9"

    def client(self, service: str) -> Any:
        assert service == "s3"
        return self


@pytest.mark.parametrize("step", [True, False])
def test_a_template_is_named_at_the_s3_that_the_account_uses(step: bool) -> None:
    def at_aws(where: Any, place: tuple[str, str]) -> str:
        return f"https://{place[0]}.s3.amazonaws.com/{place[1]}"

    with nullcontext() if step else swapped((deploy, "template_url", at_aws)):
        found = deploy.template_url(_Elsewhere(), ("bucket", "key"))  # type: ignore[arg-type]
    assert (found == "http://127.0.0.1:9/bucket/key") is step


# The handlers ---------------------------------------------------------------------------------------------------------------


def _raises(self: JobRunner, jobs: list[dict[str, Any]], org: str, commit: str) -> None:
    for job in jobs:
        self.invoker.later(job["runner"], {"jobId": job["id"], "org": org}, 0)


def _jobs_first(self: Backend, changes: Any) -> list[str]:
    for change in changes:
        self.jobs.dispatch(change.new["jobs"], change.new["org"], "")
    return _changed(self, changes)


_changed = Backend.changed


def _whole_batch(self: Backend, changes: Any) -> list[str]:
    return [change.sequence for change in changes] if _changed(self, changes) else []


def _one_after_the_other(self: Backend, payload: Any = None) -> None:
    for look in self.sweeps:
        look()


def _one_look(self: Backend) -> None:
    for second in range(0, 60, 10):
        self.invoker.later("sweep", {}, second * 1000)


def _unlogged(error: BaseException, log: Any, *, development: bool, kind: str = "function") -> Any:
    return errors.describe(error, development=development, request=log.request)


def _refusal_is_told(records: Records) -> None:
    after.test_a_job_that_cannot_be_handed_over_leaves_its_mutation_a_success_and_the_sweep_starts_it(
        records, HandOverFailed("throttled")
    )


def _told_first(records: Records) -> None:
    after.test_subscribers_are_told_before_jobs_are_handed_over()


def _only_what_failed(records: Records) -> None:
    after.test_a_record_that_cannot_be_read_keeps_no_other_from_being_taken_in(records)


def _one_fails_alone(records: Records) -> None:
    after.test_one_sweep_that_fails_keeps_no_other_from_looking(records)


def _looks_apart(records: Records) -> None:
    after.test_jobs_and_crons_do_not_wait_for_a_look_at_all_sockets()


def _refused_for_good(records: Records) -> None:
    from chalicelib.data.errors import StoreRefused

    test_every_failure_has_one_name(_error("AccessDeniedException"), StoreRefused)


def _faults_are_logged(records: Records) -> None:
    faults.test_a_fault_is_one_line_of_the_log_and_tells_strangers_nothing_but_its_id(
        records, "http", "mutation", next(iter(faults.FAULTS))
    )


Swap = Callable[[], AbstractContextManager[None]]
HANDLED: dict[str, tuple[Swap, Callable[[Records], None]]] = {
    "a fault is in no log": (lambda: swapped(*((each, "report", _unlogged) for each in _reporters())), _faults_are_logged),
    "a refused hand-over is nobody's to hear": (lambda: swapped((JobRunner, "dispatch", _raises)), _refusal_is_told),
    "jobs go before the fan-out": (lambda: swapped((Backend, "changed", _jobs_first)), _told_first),
    "a record that fails takes its batch along": (lambda: swapped((Backend, "changed", _whole_batch)), _only_what_failed),
    "a look that fails ends the others": (lambda: swapped((Backend, "sweep", _one_after_the_other)), _one_fails_alone),
    "what is refused for good is tried again": (lambda: swapped((failures, "_FOR_GOOD", set())), _refused_for_good),
    "one sweep looks at everything": (lambda: swapped((Backend, "tick", _one_look)), _looks_apart),
}


def _reporters() -> list[Any]:
    """Modules that report faults."""
    import sys

    return [
        each
        for name, each in list(sys.modules.items())
        if name.startswith("chalicelib.") and vars(each).get("report") is errors.report
    ]


@pytest.mark.parametrize("name", HANDLED)
def test_what_protects_the_handlers_is_missed_when_it_is_gone(name: str, records: Records) -> None:
    swap, rule = HANDLED[name]
    rule(records)
    records.all.clear()
    with swap(), pytest.raises((AssertionError, HandOverFailed, SystemExit, ValueError, pytest.fail.Exception)):
        rule(records)


# What one user and one org may have ----------------------------------------------------------------------------------------


def _of_an_org(model: ScriptedModel) -> None:
    budgets.test_ten_times_ten_sends_that_wait_spend_the_limit_once(model)


def _of_a_user(model: ScriptedModel) -> None:
    budgets.test_a_user_has_so_many_of_each(model, "tasks_per_user", "tasks:create", {"title": "t"}, "TooManyTasks")


def _of_a_caller(model: ScriptedModel) -> None:
    calls.test_a_caller_beyond_the_rate_is_told_when_to_come_again_and_others_are_served()


UNBOUNDED: dict[str, tuple[Swap, Callable[[ScriptedModel], None]]] = {
    "an org's tokens are not counted": (lambda: swapped((budget, "check", lambda ctx, tokens=0: None)), _of_an_org),
    "a user's tasks are not counted": (lambda: swapped((quotas, "check", lambda ctx, owned, what: None)), _of_a_user),
    "a caller's calls are not counted": (lambda: swapped((Buckets, "take", lambda self, key: 0)), _of_a_caller),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_what_bounds_a_user_and_an_org_is_missed_when_it_is_gone(name: str, model: ScriptedModel) -> None:
    swap, rule = UNBOUNDED[name]
    rule(model)
    with swap(), pytest.raises((AssertionError, pytest.fail.Exception)):
        rule(model)
