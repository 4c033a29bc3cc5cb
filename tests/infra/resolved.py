"""The packaged template as CloudFormation resolves it: references, attributes, conditions; for one made-up account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REGION, ACCOUNT = "us-east-1", "123456789012"
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "concave-dev",
}
NOTHING = object()


class Resolved:
    """A template with parameters.

    Args:
        template: as packaged.
        parameters: what is given at the deployment; the others have their defaults.
        secrets: values by the logical id of the secret.
    """

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self.resources: dict[str, Any] = template["Resources"]
        defaults = {name: each["Default"] for name, each in template["Parameters"].items()}
        self._parameters = {**defaults, **parameters}
        self._conditions = template["Conditions"]
        self._secrets = secrets

    def properties(self, logical: str) -> Any:
        """The properties of a resource."""
        return self.value(self.resources[logical]["Properties"])

    def value(self, value: Any) -> Any:
        """Anything, with its intrinsic functions carried out."""
        if isinstance(value, list):
            return [each for each in map(self.value, value) if each is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        made = {name: self.value(each) for name, each in value.items()}
        return {name: each for name, each in made.items() if each is not NOTHING}

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Fn::GetAtt":
                return self._attribute(*argument)
            case "Fn::Sub":
                text, values = (argument, {}) if isinstance(argument, str) else argument
                return self._secret(re.sub(r"\$\{([^}]+)\}", lambda found: str(self._named(found[1], values)), text))
            case "Fn::If":
                condition, then, otherwise = argument
                return self.value(then if self.value(self._conditions[condition]) else otherwise)
            case "Fn::Not":
                return not self.value(argument[0])
            case "Fn::Equals":
                first, second = map(self.value, argument)
                return first == second
        raise ValueError(f"{name} is not known here")

    def _named(self, name: str, values: Mapping[str, Any]) -> Any:
        if name in values:
            return self.value(values[name])
        head, _, attribute = name.partition(".")
        return self._attribute(head, attribute) if attribute else self._ref(name)

    def _secret(self, text: str) -> str:
        return re.sub(r"\{\{resolve:secretsmanager:(\w+)\}\}", lambda found: self._secrets[found[1]], text)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self._parameters:
            return self._parameters[name]
        resource = self.resources[name]
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                return properties["TableName"]
            case "AWS::Serverless::Function":
                return properties["FunctionName"]
            case "AWS::SQS::Queue":
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{properties['QueueName']}"
            case "AWS::Lambda::Alias":
                name = self._ref(properties["FunctionName"]["Ref"])
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:{properties['Name']}"
            case "AWS::Logs::LogGroup":
                return properties["LogGroupName"]
        return name

    def _attribute(self, logical: str, attribute: str) -> Any:
        resource = self.resources[logical]
        match resource["Type"], attribute:
            case "AWS::DynamoDB::Table", "Arn":
                return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self._ref(logical)}"
            case "AWS::DynamoDB::Table", "StreamArn":
                return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self._ref(logical)}/stream/label"
            case "AWS::SQS::Queue", "Arn":
                return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{resource['Properties']['QueueName']}"
        return f"{logical}.{attribute}"
