"""Starting jobs and using what they make: `python -m training.jobs tune | train | deploy | predict |
evaluate`.

Runs in the SageMaker SDK's environment, on AWS and against the local cloud alike: what is sent is
the same, AWS_ENDPOINT_URL decides who answers. Nothing in here goes into a job's source archive.
"""
