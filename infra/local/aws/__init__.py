"""What the laptop has in the place of AWS: Lambda invocations, API Gateway, streams."""
