"""Application Auto Scaling: targets and policies are kept and answered, and the instance count of a
variant of an endpoint follows its requests. The count alone: one process serves a variant here.
"""
