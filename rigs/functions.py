"""The variables with which tests and benchmarks start the functions, as Lambda would."""

_LAMBDA = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
CLASSIFY = _LAMBDA | {
    "PREDICTIONS_TABLE": "predictions",
    "ENDPOINT_NAME": "breeds",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
    "BACKFILL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/backfill",
    "UPLOAD_BUCKET": "breed-classifier-uploads-123456789012-us-east-1",
    "POWERTOOLS_SERVICE_NAME": "classify",
    "POWERTOOLS_METRICS_NAMESPACE": "breed-classifier",
}
API = _LAMBDA | {
    "PREDICTIONS_TABLE": "predictions",
    "REVIEWS_TABLE": "reviews",
    "TALLIES_TABLE": "tallies",
    "DEPLOYMENTS_TABLE": "photos-deployments",
    "BUCKET": "photos",
    "BACKFILL_BUCKET": "shelter",
    "DRIFT_TABLE": "photos-drift",
    "CURSOR_SECRET": "cursors",
    "SIGN_IN_HOST": "dogs.auth.us-east-1.amazoncognito.com",
    "CLIENT_ID": "page",
    "FIRST_MONTH": "2026-09",
    "POWERTOOLS_SERVICE_NAME": "api",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
