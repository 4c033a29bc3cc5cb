"""What AWS asks for one unit of what this backend uses: list prices of us-east-1, without free tiers and discounts.

Taken down on 2026-11-20 from AWS's public price pages and from summaries of them; nothing here is fetched. Prices change:
look at the named page before you decide anything by these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

TAKEN = "2026-11-20"
REGION = "us-east-1"


@dataclass(frozen=True)
class Price:
    """Dollars for one unit, what the unit is, and the page that says so."""

    dollars: float
    unit: str
    page: str


_M = 1_000_000
PRICES: dict[str, Price] = {
    "wru": Price(0.625 / _M, "write request unit", "aws.amazon.com/dynamodb/pricing/on-demand"),
    "rru": Price(0.125 / _M, "read request unit", "aws.amazon.com/dynamodb/pricing/on-demand"),
    "invocation": Price(0.20 / _M, "Lambda invocation", "aws.amazon.com/lambda/pricing"),
    "gb_second": Price(0.0000166667, "GB-second of Lambda on x86_64", "aws.amazon.com/lambda/pricing"),
    "message": Price(1.00 / _M, "WebSocket message, per 32 KB begun, in or out", "aws.amazon.com/api-gateway/pricing"),
    "connection_minute": Price(0.25 / _M, "WebSocket connection minute", "aws.amazon.com/api-gateway/pricing"),
    "queue_request": Price(0.40 / _M, "SQS request", "aws.amazon.com/sqs/pricing"),
    "log_byte": Price(0.50 / 10**9, "byte of logs taken in", "aws.amazon.com/cloudwatch/pricing"),
    "byte_out": Price(0.085 / 10**9, "byte from CloudFront to the internet", "aws.amazon.com/cloudfront/pricing"),
    "alarm_month": Price(0.10, "alarm and month", "aws.amazon.com/cloudwatch/pricing"),
    "dashboard_month": Price(3.00, "dashboard and month, after the first three", "aws.amazon.com/cloudwatch/pricing"),
    "metric_month": Price(0.30, "metric of one's own and month", "aws.amazon.com/cloudwatch/pricing"),
    "secret_month": Price(0.40, "secret and month", "aws.amazon.com/secrets-manager/pricing"),
    "stored_gb_month": Price(0.25, "GB of DynamoDB and month", "aws.amazon.com/dynamodb/pricing/on-demand"),
    "recovery_gb_month": Price(0.20, "GB under point-in-time recovery and month", "aws.amazon.com/dynamodb/pricing/on-demand"),
}


def cost(units: dict[str, float]) -> dict[str, float]:
    """Dollars by unit. Raises `KeyError` for a unit without a price."""
    return {unit: count * PRICES[unit].dollars for unit, count in units.items()}
