"""A stage on the emulated account: brought there by the product's own commands, reached through the stand-in for its edge."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from chalicelib.settings import Settings
from infra.account import Account
from infra.local.issuer import AUDIENCE, ISSUER, DevIssuer, signing_key
from infra.local.model.server import ScriptedModel
from infra.package import BUILD, TEMPLATE
from tests.cloud.deployer import Deployer
from tests.cloud.edge import Edge
from tests.cloud.emulator import ACCOUNT, REGION, ROOT, Emulator
from tests.cloud.published import published

STAGE = "emulated"
APPS = "chalicelib.functions,examples.counter"


@dataclass(frozen=True)
class Emulated(Account):
    """An account whose services are at an address of this machine."""

    endpoint: str = ""

    def client(self, service: Any) -> Any:
        """A client of a service there."""
        return self.session.client(service, endpoint_url=self.endpoint)


class Stage:
    """What was deployed.

    Args:
        account: where.
        folder: for keys.
    """

    def __init__(self, account: Emulator, folder: Path) -> None:
        self.account = account
        self.issuer = DevIssuer(Settings(data_dir=folder))
        self.model = ScriptedModel().start()
        secrets = account.client("secretsmanager")
        self.key = secrets.create_secret(Name="concave/model", SecretString="scripted")["ARN"]
        self.signing = secrets.create_secret(Name="concave/signing", SecretString=signing_key(folder))["ARN"]
        self.edge: Edge | None = None
        self.deployer: Deployer | None = None

    def env(self, apps: str = APPS, **more: str) -> dict[str, str]:
        """The environment of the product's commands."""
        given = {
            "STAGE": STAGE,
            "CONCAVE_APPS": apps,
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS": self.issuer.jwks_data_url(),
            "ANONYMOUS": "on",
            "ANTHROPIC_API_KEY_SECRET": self.key,
            "SIGNING_KEY_SECRET": self.signing,
            "MODEL_URL": self.model.url,
            "PATH": "/usr/bin:/bin",
        }
        return self.account.env(**{**given, **more})

    def run(
        self, module: str, *arguments: str, apps: str = APPS, reads: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """One of the product's commands, as make runs it; `reads` is its standard input."""
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.env(apps, **more), input=reads, capture_output=True, text=True, timeout=580
        )

    def deploy(self, apps: str = APPS, **more: str) -> str:
        """Package and deploy, as who may do that and no more; returns what was said."""
        if self.deployer is None:
            self.deployer = self._first(apps)
        done = self.run("infra.deploy", "--no-smoke", apps=apps, **{**self.deployer.env, **more})
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    def _first(self, apps: str) -> Deployer:
        """Who deploys, with the policy that is printed for what was packaged."""
        packaged = self.run("infra.package", apps=apps)
        assert packaged.returncode == 0, packaged.stderr
        words = ("--account", ACCOUNT, "--region", REGION)
        printed = self.run("infra.deployer", *words, apps=apps, reads=(BUILD / STAGE / TEMPLATE).read_text())
        assert printed.returncode == 0, printed.stderr
        made = Deployer(self.account)
        made.may(json.loads(printed.stdout))
        return made

    def smoke(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Look at it as a user of the org, through the edge."""
        return self.run(
            "infra.smoke", "--url", self.url, "--seconds", "120", *more, SMOKE_TOKEN=self.issuer.token("smoke", "smoke")
        )

    @contextmanager
    def without(self, taken: Callable[[Any], bool], entry: str) -> Iterator[None]:
        """A function that lacks some statements of its policy."""
        iam, client = self.account.client("iam"), self.account.client("lambda")
        role = client.get_function_configuration(FunctionName=f"concave-{STAGE}-{entry}")["Role"].rpartition("/")[2]
        whole = iam.get_role_policy(RoleName=role, PolicyName="own")["PolicyDocument"]
        less = {**whole, "Statement": [each for each in whole["Statement"] if not taken(each)]}
        iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(less))
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(whole))

    @staticmethod
    def function(entry: str) -> str:
        """The name of a deployed function."""
        return f"concave-{STAGE}-{entry}"

    @contextmanager
    def with_settings(self, entry: str, **more: str) -> Iterator[None]:
        """A function with other settings."""
        client, name = self.account.client("lambda"), self.function(entry)
        whole: Mapping[str, Any] = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": {**whole, **more}})
        published(client, name)
        try:
            yield
        finally:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": dict(whole)})
            published(client, name)

    def behaviours(self) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
        """What the edge does with paths, in order; changes count at once."""
        assert self.url
        assert self.edge is not None
        return self.edge.config.behaviours

    def outputs(self) -> dict[str, str]:
        """What the stack says of itself."""
        (stack,) = self.account.client("cloudformation").describe_stacks(StackName=f"concave-{STAGE}")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    @property
    def url(self) -> str:
        """Where clients connect: the edge, which also hands out tokens of the test's issuer."""
        if self.edge is None:
            tokens = {"/dev/token": lambda asked: {"token": self.issuer.token(asked["subject"], asked.get("org", "acme"))}}
            self.edge = Edge(self.account, self.outputs()["EdgeId"], tokens)
        return self.edge.url

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """One HTTP request through the edge: status, body (JSON as values), headers in lower case."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, sent, {"Content-Type": "application/json", **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _value(answer.read()), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _value(error.read()), {name.lower(): value for name, value in error.headers.items()}

    @staticmethod
    def reach(url: str) -> tuple[int, str]:
        """Any address: the status, and the code of a refusal."""
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, str(_value(error.read()).get("code"))

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """A function over HTTP; its value."""
        status, told, _ = self.ask("POST", f"/api/{kind}", {"path": path, "args": args})
        wrong = [line for line in self.logged("api") if line.get("level") == "ERROR"][-2:]
        assert (status, told["status"]) == (200, "success"), (told, wrong)
        return told["value"]

    def logged(self, entry: str, since: float = 0) -> list[dict[str, Any]]:
        """What a function has logged as JSON, in order; since a moment, in seconds of the epoch."""
        asked = {"logGroupName": f"/aws/lambda/{self.function(entry)}", "startTime": int(since * 1000)}
        pages = self.account.client("logs").get_paginator("filter_log_events").paginate(**asked)
        lines = [each["message"] for page in pages for each in page["events"]]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def operator(self) -> Account:
        """The account as who deploys sees it."""
        assert self.deployer is not None
        session = boto3.Session(region_name=REGION, **self.deployer.keys)
        return Emulated(session, ACCOUNT, REGION, self.account.url)

    def stop(self) -> None:
        """Let go of it."""
        if self.edge is not None:
            self.edge.stop()
        self.model.stop()


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)
