"""The Lambda function that compares a day's photos and answers with what they were before."""
