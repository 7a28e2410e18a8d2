"""The classify function: S3 upload events from SQS in, one row a photo in DynamoDB out."""
