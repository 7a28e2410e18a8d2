"""The cloud on a laptop: ministack behind one port of 127.0.0.1, with a local SageMaker beside it.

`python -m local` starts it, `python -m local env` prints the shell lines that point the tools at
it. Three seams reach into ministack and no more: `local.gateway` wraps its ASGI application,
`local.cloudformation` registers resource types in its table of provisioners, and renewed tokens are
given their groups. `local.seams` checks them before anything starts.
"""
