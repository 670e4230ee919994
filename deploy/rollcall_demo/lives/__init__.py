"""The scripted lives of the simulated cluster, a module for each project."""

from rollcall_demo.lives import language, serving, speech, vision

LIVES = (*vision.LIVES, *language.LIVES, *speech.LIVES, *serving.LIVES)
"""All of them."""
