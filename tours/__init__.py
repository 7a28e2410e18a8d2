"""The whole product on a laptop, in one command: the demo and the loop."""
