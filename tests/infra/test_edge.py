"""The two functions that run at the edge, run by Node with CloudFront's events; and the doors' side of the edge's secret."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest

from chalicelib.doors import edge, headers, sync
from chalicelib.doors.routes import ROUTES
from infra.template.edge import ALL_BUT_HOST, DASHBOARD, HEADER, NO_CACHE, PAGE, PAGE_CODE, SOCKET_CODE, SOCKETS
from infra.template.edge import edge as resources
from infra.template.parts import Deployment

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="the edge's functions are JavaScript")


def _at_the_edge(code: str, uri: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
    event = {"version": "1.0", "request": {"method": "GET", "uri": uri, "querystring": query or {}, "headers": {}, "cookies": {}}}
    own = code.replace("import cf from 'cloudfront';", "const cf = {selectRequestOriginById: id => { origin = id }};")
    script = f"let origin;\n{own}\nconsole.log(JSON.stringify({{...handler({json.dumps(event)}), origin}}))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=30, check=True)
    changed: dict[str, Any] = json.loads(done.stdout)
    return changed


@needs_node
@pytest.mark.parametrize("path", ["/api/sync", "/api/1.48.0/sync", "/chat", "/socket.io/"])
def test_the_path_of_a_socket_travels_in_the_query(path: str) -> None:
    request = _at_the_edge(SOCKET_CODE, path, {"EIO": {"value": "4"}, "transport": {"value": "websocket"}})
    assert (request["uri"], request.get("origin")) == ("/", None)
    assert unquote(request["querystring"]["path"]["value"]) == path
    assert request["querystring"]["EIO"] == {"value": "4"}


@needs_node
@pytest.mark.parametrize("query", [{"EIO": {"value": "4"}, "transport": {"value": "polling"}}, {"EIO": {"value": "4"}}])
def test_polls_of_socket_io_go_to_the_http_door_as_they_are(query: dict[str, Any]) -> None:
    request = _at_the_edge(SOCKET_CODE, "/socket.io/", query)
    assert (request["origin"], request["uri"], request["querystring"]) == ("http", "/socket.io/", query)


@needs_node
def test_a_path_cannot_smuggle_a_second_parameter_into_the_query() -> None:
    request = _at_the_edge(SOCKET_CODE, "/api/a&path=/chat/sync", {"path": {"value": "/forged"}})
    assert "&" not in request["querystring"]["path"]["value"]
    assert unquote(request["querystring"]["path"]["value"]) == "/api/a&path=/chat/sync"


@needs_node
@pytest.mark.parametrize(
    ("asked", "served"),
    [("/", "/index.html"), ("/_/", "/_/index.html"), ("/index.html", "/index.html"), ("/assets/a.js", "/assets/a.js")],
)
def test_the_root_is_the_page(asked: str, served: str) -> None:
    assert _at_the_edge(PAGE_CODE, asked)["uri"] == served


def test_the_edge_and_the_doors_agree_on_the_header_and_on_the_sockets_paths() -> None:
    assert HEADER == edge.HEADER
    assert all(sync.PATH.match(path) for path in ("/api/sync", "/api/1.48.0/sync"))
    assert set(SOCKETS) >= {"/api/sync", "/api/*/sync"}


def _origin(template: dict[str, Any], path: str) -> str:
    """Where CloudFront sends a path: the first pattern that matches, `*` standing for anything."""
    config = template["Resources"]["Edge"]["Properties"]["DistributionConfig"]
    for behaviour in config["CacheBehaviors"]:
        if fnmatch.fnmatchcase(path, behaviour["PathPattern"]):
            return str(behaviour["TargetOriginId"])
    return str(config["DefaultCacheBehavior"]["TargetOriginId"])


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/api/sync", "sockets"),
        ("/api/1.48.0/sync", "sockets"),
        ("/chat", "sockets"),
        ("/socket.io/", "sockets"),
        ("/socket.io", "sockets"),
        ("/api/query", "http"),
        ("/api/run/notes.js", "http"),
        ("/api/query_at_ts", "http"),
        ("/version", "http"),
        ("/conversations/conv-1", "http"),
        ("/api/run/notes/sync", "http"),
        ("/conversations/report.txt", "http"),
        ("/agents/bot.js", "http"),
        ("/conversations/report.txt/stream", "sockets"),
        ("/", "page"),
        ("/index.html", "page"),
        ("/theme.js", "page"),
        ("/sw.js", "page"),
        ("/assets/index-DFtGhU5V.js", "page"),
    ],
)
def test_one_host_sends_each_path_to_its_origin(template: dict[str, Any], path: str, origin: str) -> None:
    assert _origin(template, path) == origin


ENDS = ("", *(path.removeprefix("/*") for path in PAGE if path.startswith("/*.")), "/assets/x", "sync")


@pytest.mark.parametrize("end", ENDS)
def test_no_path_of_rest_is_a_file_of_the_page_or_a_socket_whatever_its_ids_are(template: dict[str, Any], end: str) -> None:
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", f"one{end}", route.path)
        expected = "sockets" if fnmatch.fnmatchcase(path, "/conversations/*/stream") else "http"
        assert _origin(template, path) == expected, path


def test_a_distribution_has_no_more_behaviours_than_it_may(template: dict[str, Any]) -> None:
    """75 (CloudFront's quotas, "General quotas on distributions")."""
    config = template["Resources"]["Edge"]["Properties"]["DistributionConfig"]
    assert len(config["CacheBehaviors"]) <= 75


def test_whatever_is_answered_may_not_be_framed_and_is_asked_for_by_https(template: dict[str, Any]) -> None:
    """The page's policy is the laptop's; what the doors say of their own answers stays."""
    config = template["Resources"]["Edge"]["Properties"]["DistributionConfig"]
    for behaviour in (*config["CacheBehaviors"], config["DefaultCacheBehavior"]):
        name = behaviour["ResponseHeadersPolicyId"]["Ref"]
        pages = "DashboardHeaders" if behaviour.get("PathPattern") in DASHBOARD else "PageHeaders"
        assert name == (pages if behaviour["TargetOriginId"] == "page" else "SafeHeaders")
        said = template["Resources"][name]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
        assert "frame-ancestors 'none'" in said["ContentSecurityPolicy"]["ContentSecurityPolicy"]
        assert said["ContentSecurityPolicy"]["Override"] is False
        https = said["StrictTransportSecurity"]
        assert f"max-age={https['AccessControlMaxAgeSec']}; includeSubDomains" == headers.HSTS
        assert https["IncludeSubdomains"] is True


def test_the_pages_policy_knows_the_scripts_that_stand_in_it() -> None:
    deployment = Deployment("dev", (), {}, (), "<script>theme()</script>")
    config = resources(deployment)["PageHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert config["ContentSecurityPolicy"]["ContentSecurityPolicy"] == headers.page("<script>theme()</script>")
    assert "sha256-" in config["ContentSecurityPolicy"]["ContentSecurityPolicy"]


def test_the_dashboards_files_have_its_policy_and_its_session_is_asked_of_the_door(template: dict[str, Any]) -> None:
    said = template["Resources"]["DashboardHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert said["ContentSecurityPolicy"]["ContentSecurityPolicy"] == headers.DASHBOARD
    for path, origin in {"/_/": "page", "/_/assets/a.js": "page", "/_/session": "http", "/_/admin": "http"}.items():
        assert _origin(template, path) == origin, path


def test_only_the_apis_get_the_secret_and_never_the_viewers_host(template: dict[str, Any]) -> None:
    config = template["Resources"]["Edge"]["Properties"]["DistributionConfig"]
    told = {
        origin["Id"]: [header["HeaderName"] for header in origin.get("OriginCustomHeaders", ())] for origin in config["Origins"]
    }
    assert told == {"http": [HEADER], "sockets": [HEADER], "page": []}
    for behaviour in (*config["CacheBehaviors"], config["DefaultCacheBehavior"]):
        if behaviour["TargetOriginId"] != "page":
            assert behaviour["OriginRequestPolicyId"] == ALL_BUT_HOST
            assert behaviour["CachePolicyId"] == NO_CACHE


def test_what_lacks_the_edges_secret_has_gone_around_it() -> None:
    assert edge.passed("s3cret", {"x-concave-origin": "s3cret"})
    assert not edge.passed("s3cret", {"x-concave-origin": "guess"})
    assert not edge.passed("s3cret", {})


def test_without_a_secret_there_is_no_edge() -> None:
    assert edge.passed(None, {})
