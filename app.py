"""Every Lambda entry point: a decorator and one line each. What the line calls is in `chalicelib/`.

Nothing heavy is imported here, because every cold start of every function imports this file.
"""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Response, WebsocketEvent

from chalicelib.aws import events, telemetry

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
ANY: list[str] = []  # any content type: curl posts JSON as a form

app = Chalice(app_name="concave", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
telemetry.install(app)


def _event() -> dict[str, Any]:
    assert app.current_request is not None  # Chalice sets it before it calls a view
    return dict(app.current_request.to_original_event())


@app.route("/", methods=METHODS, content_types=ANY)
def root() -> Response:
    """HTTP, the path `/`."""
    return Response(**events.rest(_event()))


@app.route("/{proxy+}", methods=METHODS, content_types=ANY)
def api() -> Response:
    """HTTP, every other path: the door decides, CORS included. Chalice maps no arguments for a greedy route; none are needed."""
    return Response(**events.rest(_event()))


@app.on_ws_connect(name="ws_connect")
def ws_connect(event: WebsocketEvent) -> dict[str, Any]:
    """A socket opens. A status other than 200 refuses the handshake."""
    return events.connect(event.to_dict())


@app.on_ws_message(name="ws_message")
def ws_message(event: WebsocketEvent) -> None:
    """One text message of a client."""
    events.message(event.to_dict())


@app.on_ws_disconnect(name="ws_disconnect")
def ws_disconnect(event: WebsocketEvent) -> None:
    """A socket is gone."""
    events.disconnect(event.to_dict())


@app.lambda_function(name="welcome")
def welcome(event: dict[str, Any], context: Any) -> None:
    """Speak first on a new connection, where its protocol wants it."""
    events.welcome(event)


@app.lambda_function(name="on_change")
def on_change(event: dict[str, Any], context: Any) -> Any:
    """DynamoDB Streams of commits and chunks: tell the subscribers."""
    return events.on_change(events.backend(), event)


@app.lambda_function(name="serve")
def serve(event: dict[str, Any], context: Any) -> None:
    """Serve one connection's mailbox."""
    events.backend().serve(event["connectionId"])


@app.lambda_function(name="run_job")
def run_job(event: dict[str, Any], context: Any) -> Any:
    """A scheduled function is due."""
    return events.jobs(event, events.backend().run_job)


@app.lambda_function(name="generate")
def generate(event: dict[str, Any], context: Any) -> Any:
    """One reply of the model, streamed into chunks."""
    return events.jobs(event, events.backend().generate)


@app.schedule("rate(1 minute)", name="sweep")
def sweep(event: CloudWatchEvent) -> None:
    """Pings, expired leases, unserved mailboxes, orphaned runs and jobs, dead connections."""
    events.backend().sweep()
