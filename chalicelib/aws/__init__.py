"""Adapters to AWS: the DynamoDB store, gateway posts, stream events and invocations. Blind to the domain."""
