"""Starting jobs and using what they make: tune, train, deploy, predict, evaluate.

`python -m training.jobs COMMAND` runs in the SageMaker SDK's environment, on AWS and against the
local cloud alike: what is sent is the same, AWS_ENDPOINT_URL decides who answers. Nothing in here
goes into a job's source archive.
"""
