"""The live page of one or several runs. It reads; nothing is written, nobody waits for it."""
