"""Local SageMaker: models, endpoint configurations and endpoints, each endpoint a real serving
process.
"""
