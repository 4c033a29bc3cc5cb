"""The local server: API Gateway, DynamoDB, the model and the issuer, played on one machine."""
