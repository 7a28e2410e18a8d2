"""Application Auto Scaling: targets and policies are kept and answered, so that a stack deploys.
Nothing scales here: one process serves a variant, whatever its instance count.
"""
