"""The S3 client by which the parts and their tests speak to an S3 server on loopback."""

import boto3
from botocore.client import BaseClient
from botocore.config import Config

REGION = "us-east-1"


def s3_client(endpoint: str, access_key: str, secret_key: str) -> BaseClient:
    """A boto3 client that tries once, and adds no checksum that it was not asked for."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
