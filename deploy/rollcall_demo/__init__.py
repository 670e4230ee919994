"""The simulated cluster behind `rollcall demo`: an API server in Python and scripted lives, no real cluster."""
