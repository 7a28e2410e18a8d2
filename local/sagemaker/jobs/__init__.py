"""Training jobs: each is a real process under the in-container toolkit, in a folder laid out like
/opt/ml.
"""
