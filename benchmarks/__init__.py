"""How fast forgetless is, against the usual loop and against what the machine can do; README.md says how to run it."""
