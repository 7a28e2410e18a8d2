"""Asks the endpoint about each uploaded object and keeps its answer: the shortest form of the
product.
"""

import json
import os
import urllib.parse
from typing import Any

import boto3

s3 = boto3.client("s3")
runtime = boto3.client("sagemaker-runtime")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    for message in event["Records"]:
        for record in json.loads(message["body"]).get("Records", []):
            bucket, found = record["s3"]["bucket"]["name"], record["s3"]["object"]
            key = urllib.parse.unquote_plus(found["key"])
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            answer = runtime.invoke_endpoint(EndpointName=os.environ["ENDPOINT"], Body=body)
            marker = json.loads(answer["Body"].read())["marker"]
            table.put_item(Item={"image_key": key, "marker": marker})
            print("answered", key)
    return {"batchItemFailures": []}
