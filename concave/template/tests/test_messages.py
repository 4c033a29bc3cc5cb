from collections.abc import Iterator

import pytest
from concave import Refused
from concave.testing import App

from {{package}} import messages


@pytest.fixture
def app() -> Iterator[App]:
    with App("{{package}}") as running:
        yield running


def test_a_message_is_seen_by_everybody_at_once(app: App) -> None:
    ada, bob = app.user("ada"), app.user("bob")
    seen = bob.subscribe(messages.latest)
    ada.mutation(messages.send, text="Hello")
    assert [(each["author"], each["text"]) for each in seen.value] == [("ada", "Hello")]


def test_an_empty_message_is_refused(app: App) -> None:
    with pytest.raises(Refused, match="1 to 500 characters"):
        app.user("ada").mutation(messages.send, text=" ")
    assert app.user("ada").query(messages.latest) == []


def test_another_org_sees_nothing(app: App) -> None:
    app.user("ada", org="acme").mutation(messages.send, text="Hello")
    assert app.user("eve", org="other").query(messages.latest) == []
