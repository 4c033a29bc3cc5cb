"""Every Lambda entry point: a decorator and one line each. What the line calls is in `chalicelib/`.

Every cold start of every function imports this file: the model's SDK and the DynamoDB libraries are imported where they are
used, and never from here.
"""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Response, WebsocketEvent

from chalicelib.aws import events, telemetry
from chalicelib.doors import http, sockets, sync
from chalicelib.wiring import backend, use

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
ANY: list[str] = []  # any content type: curl posts JSON as a form

app = Chalice(app_name="concave", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
telemetry.install(app, backend, use)


@app.route("/", methods=METHODS, content_types=ANY)
def root() -> Response:
    """HTTP, the path `/`."""
    return _http()


@app.route("/{proxy+}", methods=METHODS, content_types=ANY)
def api() -> Response:
    """HTTP, every other path: the door decides, CORS included. Chalice maps no arguments for a greedy route; none are needed."""
    return _http()


def _http() -> Response:
    request = app.current_request
    assert request is not None  # Chalice sets it before it calls a view
    answer = http.handle(backend(), http.HttpRequest(**events.rest(request.to_original_event())))
    return Response(answer.body, {**answer.headers}, answer.status)


@app.on_ws_connect(name="ws_connect")
def ws_connect(event: WebsocketEvent) -> dict[str, Any]:
    """A socket opens. A status other than 200 refuses the handshake."""
    return {"statusCode": sockets.connect(backend(), *events.opened(event.to_dict()))}


@app.on_ws_message(name="ws_message")
def ws_message(event: WebsocketEvent) -> None:
    """One text message of a client."""
    sockets.message(backend(), *events.message(event.to_dict()))


@app.on_ws_disconnect(name="ws_disconnect")
def ws_disconnect(event: WebsocketEvent) -> None:
    """A socket is gone. AWS promises no more than an attempt to say so."""
    sockets.disconnect(backend(), events.connection(event.to_dict()))


@app.lambda_function(name="welcome")
def welcome(event: dict[str, Any], context: Any) -> None:
    """Handed over by `$connect`, inside which nothing can be posted: speak first, where the protocol wants it."""
    sockets.welcome(backend(), event["connectionId"])


@app.lambda_function(name="on_change")
def on_change(event: dict[str, Any], context: Any) -> Any:
    """DynamoDB Streams of commits and chunks: tell the subscribers."""
    return events.on_change(backend(), event)


@app.lambda_function(name="serve")
def serve(event: dict[str, Any], context: Any) -> None:
    """Serve one connection's mailbox: a wait is over, or a holder has worked long enough."""
    asked = events.payload(event)
    backend().serve(asked["connectionId"], waits=asked.get("waits", False))


@app.lambda_function(name="act")
def act(event: dict[str, Any], context: Any) -> None:
    """An action that a client called over its socket."""
    sync.act(backend(), event["connectionId"], event["requestId"])


@app.lambda_function(name="run_job")
def run_job(event: dict[str, Any], context: Any) -> Any:
    """A scheduled function is due."""
    return events.jobs(event, backend().run_job, context)


@app.lambda_function(name="generate")
def generate(event: dict[str, Any], context: Any) -> Any:
    """One reply of the model, streamed into chunks."""
    return events.jobs(event, backend().generate, context)


@app.schedule("rate(1 minute)", name="tick")
def tick(event: CloudWatchEvent) -> None:
    """A minute has begun: have it swept several times. No schedule of AWS is shorter."""
    backend().tick()


@app.lambda_function(name="sweep")
def sweep(event: dict[str, Any], context: Any) -> None:
    """Pings, expired leases, unserved mailboxes, orphaned runs and jobs, dead connections."""
    backend().sweep(events.payload(event))
