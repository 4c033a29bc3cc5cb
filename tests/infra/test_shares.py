"""How much of an account a stage takes, and what it does without the edge: what CloudFormation makes of the parameters."""

from __future__ import annotations

from typing import Any

from infra.deploy import _resources
from infra.template.functions import FRONT
from infra.template.parts import functions_of
from infra.template.policies import LOOK, READ, ROLES
from infra.template.queues import LATER
from tests.infra.resolved import Resolved

Template = dict[str, Any]


def _resolved(template: Template, **given: Any) -> Resolved:
    return Resolved(template, given, {"OriginSecret": "what-the-edge-says"})


def _reserved(template: Template, **given: Any) -> dict[str, Any]:
    resolved = _resolved(template, **given)
    made = {entry: resolved.properties(each.logical) for entry, each in functions_of(template).items()}
    return {entry: each["ReservedConcurrentExecutions"] for entry, each in made.items() if "ReservedConcurrentExecutions" in each}


def test_nothing_is_reserved_unless_it_is_asked_for(template: Template) -> None:
    """A new account has too few environments to reserve any."""
    assert _reserved(template) == {}


def test_environments_are_kept_for_the_door_and_replies_are_limited(template: Template) -> None:
    assert _reserved(template, FrontReserved=20, GenerateAtOnce=300) == {**dict.fromkeys(FRONT, 20), "generate": 300}


def test_a_wave_of_jobs_waits_in_its_queue(template: Template) -> None:
    resources = template["Resources"].values()
    sources = [each["Properties"] for each in resources if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    limits = [each["ScalingConfig"]["MaximumConcurrency"] for each in sources if "ScalingConfig" in each]
    assert len(limits) == len(LATER)
    assert all(2 <= limit <= 1000 for limit in limits)  # what SQS takes


def test_both_doors_are_throttled_below_what_posts_need(template: Template) -> None:
    resolved = _resolved(template)
    sockets = resolved.properties("WebsocketAPIStage")["DefaultRouteSettings"]
    (http,) = resolved.properties("RestAPI")["MethodSettings"]
    assert (http["ResourcePath"], http["HttpMethod"]) == ("/*", "*")
    assert sockets["ThrottlingRateLimit"] + http["ThrottlingRateLimit"] <= 6000  # of the account's 10,000


def test_without_the_edge_there_is_nothing_of_it_and_no_secret_is_asked_for(template: Template) -> None:
    edge = [name for name, each in template["Resources"].items() if each.get("Condition") == "HasEdge"]
    assert {"Edge", "Page", "PagePolicy", "OriginSecret", "SocketPath"} <= set(edge)
    kinds = {template["Resources"][name]["Type"] for name in template["Resources"] if name not in edge}
    assert not any("CloudFront" in kind for kind in kinds)
    for switch, wanted in (("on", "what-the-edge-says"), ("off", None)):
        resolved = _resolved(template, EdgeSwitch=switch)
        for entry in ("api", "ws_connect"):
            variables = resolved.properties(functions_of(template)[entry].logical)["Environment"]["Variables"]
            assert variables.get("ORIGIN_SECRET") == wanted


def test_a_name_of_ones_own_comes_with_its_certificate(template: Template) -> None:
    plain = _resolved(template).properties("Edge")["DistributionConfig"]
    assert not {"Aliases", "ViewerCertificate", "WebACLId"} & set(plain)
    named = _resolved(template, Domain="chat.example.com", CertificateId="0" * 36).properties("Edge")["DistributionConfig"]
    assert named["Aliases"] == ["chat.example.com"]
    assert named["ViewerCertificate"]["AcmCertificateArn"].startswith("arn:aws:acm:us-east-1:")


def test_vectors_and_embedders_of_aws_may_be_used_where_they_are_chosen_and_nowhere_else(template: Template) -> None:
    entries = {each.role: entry for entry, each in functions_of(template).items()}

    def allowed(name: str) -> tuple[str, set[str]]:
        resource = template["Resources"][name]
        (statement,) = resource["Properties"]["PolicyDocument"]["Statement"]
        assert not any(action.endswith("*") for action in statement["Action"])
        return resource["Condition"], {entries[each["Ref"]] for each in resource["Properties"]["Roles"]}

    actions = {"api", "act", "run_job", "generate"}
    readers = {entry for entry, each in ROLES.items() if READ in each or LOOK in each}
    assert allowed("EmbedPolicy") == ("HasBedrockModel", actions)
    assert allowed("EmbedderKeyPolicy") == ("HasEmbedderKey", actions)
    assert allowed("VectorsPolicy") == ("HasVectorBucket", readers)
    held = {name: _resolved(template).value(template["Conditions"][name]) for name in ("HasBedrockModel", "HasVectorBucket")}
    assert held == {"HasBedrockModel": False, "HasVectorBucket": False}


def test_what_is_chosen_for_searching_is_what_is_granted() -> None:
    assert _resources({"VECTORS": "s3:meanings", "EMBEDDER": "bedrock:eu.amazon.titan-embed-text-v2:0"}) == {
        "VECTOR_BUCKET": "meanings",
        "BEDROCK_MODEL": "amazon.titan-embed-text-v2:0",
    }
    assert _resources({"VECTORS": "rows", "EMBEDDER": "hashing"}) == {"VECTOR_BUCKET": "none", "BEDROCK_MODEL": "none"}
    assert _resources({}) == {}
