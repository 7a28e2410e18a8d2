"""The API and the page: requests of API Gateway in, rows and reviews of DynamoDB out."""
