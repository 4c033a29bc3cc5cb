"""What a patch of the template may name, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from infra.template.merge import MatchesNothing, merge

PACKAGED: dict[str, Any] = {
    "Outputs": {"Old": {"Value": "x"}},
    "Resources": {
        "OnChange": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Timeout": 60, "Events": {"Source": {"Type": "DynamoDB", "Properties": {"BatchSize": 1}}}},
        }
    },
}


def _merged(resources: dict[str, Any]) -> dict[str, Any]:
    return merge(PACKAGED, {"Resources": resources})["Resources"]


def test_a_patch_of_a_resource_that_is_not_there_is_an_error() -> None:
    with pytest.raises(MatchesNothing, match="OnChnage is not in the packaged template"):
        _merged({"OnChnage": {"Properties": {"Timeout": 1}}})


def test_a_patch_of_an_event_that_is_not_there_is_an_error() -> None:
    # Chalice's own merge adds a second, half-defined event here and says nothing.
    with pytest.raises(MatchesNothing, match=r"OnChange.Events.Sorce is not in the packaged template"):
        _merged({"OnChange": {"Properties": {"Events": {"Sorce": {"Properties": {"BatchSize": 5}}}}}})


def test_a_new_resource_under_a_name_that_is_taken_is_an_error() -> None:
    with pytest.raises(MatchesNothing, match="OnChange is in the packaged template already"):
        _merged({"OnChange": {"Type": "AWS::SQS::Queue"}})


def test_a_section_of_a_resource_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(MatchesNothing, match=r"OnChange.Propertys"):
        _merged({"OnChange": {"Propertys": {}}})


def test_a_section_of_the_template_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(MatchesNothing, match="Resorces"):
        merge(PACKAGED, {"Resorces": {}})


def test_properties_are_added_and_replaced_and_the_packaged_template_stays_as_it_was() -> None:
    made = _merged({"OnChange": {"Properties": {"Timeout": 5, "Events": {"Source": {"Properties": {"BatchSize": 7}}}}}})
    properties = made["OnChange"]["Properties"]
    assert properties["Timeout"] == 5
    assert properties["Events"]["Source"] == {"Type": "DynamoDB", "Properties": {"BatchSize": 7}}
    assert PACKAGED["Resources"]["OnChange"]["Properties"]["Timeout"] == 60


def test_a_reference_replaces_what_was_there_instead_of_being_mixed_into_it() -> None:
    made = _merged({"OnChange": {"Properties": {"Events": {"Fn::If": ["A", {}, {}]}}}})
    assert made["OnChange"]["Properties"]["Events"] == {"Fn::If": ["A", {}, {}]}


def test_outputs_are_ours_alone() -> None:
    assert merge(PACKAGED, {"Outputs": {"Url": {"Value": "y"}}})["Outputs"] == {"Url": {"Value": "y"}}
