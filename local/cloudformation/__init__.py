"""Resource types that ministack's CloudFormation lacks, each as its table of provisioners wants
them.

A handler is a dict of functions: create(logical_id, properties, stack) -> (physical id,
attributes), update(physical_id, old, new, stack, logical_id) -> the same, delete(physical_id,
properties). An update that gives another physical id is a replacement: CloudFormation deletes the
old resource afterwards.
"""
