"""The lister: one turn of a back-fill. A Step Functions loop calls it until it says `done`."""
