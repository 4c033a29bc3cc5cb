"""What only the DynamoDB store has: its errors, the batches that AWS leaves undone, expression text, table definitions."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from chalicelib.aws.expressions import Placeholders, condition_text, update_text
from chalicelib.aws.failures import failure
from chalicelib.aws.models import create_input, model_of, models
from chalicelib.aws.store import DynamoStore
from chalicelib.data.errors import BadRequest, ConcaveError, ConditionFailed, Contention, LimitExceeded, StoreFailed, StoreRefused
from chalicelib.data.store import Absent, Action, All, Any_, Check, Equals, Exists, Key, Lacks, Less, Put, Update
from tests.support.stores import SPECS

ONE = Key("notes", "a")


class Client:
    """A botocore client that gives the answers it was handed, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.asked.append({"operation": operation, **request})
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def _error(code: str, message: str = "", retries: int = 0, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RetryAttempts": retries}, **more}
    return ClientError(response, "Operation")


def _cancelled(*codes: str, retries: int = 0) -> ClientError:
    reasons = [{"Code": code, **({"Item": {"pk": {"S": "x"}}} if code == "ConditionalCheckFailed" else {})} for code in codes]
    return _error("TransactionCanceledException", "cancelled", retries, CancellationReasons=reasons)


def _store(*answers: Any) -> tuple[DynamoStore, Client, list[float]]:
    client, slept = Client(*answers), list[float]()
    store = DynamoStore(SPECS, "x-", client=client, sleep=slept.append, rng=random.Random(1))
    return store, client, slept


TWO: list[Action] = [Put("notes", {"pk": "a"}, Absent()), Check(Key("fences", "f", "!"), Exists())]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_cancelled("None", "TransactionConflict"), Contention),
        (_cancelled("ThrottlingError", "None"), Contention),
        (_cancelled("ProvisionedThroughputExceeded", "None"), Contention),
        (_cancelled("TransactionConflict", "ConditionalCheckFailed"), ConditionFailed),
        (_cancelled("None", "ValidationError"), StoreRefused),
        (_cancelled("None", "AccessDenied"), StoreRefused),
        (_cancelled("None", "SomethingNew"), StoreFailed),
        (_cancelled("None", "TransactionConflict", retries=1), StoreFailed),
        (_error("TransactionConflictException"), Contention),
        (_error("ThrottlingException"), Contention),
        (_error("ProvisionedThroughputExceededException"), Contention),
        (_error("RequestLimitExceeded", retries=2), StoreFailed),
        (_error("TransactionInProgressException"), StoreFailed),
        (_error("InternalServerError"), StoreFailed),
        (_error("ResourceNotFoundException"), StoreRefused),
        (_error("AccessDeniedException"), StoreRefused),
        (_error("ExpiredTokenException"), StoreRefused),
        (_error("UnrecognizedClientException"), StoreRefused),
        (_error("InvalidSignatureException"), StoreRefused),
        (NoCredentialsError(), StoreRefused),
        (EndpointConnectionError(endpoint_url="http://x"), StoreFailed),
        (_error("ValidationException", "Item size has exceeded the maximum allowed size"), LimitExceeded),
        (_error("ValidationException", "The document path provided is invalid"), BadRequest),
        (_error("ValidationException", "One or more parameter values were invalid"), StoreRefused),
        (ReadTimeoutError(endpoint_url="http://x"), StoreFailed),
    ],
    ids=str,
)
def test_every_failure_has_one_name(error: Exception, expected: type[ConcaveError]) -> None:
    store, _, _ = _store(error)
    with pytest.raises(ConcaveError) as raised:
        store.transact(TWO)
    assert type(raised.value) is expected


def test_contention_names_the_table_and_a_refusal_its_positions() -> None:
    busy = failure(dict(_cancelled("None", "TransactionConflict").response), ["notes", "fences"])
    refused = failure(dict(_cancelled("None", "ConditionalCheckFailed").response), ["notes", "fences"])
    assert isinstance(busy, Contention)
    assert isinstance(refused, ConditionFailed)
    assert (busy.table, refused.failed, refused.olds) == ("fences", [1], [{"pk": "x"}])


def test_a_read_that_was_retried_is_still_only_busy() -> None:
    store, _, _ = _store(_error("ThrottlingException", retries=2))
    with pytest.raises(Contention):
        store.get(ONE)


def test_keys_that_dynamodb_left_undone_are_asked_for_again_with_growing_waits() -> None:
    undone = {"x-notes": {"Keys": [{"pk": {"S": "b"}}], "ConsistentRead": True}}
    store, client, slept = _store(
        {"Responses": {"x-notes": [{"pk": {"S": "a"}}]}, "UnprocessedKeys": undone},
        {"Responses": {}, "UnprocessedKeys": undone},
        {"Responses": {"x-notes": [{"pk": {"S": "b"}}]}, "UnprocessedKeys": {}},
    )
    assert store.batch_get([Key("notes", "b"), ONE]) == [{"pk": "b"}, {"pk": "a"}]
    assert [asked["RequestItems"] for asked in client.asked[1:]] == [undone, undone]
    assert len(slept) == 2
    assert all(0 <= seconds <= 0.1 for seconds in slept)


def test_keys_that_stay_undone_are_contention() -> None:
    undone = {"x-notes": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": True}}
    store, _, _ = _store(*[{"Responses": {}, "UnprocessedKeys": undone}] * 8)
    with pytest.raises(Contention) as busy:
        store.batch_get([ONE])
    assert busy.value.table == "notes"


def test_reads_are_consistent_except_on_an_index() -> None:
    empty: dict[str, Any] = {"Items": []}
    store, client, _ = _store({}, {"Responses": {}}, empty, empty)
    store.get(ONE)
    store.batch_get([ONE])
    store.query("log", "c")
    store.query("log", "c", index="by_author")
    assert client.asked[0]["ConsistentRead"] is True
    assert client.asked[1]["RequestItems"]["x-notes"]["ConsistentRead"] is True
    assert client.asked[2]["ConsistentRead"] is True
    assert "ConsistentRead" not in client.asked[3]


def test_an_engine_that_is_not_there_is_a_failed_store() -> None:
    store = DynamoStore(SPECS, endpoint_url="http://127.0.0.1:9", sleep=lambda _: None)
    with pytest.raises(StoreFailed, match="did not answer"):
        store.get(ONE)
    store.close()


def test_conditions_become_text_with_placeholders() -> None:
    holders = Placeholders()
    text = condition_text(All((Exists(), Any_((Lacks(("size", "a.b")), Less(("size",), 3))), Equals(("x",), "y"))), holders)
    assert text == "(attribute_exists(#0) AND (attribute_not_exists(#1.#2) OR #1 < :0) AND #3 = :1)"
    assert holders.names == {"#0": "pk", "#1": "size", "#2": "a.b", "#3": "x"}
    assert holders.values == {":0": 3, ":1": "y"}


def test_updates_become_text_with_placeholders() -> None:
    holders = Placeholders()
    text = update_text(Update(ONE, set={("a",): 1}, add={("m", "n"): 2}, remove=(("b",), ("m", "x"))), holders)
    assert text == "SET #0 = :0, #1.#2 = if_not_exists(#1.#2, :1) + :2 REMOVE #3, #1.#4"
    assert holders.values == {":0": 1, ":1": 0, ":2": 2}


def test_a_table_becomes_a_model_with_its_indexes_stream_and_time_to_live() -> None:
    made = create_input(models(SPECS, "x-")["log"])
    assert made == {
        "TableName": "x-log",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "by_author#p", "AttributeType": "S"},
            {"AttributeName": "by_author#o", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_author",
                "KeySchema": [
                    {"AttributeName": "by_author#p", "KeyType": "HASH"},
                    {"AttributeName": "by_author#o", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    }
    assert model_of(SPECS[2]).__name__ == "Fences"


def test_sqlite_and_the_rules_load_no_aws_library() -> None:
    code = (
        "import sys, infra.local.sqlite.store, infra.local.faults.store, infra.local.faults.counting, infra.local.aws.streams; "
        "print([name for name in ('boto3', 'botocore', 'pynamodb') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
