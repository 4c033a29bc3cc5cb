"""The packaged backend, deployed on a laptop: what the template says, with the unzipped bundles in processes of their own.

    sockets, HTTP ── local server (API Gateway) ── function processes ── Aws (IAM, DynamoDB engine, Lambda, SQS, sockets)
                                                        ▲
                          streams of the engine ── event source mappings of the template

Environment, timeouts, policies, tables, filters and queues are the template's. Only addresses are this machine's.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.data.store import TableSpec
from chalicelib.runtime.minting import public_half
from chalicelib.settings import Settings
from infra.bundle import SITE
from infra.local.aws.api_gateway import Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.aws.pump import Pump, StreamFeed
from infra.local.aws.streams import DynamoStreams
from infra.local.issuer import AUDIENCE, ISSUER, DevIssuer, signing_key
from infra.local.loop import Loop
from infra.local.model.server import ScriptedModel
from infra.local.origin_check import OriginCheck
from infra.local.push_keys import encoded
from infra.local.routes import LocalRoutes
from infra.local.site import Site
from infra.template.parts import ALIAS, Function, functions_of
from tests.infra.aws import Aws
from tests.infra.permissions import statements
from tests.infra.resolved import ACCOUNT, REGION, Resolved

RUNNER = Path(__file__).with_name("runner.py")
KEY_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:model-key"
SIGNING_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:signing-key"
PUSH_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:push-key"
PUSH_HOST = "push.invalid"
"""A push service that no name server knows (RFC 2606): what is sent to it is signed, and goes nowhere."""
EDGE_SECRET = "what-the-edge-says"
AT_ONCE = {"ws_message": 3, "on_change": 2}
"""Processes of one function; the others have one. A laptop has no thousand."""
_OF_THE_SERVER = {"app": "api"}


class Process:
    """One warm instance of a function."""

    def __init__(self, root: Path, handler: str, env: dict[str, str]) -> None:
        self._log = (root / "log.txt").open("a")
        base = getattr(sys, "_base_executable", sys.executable)
        command = [base, "-S", "-s", "-u", str(RUNNER), handler]
        self._process = subprocess.Popen(
            command,
            cwd=root / "task",
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
        )

    def call(self, event: Any, timeout_s: float) -> Any:
        """One invocation; raises what Lambda would call a function error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"event": event, "timeout": timeout_s}) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the function's process died")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            assert pipe is not None
            pipe.close()


class Instances:
    """The processes of one function: an idle one, a new one up to the limit, or the next that is idle."""

    def __init__(self, root: Path, handler: str, env: dict[str, str], most: int) -> None:
        self._root, self._handler, self._env, self._most = root, handler, env, most
        self._idle: queue.LifoQueue[Process] = queue.LifoQueue()
        self._all: list[Process] = []
        self._lock = threading.Lock()

    def call(self, event: Any, timeout_s: float) -> Any:
        """One invocation."""
        process = self._take()
        try:
            return process.call(event, timeout_s)
        finally:
            self._idle.put(process)

    def _take(self) -> Process:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            with self._lock:
                if len(self._all) < self._most:
                    self._all.append(Process(self._root, self._handler, self._env))
                    return self._all[-1]
        return self._idle.get()

    def stop(self) -> None:
        """End them all."""
        for process in self._all:
            process.stop()


class Functions(Lambdas):
    """The functions by entry, each in processes of its own."""

    def __init__(self, instances: dict[str, Instances], functions: dict[str, Function]) -> None:
        super().__init__(threads=64)
        self._instances, self._functions = instances, functions
        self.failures: list[str] = []
        self.called: set[str] = set()
        self.through_the_edge = True

    def call(self, function: str, event: Any) -> Any:
        """Invoke and wait. What comes from outside carries the edge's header."""
        entry = _OF_THE_SERVER.get(function, function)
        if entry in ("api", "ws_connect") and self.through_the_edge:
            event = {**event, "headers": {**event["headers"], "X-Concave-Origin": EDGE_SECRET}}
        self.called.add(entry)
        try:
            return self._instances[entry].call(event, self._functions[entry].timeout_s)
        except Exception as error:
            self.failures.append(f"{entry}: {error}")
            raise


class Cloud:
    """Everything, running. `url` is where clients connect.

    Args:
        packaged: the folder of the template and the bundles.
        folder: for unzipped bundles, logs and keys.
        engine: the DynamoDB engine's address.
        settings: environment variables by entry, over the template's: shorter waits.
    """

    def __init__(
        self, packaged: Path, folder: Path, engine: str, settings: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self.root = folder
        self._settings = settings or {}
        for bundle, name in (("deployment.zip", "task"), ("layer-deployment.zip", "opt")):
            with zipfile.ZipFile(packaged / bundle) as archive:
                archive.extractall(folder / name)
        self.template = json.loads((packaged / "template.json").read_text())
        self.functions = functions_of(self.template)
        self.issuer = DevIssuer(Settings(data_dir=folder))
        self.model = ScriptedModel().start()
        self._push = encoded(ec.generate_private_key(ec.SECP256R1()))
        self.resolved = Resolved(self.template, self._parameters(), {"OriginSecret": EDGE_SECRET})
        self.engine = engine
        self.client: Any = boto3.client(
            "dynamodb", endpoint_url=engine, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y"
        )
        self._make_tables()
        policies = {each.entry: statements(self.resolved.properties(each.role)) for each in self.functions.values()}
        secrets = {KEY_SECRET: "scripted\n", SIGNING_SECRET: signing_key(folder), PUSH_SECRET: self._push[1]}
        self.aws = Aws(engine, policies, self._invoked, self._enqueued, secrets)
        self._instances = {each.entry: self._instances_of(each) for each in self.functions.values()}
        self.lambdas = Functions(self._instances, self.functions)
        self._serve()
        self.pumps = [
            self._pump(source) for name, source in self._sources("AWS::Lambda::EventSourceMapping") if name.startswith("Stream")
        ]

    def _parameters(self) -> dict[str, str]:
        return {
            "AuthIssuer": ISSUER,
            "AuthAudience": AUDIENCE,
            "AuthJwks": self.issuer.jwks_data_url(),
            "AnthropicKeySecret": KEY_SECRET,
            "SigningKeySecret": SIGNING_SECRET,
            "SigningPublicKey": public_half(signing_key(self.root)),
            "ModelUrl": self.model.url,
            "PushKeySecret": PUSH_SECRET,
            "PushPublicKey": self._push[0],
            "PushSubject": "mailto:you@example.com",
            "PushHosts": PUSH_HOST,
        }

    def _sources(self, kind: str) -> list[tuple[str, Any]]:
        return [
            (name, self.resolved.properties(name)) for name, each in self.template["Resources"].items() if each["Type"] == kind
        ]

    def _make_tables(self) -> None:
        for _, table in self._sources("AWS::DynamoDB::Table"):
            wanted = {name: table[name] for name in ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema")}
            if "GlobalSecondaryIndexes" in table:
                wanted["GlobalSecondaryIndexes"] = table["GlobalSecondaryIndexes"]
            if "StreamSpecification" in table:
                wanted["StreamSpecification"] = {"StreamEnabled": True, **table["StreamSpecification"]}
            self.client.create_table(**wanted)

    def _instances_of(self, function: Function) -> Instances:
        resource = self.resolved.properties(function.logical)
        env = {
            **{name: str(value) for name, value in resource["Environment"]["Variables"].items()},
            "AWS_LAMBDA_FUNCTION_NAME": resource["FunctionName"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": function.entry,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.aws.url,
            "WS_ENDPOINT": f"{self.aws.url}/api",
            "PYTHONPATH": f"{self.root / 'task'}:{self.root / 'opt' / SITE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANONYMOUS": "on",  # the counter counts for anybody
            "PATH": os.environ["PATH"],
            **self._settings.get(function.entry, {}),
        }
        return Instances(self.root, resource["Handler"], env, AT_ONCE.get(function.entry, 1))

    def _serve(self) -> None:
        from infra.local.server import Server

        self.server = Server(self.lambdas, LocalRoutes(self.issuer, Site(Path("nowhere"))), Walls())
        self._loop = Loop()
        self._loop.start()
        port = self._loop.run(self.server.bind(0))
        self.url = self.aws.sockets = f"http://127.0.0.1:{port}"
        self._loop.run(self.server.serve(OriginCheck(port)))

    # What AWS hands over ------------------------------------------------------------------------------------------------

    def _invoked(self, name: str, payload: Any) -> None:
        self.lambdas.invoke(self._entry_of("FunctionName", name), payload)

    def _enqueued(self, queue_name: str, body: str, delay_s: int) -> None:
        message = {"messageId": "m-1", "receiptHandle": "r-1", "body": body, "attributes": {}, "messageAttributes": {}}
        where = {"eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name}", "awsRegion": REGION}
        self.lambdas.later(self._consumer(queue_name), {"Records": [{**message, **where}]}, delay_s * 1000)

    def _consumer(self, queue_name: str) -> str:
        for _, source in self._sources("AWS::Lambda::EventSourceMapping"):
            if source["EventSourceArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name}":
                return self._entry_of("FunctionName", source["FunctionName"])
        raise LookupError(f"nothing takes from {queue_name}")

    def _entry_of(self, key: str, value: str) -> str:
        """Of an alias, by its name or its ARN; whoever starts a function itself is not heard."""
        name, _, alias = value.removeprefix(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:").partition(":")
        assert alias == ALIAS, f"{value} is not an alias"
        return next(each.entry for each in self.functions.values() if self.resolved.properties(each.logical)[key] == name)

    def _pump(self, source: dict[str, Any]) -> Pump:
        table = source["EventSourceArn"].split("/")[1]
        (rule,) = source["FilterCriteria"]["Filters"]
        kinds = json.loads(rule["Pattern"])["eventName"]

        def deliver(event: Any) -> Any:
            passed = [record for record in event["Records"] if record["eventName"] in kinds]
            return self.lambdas.call("on_change", {"Records": passed}) if passed else None

        feed = StreamFeed(DynamoStreams([TableSpec(table, stream=True)], "", self.engine, start="TRIM_HORIZON"))
        pump = Pump(table, feed, deliver)
        pump.start()
        return pump

    def stop(self) -> None:
        """Take it down."""
        self._loop.run(self.server.goodbye())
        for pump in self.pumps:
            pump.stop()
        self.lambdas.stop(3.0)
        self._loop.run(self.server.stop())
        self._loop.stop()
        for instances in self._instances.values():
            instances.stop()
        self.aws.stop()
        self.model.stop()
        self.client.close()
